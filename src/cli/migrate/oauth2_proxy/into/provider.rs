//! The provider, as a connection.
//!
//! Refuses a provider that is not asked by HTTPS, or whose issuer nobody said.

use super::{Making, people};
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::cli::migrate::oauth2_proxy::trouble::like;
use crate::cli::migrate::oauth2_proxy::yaml::Map;

const PROVIDERS: [&str; 17] = [
    "adfs",
    "azure",
    "entra-id",
    "bitbucket",
    "cidaas",
    "digitalocean",
    "facebook",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "keycloak-oidc",
    "linkedin",
    "login.gov",
    "nextcloud",
    "oidc",
    "sourcehut",
];

/// Servers without an ID token: endpoints, scopes, and where the profile says what.
struct Server {
    authorization: &'static str,
    token: &'static str,
    userinfo: &'static str,
    scopes: &'static [&'static str],
    claims: &'static [(&'static str, &'static str)],
    /// Whether it owns its addresses, because it says nothing about their having been verified.
    vouches: bool,
}

#[rustfmt::skip]
const SERVERS: &[(&str, Server)] = &[
    ("bitbucket", Server {
        authorization: "https://bitbucket.org/site/oauth2/authorize", token: "https://bitbucket.org/site/oauth2/access_token",
        userinfo: "https://api.bitbucket.org/2.0/user", scopes: &["email", "account"],
        claims: &[("subject", "uuid"), ("name", "display_name"), ("user_name", "username")], vouches: false,
    }),
    ("digitalocean", Server {
        authorization: "https://cloud.digitalocean.com/v1/oauth/authorize", token: "https://cloud.digitalocean.com/v1/oauth/token",
        userinfo: "https://api.digitalocean.com/v2/account", scopes: &["read"],
        claims: &[("subject", "account.uuid"), ("email", "account.email"), ("email_verified", "account.email_verified")], vouches: false,
    }),
    ("facebook", Server {
        authorization: "https://www.facebook.com/v2.5/dialog/oauth", token: "https://graph.facebook.com/v2.5/oauth/access_token",
        userinfo: "https://graph.facebook.com/v2.5/me?fields=id,name,email", scopes: &["public_profile", "email"],
        claims: &[("subject", "id"), ("email", "email"), ("name", "name")], vouches: true,
    }),
    ("nextcloud", Server {
        authorization: "", token: "", userinfo: "", scopes: &[],
        claims: &[
            ("subject", "ocs.data.id"), ("email", "ocs.data.email"), ("name", "ocs.data.displayname"), ("user_name", "ocs.data.id"),
            ("groups", "ocs.data.groups"),
        ], vouches: true,
    }),
];

/// The connection's id: what stands in addresses.
pub(super) fn id(making: &Making<'_>) -> String {
    making.model.settings.text_or("provider", "google").replace('.', "-")
}

/// The connection; `None` where there is a trouble.
pub(super) fn connection(making: &mut Making<'_>) -> Option<Map> {
    let kind = making.model.settings.text_or("provider", "google").to_owned();
    if !PROVIDERS.contains(&kind.as_str()) {
        let hint = like(&kind, PROVIDERS.into_iter(), &format!("oauth2-proxy knows {}", PROVIDERS.join(", ")));
        making.trouble("provider", format!("there is no provider `{kind}`"), hint);
        return None;
    }
    if making.model.settings.text("client-id").is_none() {
        making.trouble("client-id", "the client id is missing", "`--client-id`, `client_id` or `OAUTH2_PROXY_CLIENT_ID` says it");
        return None;
    }
    let (section, key) = match kind.as_str() {
        "github" | "bitbucket" | "digitalocean" | "facebook" | "nextcloud" | "sourcehut" => (server(making, &kind)?, "oauth2"),
        _ => (provider(making, &kind)?, "oidc"),
    };
    people::restrictions(making, &kind);
    let mut map = Map::new();
    map.set("id", id(making));
    map.set_some("display_name", making.model.settings.text("provider-display-name"));
    map.set(key, section);
    let domains = people::domains(making);
    if !domains.is_empty() {
        map.set("domains", domains);
    }
    if let Some(why) = making.closed.first() {
        map.set("provision", "invited")
            .say(format!("{why} Until then nobody gets in whom `doorward user invite` has not named."));
    }
    Some(map)
}

