//! Who is let in: by domain, by group, and by what only the provider knows.
//!
//! Refuses to let in more people than before: where a restriction cannot be translated, people have to be invited.

use super::Making;
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::model::Domain;

/// Who was let in by what Doorward does not ask.
pub(super) fn restrictions(making: &mut Making<'_>, kind: &str) {
    let unmet: &[(&'static str, &str)] = match kind {
        "github" => &[
            ("github-org", "GitHub's organisations are not asked for."),
            ("github-team", "GitHub's teams are not asked for."),
            ("github-repo", "GitHub's repositories are not asked for."),
            ("github-user", "People are not let in by their login at GitHub."),
        ],
        "gitlab" => &[("gitlab-project", "GitLab's projects are not asked for.")],
        "google" => &[("google-group", "Google does not send groups, and its directory is not asked.")],
        "bitbucket" => &[
            ("bitbucket-team", "Bitbucket's teams are not asked for."),
            ("bitbucket-repository", "Bitbucket's repositories are not asked for."),
        ],
        "entra-id" => &[("entra-id-allowed-tenant", "One issuer is one tenant.")],
        "keycloak-oidc" => {
            &[("allowed-role", "Keycloak's roles have to be put into the `groups` claim, and named in the routes' `groups`.")]
        }
        _ => &[],
    };
    for (flag, why) in unmet {
        if making.model.settings.text(flag).is_some() || !making.model.settings.list(flag).is_empty() {
            making.close(flag, why);
        }
    }
    let further: &[&'static str] = match kind {
        "github" => &["github-token"],
        "google" => &[
            "google-admin-email",
            "google-service-account-json",
            "google-use-application-default-credentials",
            "google-target-principal",
            "google-admin-api-user-scope",
        ],
        _ => &[],
    };
    for flag in further {
        if making.model.settings.said(flag).is_some() {
            making.remark(Weight::Needless, flag, "it served a restriction that is not carried over");
        }
    }
    // Options of other providers have no effect, as before.
    for flag in [
        "keycloak-group",
        "gitlab-group",
        "allowed-role",
        "azure-tenant",
        "azure-graph-group-field",
        "entra-id-allowed-tenant",
        "entra-id-federated-token-auth",
        "bitbucket-team",
        "bitbucket-repository",
        "github-org",
        "github-team",
        "github-repo",
        "github-token",
        "github-user",
        "gitlab-project",
        "google-group",
        "google-admin-email",
        "google-service-account-json",
        "google-use-application-default-credentials",
        "google-target-principal",
        "google-admin-api-user-scope",
        "jwt-key",
        "jwt-key-file",
    ] {
        let own = flag.starts_with(kind.split('-').next().unwrap_or(kind)) || (flag.starts_with("entra") && kind == "azure");
        let role = flag == "allowed-role" && kind == "keycloak-oidc";
        let key = flag.starts_with("jwt-") && kind == "login.gov";
        let tenant = flag.starts_with("azure-") && kind == "entra-id";
        if !own && !role && !key && !tenant && making.model.settings.said(flag).is_some() {
            making.remark(Weight::Needless, flag, format!("it has no effect with the provider `{kind}`, as before"));
        }
    }
}

/// Groups of which one is needed everywhere.
pub(super) fn groups(making: &Making<'_>) -> Vec<String> {
    let settings = &making.model.settings;
    let own = match settings.text_or("provider", "google") {
        "keycloak" | "keycloak-oidc" => settings.list("keycloak-group"),
        "gitlab" => settings.list("gitlab-group"),
        _ => &[],
    };
    settings.list("allowed-group").iter().chain(own).cloned().collect()
}

/// Whose addresses are let in.
pub(super) fn domains(making: &mut Making<'_>) -> Vec<String> {
    let typed = making.list("email-domain");
    let file = making.model.settings.text("authenticated-emails-file").map(str::to_owned);
    if typed.is_empty() && file.is_none() {
        let hint = "`--email-domain=example.com`, or `*` for everybody whom the provider signs in";
        making.trouble("email-domain", "it is not said whose addresses are let in", hint);
    }
    if typed.iter().any(|domain| domain == "*") {
        return Vec::new();
    }
    let (named, others): (Vec<String>, Vec<String>) = typed.into_iter().partition(|domain| domain.parse::<Domain>().is_ok());
    for other in &others {
        let why = match other.strip_prefix("*.").or_else(|| other.strip_prefix('.')) {
            Some(parent) => format!("`{other}` stood for every domain below `{parent}`: name each of them in `domains`"),
            None => format!("`{other}` is no domain of an e-mail address"),
        };
        making.remark(Weight::Unsupported, "email-domain", why);
    }
    if let Some(file) = file {
        let named = if named.is_empty() { "" } else { "; the `domains` are taken besides, as before" };
        making
            .close("authenticated-emails-file", &format!("Invite each address of `{file}` with `doorward user invite`{named}."));
        if !named.is_empty() {
            let why = "either was enough before: now an address has to be of `domains`, and of somebody who is invited";
            making.remark(Weight::Differs, "email-domain", why);
        }
    } else if named.is_empty() && !others.is_empty() {
        making.close("email-domain", "No domain of those that were let in can be named.");
    }
    named
}