fn provider(making: &mut Making<'_>, kind: &str) -> Option<Map> {
    let mut map = Map::new();
    map.set_some("provider", preset(kind));
    let issuer = issuer(making, kind)?;
    match issuer {
        Issuer::Known => {}
        Issuer::Said(issuer) => drop(map.set("issuer", making.encrypted("oidc-issuer-url", issuer))),
    }
    client(making, kind, &mut map);
    scopes(making, kind, &mut map);
    let claims = claims(making, kind);
    if !claims.is_empty() {
        map.set("claims", claims);
    }
    parameters(making, &mut map);
    authorities(making, &mut map);
    let trusts = making.model.settings.on("insecure-oidc-allow-unverified-email");
    if trusts {
        map.set("trust_unverified_email", true);
    } else if preset(kind).is_none() {
        let why = "an e-mail address counts only where the ID token says `email_verified: true`; where the provider does not say so and owns its addresses, add `trust_unverified_email: true` to the connection";
        making.remark_of(Weight::Differs, "", None, why);
    }
    discovery(making);
    Some(map)
}

enum Issuer {
    /// The preset says it.
    Known,
    Said(String),
}

fn preset(kind: &str) -> Option<&'static str> {
    match kind {
        "google" => Some("google"),
        "azure" | "entra-id" => Some("entra"),
        "keycloak" | "keycloak-oidc" => Some("keycloak"),
        _ => None,
    }
}

fn issuer(making: &mut Making<'_>, kind: &str) -> Option<Issuer> {
    let said = making.model.settings.text("oidc-issuer-url").map(str::to_owned);
    let tenant = making.model.settings.text("azure-tenant").map(str::to_owned);
    let login = making.model.settings.text("login-url").map(str::to_owned);
    let found = match kind {
        "google" => return Some(Issuer::Known),
        "azure" if said.is_none() => {
            let tenant = tenant.unwrap_or_else(|| "common".to_owned());
            making.remark(
                Weight::Differs,
                "azure-tenant",
                "the newer endpoints of Microsoft Entra ID are used: the issuer ends with `/v2.0`",
            );
            Some(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
        }
        "gitlab" => said.or_else(|| Some("https://gitlab.com".to_owned())),
        "login.gov" => said.or_else(|| Some("https://secure.login.gov/".to_owned())),
        "linkedin" => {
            let why = "\"Sign In with LinkedIn using OpenID Connect\" has to be added to the application there; the scopes that oauth2-proxy asks for are no longer given";
            making.remark(Weight::Differs, "provider", why);
            Some("https://www.linkedin.com/oauth".to_owned())
        }
        // Keycloak's addresses say its issuer.
        "keycloak" => said
            .or_else(|| login.and_then(|url| url.split_once("/protocol/openid-connect/").map(|(issuer, _)| issuer.to_owned()))),
        _ => said,
    };
    let Some(issuer) = found else {
        making.trouble("oidc-issuer-url", "the provider's issuer is missing", "`--oidc-issuer-url=https://…` says it");
        return None;
    };
    if ["/common/", "/organizations/", "/consumers/"].iter().any(|all| issuer.contains(all)) {
        let why = "this issuer is never the one in a token: write your own tenant's id in its place, or make a connection for each tenant";
        making.remark(Weight::Unsupported, "oidc-issuer-url", why);
    }
    Some(Issuer::Said(issuer))
}

/// What discovery says, whatever was written.
fn discovery(making: &mut Making<'_>) {
    let skips = making.model.settings.on("skip-oidc-discovery");
    for flag in ["login-url", "redeem-url", "profile-url", "validate-url", "oidc-jwks-url"] {
        if making.model.settings.text(flag).is_none() {
            continue;
        }
        if skips {
            making.remark(Weight::Differs, flag, "the provider's discovery document says it");
        } else {
            making.remark(Weight::Needless, flag, "the provider's discovery document says it, as before");
        }
    }
    if skips {
        let why = "`{issuer}/.well-known/openid-configuration` is always read; a server without one is an `oauth2` connection with its endpoints";
        making.remark(Weight::Unsupported, "skip-oidc-discovery", why);
    }
}

fn client(making: &mut Making<'_>, kind: &str, map: &mut Map) {
    map.set_some("client_id", making.model.settings.text("client-id"));
    if kind == "login.gov" {
        map.set("client_auth", "private_key_jwt");
        match making.model.settings.secret("jwt-key", Some("jwt-key-file")) {
            Some(key) => {
                let pem = making.keep(&key, "jwt-key", "client-key.pem");
                let mut key = Map::one("pem", pem);
                key.set("algorithm", "RS256");
                map.set("client_key", key);
            }
            None => making.trouble("jwt-key", "login.gov needs a private key", "`--jwt-key-file=…` names it"),
        }
        return;
    }
    if let Some(secret) = making.model.settings.secret("client-secret", Some("client-secret-file")) {
        let secret = making.keep(&secret, "client-secret", "client-secret");
        map.set("client_secret", secret);
    } else if making.model.settings.on("entra-id-federated-token-auth") {
        let why = "a token of the cluster does not prove the application: use `client_auth: private_key_jwt` with a certificate, or a secret";
        making.remark(Weight::Unsupported, "entra-id-federated-token-auth", why);
    }
}

fn scopes(making: &mut Making<'_>, kind: &str, map: &mut Map) {
    let typed = making.model.settings.text("scope").map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let grouped = !making.model.settings.list("allowed-group").is_empty();
    let scopes = match typed {
        Some(scopes) => scopes.into_iter().filter(|scope| scope != "openid").collect(),
        None if kind == "cidaas" => ["email", "profile", "roles", "groups"].map(str::to_owned).to_vec(),
        // As oauth2-proxy asks where groups matter.
        None if grouped && kind == "oidc" => ["email", "profile", "groups"].map(str::to_owned).to_vec(),
        None => return,
    };
    map.set("scopes", scopes);
}

fn claims(making: &mut Making<'_>, kind: &str) -> Map {
    let mut map = Map::new();
    let settings = &making.model.settings;
    let older = settings.text("user-id-claim").filter(|claim| *claim != "email");
    let email = settings.text("oidc-email-claim").filter(|claim| *claim != "email").or(older);
    let groups = settings.text("oidc-groups-claim").filter(|claim| *claim != "groups");
    map.set_some("email", email).set_some("groups", groups);
    if groups.is_some_and(|claim| claim.contains('.')) || email.is_some_and(|claim| claim.contains('.')) {
        let why = "a claim within another cannot be named: have the provider put it at the top of the ID token";
        making.remark(Weight::Unsupported, "oidc-groups-claim", why);
    }
    if kind == "keycloak-oidc" {
        let why = "roles are not read from the access token: with Keycloak's mapper for realm or client roles put them into the `groups` claim";
        making.remark_of(Weight::Differs, "provider", None, why);
    }
    if let Some(field) = making.model.settings.text("azure-graph-group-field").filter(|field| *field != "id") {
        let why = format!(
            "groups are those of the ID token, by their object ids: for `{field}` let Entra ID send names, and adjust `groups`"
        );
        making.remark(Weight::Unsupported, "azure-graph-group-field", why);
    }
    map
}

fn parameters(making: &mut Making<'_>, map: &mut Map) {
    let mut typed = Map::new();
    for parameter in making.model.parameters.clone() {
        let own = [
            "client_id",
            "redirect_uri",
            "response_type",
            "response_mode",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        ];
        if own.contains(&parameter.name.as_str()) {
            making.remark_at(Weight::Needless, &parameter.name, &parameter.origin, "it is set anew for each sign-in");
            continue;
        }
        if parameter.open {
            let why = "a link cannot choose it; `prompt=login` and `login_hint` can be given to `/.doorward/sign-in`";
            making.remark_at(Weight::Unsupported, &parameter.name, &parameter.origin, why);
        }
        match parameter.values.as_slice() {
            [] => {}
            [value] => drop(typed.set(&parameter.name, value.as_str())),
            [value, ..] => {
                making.remark_at(Weight::Unsupported, &parameter.name, &parameter.origin, "only the first of its values is sent");
                typed.set(&parameter.name, value.as_str());
            }
        }
    }
    if let Some(resource) = making.model.settings.text("resource") {
        typed.set("resource", resource);
    }
    if making.model.settings.text("approval-prompt").is_some() {
        making.remark(Weight::Needless, "approval-prompt", "no provider reads it any more; `parameters.prompt` is its successor");
    }
    if making.model.settings.text("code-challenge-method").or(making.model.settings.text("force-code-challenge-method"))
        == Some("plain")
    {
        making.remark(
            Weight::Unsupported,
            "code-challenge-method",
            "PKCE is always used, with S256: the provider has to take it",
        );
    }
    if !typed.is_empty() {
        map.set("parameters", typed);
    }
}

fn authorities(making: &mut Making<'_>, map: &mut Map) {
    let files = making.list("provider-ca-file");
    map.set_some("ca", files.first().map(String::as_str));
    if files.len() > 1 {
        making.remark(Weight::Unsupported, "provider-ca-file", "`ca` is one file: put the certificates of all of them into it");
    }
    if making.model.settings.on("use-system-trust-store") && !files.is_empty() {
        making.remark(
            Weight::Unsupported,
            "use-system-trust-store",
            "`ca` takes the place of the system's authorities: put those that are needed into the file",
        );
    }
}

fn server(making: &mut Making<'_>, kind: &str) -> Option<Map> {
    if kind == "sourcehut" {
        let why = "SourceHut's profile is read by a GraphQL query, which Doorward does not send";
        making.trouble("provider", why, "put an OpenID Connect provider in between");
        return None;
    }
    let known = SERVERS.iter().find(|(name, _)| *name == kind).map(|(_, server)| server);
    let mut map = Map::new();
    map.set_some("provider", (kind == "github").then_some("github"));
    for (key, flag) in
        [("authorization_endpoint", "login-url"), ("token_endpoint", "redeem-url"), ("userinfo_endpoint", "profile-url")]
    {
        let usual = known.map(|server| match key {
            "authorization_endpoint" => server.authorization,
            "token_endpoint" => server.token,
            _ => server.userinfo,
        });
        let typed = making.model.settings.text(flag).map(str::to_owned).or_else(|| profile(making, kind, flag));
        match typed.or_else(|| usual.filter(|text| !text.is_empty()).map(str::to_owned)) {
            Some(address) => drop(map.set(key, making.encrypted(flag, address))),
            None if kind == "github" => {}
            None => making.trouble(flag, format!("the address of `{key}` is missing"), format!("`--{flag}=https://…` says it")),
        }
    }
    if let Some(emails) = emails(making, kind) {
        map.set("emails_endpoint", making.encrypted("validate-url", emails));
    }
    client(making, kind, &mut map);
    let typed = making.model.settings.text("scope").map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let usual = || {
        known
            .map(|server| server.scopes.iter().map(|scope| (*scope).to_owned()).collect())
            .filter(|scopes: &Vec<_>| !scopes.is_empty())
    };
    map.set_some("scopes", typed.or_else(usual));
    if let Some(server) = known {
        let claims = server.claims.iter().fold(Map::new(), |mut map, (name, path)| {
            map.set(name, *path);
            map
        });
        map.set("claims", claims);
        if server.vouches {
            map.set("trust_unverified_email", true)
                .say("As oauth2-proxy did: the server does not say whether an address was verified.");
        }
    }
    if kind == "bitbucket" {
        let why = "Bitbucket tells e-mail addresses apart from the profile, in a form that is not read: people come without an address, and `domains` lets none of them in";
        making.remark(Weight::Unsupported, "provider", why);
    }
    parameters(making, &mut map);
    authorities(making, &mut map);
    Some(map)
}

/// Where a server of GitHub's kind has its profile: beside the API that was named to check tokens.
fn profile(making: &Making<'_>, kind: &str, flag: &str) -> Option<String> {
    let check = making.model.settings.text("validate-url").filter(|_| flag == "profile-url")?;
    match kind {
        "github" => {
            Some(format!("{}/user", check.trim_end_matches('/').trim_end_matches("/user/emails").trim_end_matches("/user")))
        }
        "nextcloud" => Some(check.to_owned()),
        _ => None,
    }
}

fn emails(making: &Making<'_>, kind: &str) -> Option<String> {
    (kind == "github").then(|| profile(making, kind, "profile-url")).flatten().map(|profile| format!("{profile}/emails"))
}
