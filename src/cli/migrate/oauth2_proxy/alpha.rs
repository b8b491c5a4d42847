//! oauth2-proxy's alpha configuration: YAML with upstreams, headers, servers and the provider.
//!
//! Refuses keys that oauth2-proxy does not know, all at once; everything of the provider becomes the option that said it before.

use std::path::Path;

use serde_yaml::Value;

use super::env::Variables;
use super::known::{Kind, Known};
use super::model::{Header, LoginParameter, Server, Source, Upstream};
use super::settings::{Kept, Raw, Saying, Settings};
use super::trouble::{Origin, Troubles, like};
use crate::config::document::{Content, Entry, Node, outline};

/// What the alpha configuration says.
#[derive(Default)]
pub(super) struct Alpha {
    pub(super) settings: Settings,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) request: Vec<Header>,
    pub(super) response: Vec<Header>,
    pub(super) server: Server,
    pub(super) metrics: Server,
    pub(super) parameters: Vec<LoginParameter>,
}

pub(super) const ROOT: [&str; 6] =
    ["upstreamConfig", "injectRequestHeaders", "injectResponseHeaders", "server", "metricsServer", "providers"];
pub(super) const UPSTREAMS: [&str; 2] = ["proxyRawPath", "upstreams"];
pub(super) const UPSTREAM: [&str; 12] = [
    "id",
    "path",
    "rewriteTarget",
    "uri",
    "insecureSkipTLSVerify",
    "static",
    "staticCode",
    "flushInterval",
    "passHostHeader",
    "proxyWebSockets",
    "timeout",
    "disableKeepAlives",
];
pub(super) const HEADER: [&str; 4] = ["name", "preserveRequestValue", "InsecureSkipHeaderNormalization", "values"];
/// A value of a header; oauth2-proxy also reads what is within `secretSource` and `claimSource` without their names.
pub(super) const HEADER_VALUE: [&str; 8] =
    ["secretSource", "claimSource", "claim", "prefix", "basicAuthPassword", "value", "fromEnv", "fromFile"];
pub(super) const SERVER: [&str; 3] = ["bindAddress", "secureBindAddress", "tls"];
pub(super) const TLS: [&str; 4] = ["key", "cert", "minVersion", "cipherSuites"];
pub(super) const PARAMETER: [&str; 3] = ["name", "default", "allow"];
pub(super) const RULE: [&str; 2] = ["value", "pattern"];

/// Section of a provider, key, and the option that says the same. An empty section is the provider itself.
#[rustfmt::skip]
pub(super) const PROVIDER: &[(&str, &str, &str)] = &[
    ("", "clientID", "client-id"),
    ("", "clientSecret", "client-secret"),
    ("", "clientSecretFile", "client-secret-file"),
    ("", "id", "id"),
    ("", "provider", "provider"),
    ("", "name", "provider-display-name"),
    ("", "caFiles", "provider-ca-file"),
    ("", "useSystemTrustStore", "use-system-trust-store"),
    ("", "loginURL", "login-url"),
    ("", "authRequestResponseMode", "auth-request-response-mode"),
    ("", "redeemURL", "redeem-url"),
    ("", "profileURL", "profile-url"),
    ("", "skipClaimsFromProfileURL", "skip-claims-from-profile-url"),
    ("", "resource", "resource"),
    ("", "validateURL", "validate-url"),
    ("", "scope", "scope"),
    ("", "allowedGroups", "allowed-group"),
    ("", "code_challenge_method", "code-challenge-method"),
    ("", "additionalClaims", "additionalClaims"),
    ("", "backendLogoutURL", "backend-logout-url"),
    ("keycloakConfig", "groups", "keycloak-group"),
    ("keycloakConfig", "roles", "allowed-role"),
    ("azureConfig", "tenant", "azure-tenant"),
    ("azureConfig", "graphGroupField", "azure-graph-group-field"),
    ("microsoftEntraIDConfig", "allowedTenants", "entra-id-allowed-tenant"),
    ("microsoftEntraIDConfig", "federatedTokenAuth", "entra-id-federated-token-auth"),
    ("ADFSConfig", "skipScope", "ADFSConfig.skipScope"),
    ("bitbucketConfig", "team", "bitbucket-team"),
    ("bitbucketConfig", "repository", "bitbucket-repository"),
    ("githubConfig", "org", "github-org"),
    ("githubConfig", "team", "github-team"),
    ("githubConfig", "repo", "github-repo"),
    ("githubConfig", "token", "github-token"),
    ("githubConfig", "users", "github-user"),
    ("gitlabConfig", "group", "gitlab-group"),
    ("gitlabConfig", "projects", "gitlab-project"),
    ("googleConfig", "group", "google-group"),
    ("googleConfig", "adminEmail", "google-admin-email"),
    ("googleConfig", "serviceAccountJson", "google-service-account-json"),
    ("googleConfig", "useApplicationDefaultCredentials", "google-use-application-default-credentials"),
    ("googleConfig", "targetPrincipal", "google-target-principal"),
    ("googleConfig", "useOrganizationID", "google-use-organization-id"),
    ("googleConfig", "adminAPIUserScope", "google-admin-api-user-scope"),
    ("oidcConfig", "issuerURL", "oidc-issuer-url"),
    ("oidcConfig", "insecureAllowUnverifiedEmail", "insecure-oidc-allow-unverified-email"),
    ("oidcConfig", "insecureSkipIssuerVerification", "insecure-oidc-skip-issuer-verification"),
    ("oidcConfig", "insecureSkipNonce", "insecure-oidc-skip-nonce"),
    ("oidcConfig", "skipDiscovery", "skip-oidc-discovery"),
    ("oidcConfig", "jwksURL", "oidc-jwks-url"),
    ("oidcConfig", "publicKeyFiles", "oidc-public-key-file"),
    ("oidcConfig", "emailClaim", "oidc-email-claim"),
    ("oidcConfig", "groupsClaim", "oidc-groups-claim"),
    ("oidcConfig", "userIDClaim", "user-id-claim"),
    ("oidcConfig", "audienceClaims", "oidc-audience-claim"),
    ("oidcConfig", "extraAudiences", "oidc-extra-audience"),
    ("oidcConfig", "enabledSigningAlgs", "oidc-enabled-signing-alg"),
    ("loginGovConfig", "jwtKey", "jwt-key"),
    ("loginGovConfig", "jwtKeyFile", "jwt-key-file"),
    ("loginGovConfig", "pubjwkURL", "pubjwk-url"),
];

/// Reads the file's text.
pub(super) fn read(file: &Path, text: &str, variables: &Variables, troubles: &mut Troubles) -> Alpha {
    let mut alpha = Alpha::default();
    match outline(text) {
        Ok(root) => Reader { file, variables, troubles }.root(&root, &mut alpha),
        Err(findings) => {
            for finding in findings {
                troubles.add(&Origin::line(file, finding.place.line), finding.message, finding.hint.unwrap_or_default());
            }
        }
    }
    alpha
}

struct Reader<'r> {
    file: &'r Path,
    variables: &'r Variables,
    troubles: &'r mut Troubles,
}

/// A single value and the variable that it is, where it is one.
struct Single {
    raw: Raw,
    variable: Option<String>,
}

impl Reader<'_> {
    fn at(&self, node: &Node) -> Origin {
        Origin::line(self.file, node.place.line)
    }

    /// The entries of a section whose keys are known.
    fn section<'n>(&mut self, node: &'n Node, name: &str, known: &[&str]) -> Vec<&'n Entry> {
        let Content::Map(entries) = &node.content else {
            let (at, empty) = (self.at(node), matches!(node.content, Content::Single(Value::Null)));
            if !empty {
                self.troubles.add(&at, format!("`{name}` has to hold keys and values"), "");
            }
            return Vec::new();
        };
        let (fit, unknown): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| known.contains(&entry.key.as_str()));
        for entry in unknown {
            let origin = Origin::line(self.file, entry.key_place.line);
            let hint = like(&entry.key, known.iter().copied(), "oauth2-proxy 7.15 has no such key there");
            self.troubles.add(&origin, format!("unknown key `{}` in `{name}`", entry.key), hint);
        }
        fit
    }

    fn items<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Node] {
        match &node.content {
            Content::List(items) => items,
            Content::Single(Value::Null) => &[],
            _ => {
                let at = self.at(node);
                self.troubles.add(&at, format!("`{name}` has to be a list"), "");
                &[]
            }
        }
    }

    fn root(&mut self, root: &Node, alpha: &mut Alpha) {
        for Entry { key, value, .. } in self.section(root, "the alpha configuration", &ROOT) {
            match key.as_str() {
                "upstreamConfig" => self.upstreams(value, alpha),
                "injectRequestHeaders" => alpha.request = self.headers(value, key),
                "injectResponseHeaders" => alpha.response = self.headers(value, key),
                "server" => alpha.server = self.server(value, key),
                "metricsServer" => alpha.metrics = self.server(value, key),
                _ => self.providers(value, alpha),
            }
        }
    }

    fn upstreams(&mut self, node: &Node, alpha: &mut Alpha) {
        for Entry { key, value, .. } in self.section(node, "upstreamConfig", &UPSTREAMS) {
            if key == "upstreams" {
                for item in self.items(value, "upstreams") {
                    let upstream = self.upstream(item);
                    alpha.upstreams.push(upstream);
                }
            }
        }
    }

    fn upstream(&mut self, node: &Node) -> Upstream {
        let mut found = Upstream {
            origin: self.at(node),
            path: "/".to_owned(),
            uri: String::new(),
            rewrite: false,
            answers: None,
            keeps_host: true,
            timeout: None,
            unmet: Vec::new(),
        };
        let (mut status, mut still) = (200, false);
        for Entry { key, value, .. } in self.section(node, "upstreams", &UPSTREAM) {
            match key.as_str() {
                "path" => found.path = self.text(value, key),
                "uri" => found.uri = self.text(value, key),
                "rewriteTarget" => found.rewrite = !self.text(value, key).is_empty(),
                "static" => still = self.truth(value, key),
                "staticCode" => status = self.text(value, key).parse().unwrap_or(200),
                "passHostHeader" => found.keeps_host = self.truth(value, key),
                "timeout" => found.timeout = self.span(value, key),
                "insecureSkipTLSVerify" if self.truth(value, key) => {
                    found.unmet.push(("insecureSkipTLSVerify", "its certificate is checked: name its authority in `tls.ca`"));
                }
                "proxyWebSockets" if !self.truth(value, key) => {
                    found.unmet.push(("proxyWebSockets", "WebSockets are always passed on; refuse them in the application"));
                }
                "disableKeepAlives" if self.truth(value, key) => {
                    found.unmet.push(("disableKeepAlives", "connections to the application are used again"));
                }
                _ => {}
            }
        }
        found.answers = still.then_some(status);
        found
    }

    fn headers(&mut self, node: &Node, name: &str) -> Vec<Header> {
        self.items(node, name).iter().map(|item| self.header(item, name)).collect()
    }

    fn header(&mut self, node: &Node, list: &str) -> Header {
        let mut found = Header { origin: self.at(node), name: String::new(), preserves: false, values: Vec::new() };
        for Entry { key, value, .. } in self.section(node, list, &HEADER) {
            match key.as_str() {
                "name" => found.name = self.text(value, key),
                "preserveRequestValue" => found.preserves = self.truth(value, key),
                "values" => {
                    for item in self.items(value, key) {
                        let source = self.source(item);
                        found.values.extend(source);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn source(&mut self, node: &Node) -> Option<Source> {
        let (mut claim, mut prefix, mut basic, mut secret) = (String::new(), String::new(), false, None);
        let mut sections = vec![node];
        while let Some(section) = sections.pop() {
            for Entry { key, value, .. } in self.section(section, "values", &HEADER_VALUE) {
                match key.as_str() {
                    "claimSource" | "secretSource" => sections.push(value),
                    "claim" => claim = self.text(value, key),
                    "prefix" => prefix = self.text(value, key),
                    "basicAuthPassword" => basic = true,
                    _ => secret = secret.or(self.secret_part(key, value)),
                }
            }
        }
        match secret {
            Some(secret) => Some(Source::Secret(secret)),
            None => (!claim.is_empty()).then_some(Source::Claim { claim, prefix, basic }),
        }
    }

    fn secret_part(&mut self, key: &str, value: &Node) -> Option<Kept> {
        let Single { raw: Raw::Text(text), variable } = self.single(value, key)? else { return None };
        Some(match (key, variable) {
            ("fromFile", _) => Kept::File(text),
            ("fromEnv", _) => {
                let bytes = self.variables.value(&text).map_or(0, str::len);
                Kept::Variable { name: text, bytes }
            }
            (_, Some(name)) => Kept::Variable { name, bytes: text.len() },
            (_, None) => Kept::Clear(text),
        })
    }

    fn server(&mut self, node: &Node, name: &str) -> Server {
        let mut found = Server::default();
        for Entry { key, value, .. } in self.section(node, name, &SERVER) {
            match key.as_str() {
                "bindAddress" => found.plain = self.address(value, key),
                "secureBindAddress" => found.secure = self.address(value, key),
                _ => self.tls(value, &mut found),
            }
        }
        found
    }

    fn address(&mut self, node: &Node, key: &str) -> Option<(String, Origin)> {
        let text = self.text(node, key);
        (!matches!(text.as_str(), "" | "-")).then(|| (text, self.at(node)))
    }

    fn tls(&mut self, node: &Node, server: &mut Server) {
        for Entry { key, value, .. } in self.section(node, "tls", &TLS) {
            match key.as_str() {
                "minVersion" => server.oldest = Some(self.text(value, key)),
                "cert" => server.certificate = self.file(value),
                "key" => server.key = self.file(value),
                _ => {}
            }
        }
    }

    fn file(&mut self, node: &Node) -> Option<Kept> {
        let parts = self.section(node, "tls", &["value", "fromEnv", "fromFile"]);
        parts.into_iter().find_map(|Entry { key, value, .. }| self.secret_part(key, value))
    }

    fn providers(&mut self, node: &Node, alpha: &mut Alpha) {
        let providers = self.items(node, "providers");
        if let Some(second) = providers.get(1) {
            let at = self.at(second);
            self.troubles.add(
                &at,
                "oauth2-proxy only ever uses the first provider",
                "remove the others; Doorward takes several `connections`, which can be added afterwards",
            );
        }
        let Some(provider) = providers.first() else { return };
        let mut keys: Vec<&str> =
            PROVIDER.iter().map(|(section, key, _)| if section.is_empty() { *key } else { *section }).collect();
        keys.push("loginURLParameters");
        for entry in self.section(provider, "providers", &keys) {
            let Entry { key, value, .. } = entry;
            if key == "loginURLParameters" {
                alpha.parameters = self.items(value, key).iter().map(|item| self.parameter(item)).collect();
            } else if PROVIDER.iter().any(|(section, _, _)| section == key) {
                let within: Vec<&str> =
                    PROVIDER.iter().filter(|(section, _, _)| section == key).map(|(_, name, _)| *name).collect();
                for entry in self.section(value, key, &within) {
                    self.option(key, entry, &mut alpha.settings);
                }
            } else {
                self.option("", entry, &mut alpha.settings);
            }
        }
    }

    /// A key of the provider as the option that says the same.
    fn option(&mut self, section: &str, entry: &Entry, settings: &mut Settings) {
        let same = PROVIDER.iter().find(|(of, key, _)| *of == section && *key == entry.key);
        let Some(known) = same.and_then(|(_, _, flag)| Known::of_alpha(flag)) else { return };
        let (raw, variable) = if known.kind == Kind::List && matches!(entry.value.content, Content::List(_)) {
            let items = self.items(&entry.value, &entry.key);
            (Raw::List(items.iter().map(|item| self.text(item, &entry.key)).collect()), None)
        } else {
            let Some(Single { raw, variable }) = self.single(&entry.value, &entry.key) else { return };
            (raw, variable)
        };
        let name = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
        let saying = Saying { name: &name, origin: self.at(&entry.value), variable };
        settings.say(known, raw, saying, false, self.troubles);
    }

    fn parameter(&mut self, node: &Node) -> LoginParameter {
        let mut found = LoginParameter { origin: self.at(node), name: String::new(), values: Vec::new(), open: false };
        for Entry { key, value, .. } in self.section(node, "loginURLParameters", &PARAMETER) {
            match key.as_str() {
                "name" => found.name = self.text(value, key),
                "default" => found.values = self.items(value, key).iter().map(|item| self.text(item, key)).collect(),
                _ => {
                    for rule in self.items(value, key) {
                        found.open |= !self.section(rule, key, &RULE).is_empty();
                    }
                }
            }
        }
        found
    }

    fn text(&mut self, node: &Node, key: &str) -> String {
        match self.single(node, key).map(|single| single.raw) {
            Some(Raw::Text(text)) => text,
            Some(Raw::Number(number)) => number.to_string(),
            Some(Raw::Truth(truth)) => truth.to_string(),
            _ => String::new(),
        }
    }

    fn truth(&mut self, node: &Node, key: &str) -> bool {
        match self.single(node, key).map(|single| single.raw) {
            Some(Raw::Truth(truth)) => truth,
            Some(_) => {
                let at = self.at(node);
                self.troubles.add(&at, format!("`{key}` is not true or false"), "");
                false
            }
            None => false,
        }
    }

    fn span(&mut self, node: &Node, key: &str) -> Option<std::time::Duration> {
        let raw = self.single(node, key)?.raw;
        let span = super::settings::span(&raw);
        if span.is_none() {
            let at = self.at(node);
            self.troubles.add(&at, format!("`{key}` is not a duration such as `30s`"), "");
        }
        span
    }

    /// A single value with its variables filled in, as oauth2-proxy does it.
    fn single(&mut self, node: &Node, key: &str) -> Option<Single> {
        let at = self.at(node);
        match &node.content {
            Content::Single(Value::Null) => Some(Single { raw: Raw::Text(String::new()), variable: None }),
            Content::Single(Value::Bool(truth)) => Some(Single { raw: Raw::Truth(*truth), variable: None }),
            Content::Single(Value::Number(number)) => {
                let raw = number.as_i64().map(Raw::Number).or_else(|| number.as_f64().map(Raw::Float))?;
                Some(Single { raw, variable: None })
            }
            Content::Single(Value::String(text)) => {
                let (text, variable) = self.filled(text, &at);
                Some(Single { raw: Raw::Text(text), variable })
            }
            _ => {
                self.troubles.add(&at, format!("`{key}` has to be a single value"), "");
                None
            }
        }
    }

    /// `${NAME}` and `$NAME`; `$$` is a dollar, and one before a digit too.
    fn filled(&mut self, text: &str, at: &Origin) -> (String, Option<String>) {
        let (mut done, mut rest, mut whole) = (String::new(), text, None);
        while let Some((before, after)) = rest.split_once('$') {
            done.push_str(before);
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, behind, given) = if let Some((inner, behind)) = braced {
                let (name, given) = inner.split_once(":-").map_or((inner, None), |(name, given)| (name, Some(given)));
                (name, behind, given)
            } else {
                let end = after.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(after.len());
                let (name, behind) = after.split_at(if after.starts_with(|sign: char| sign.is_ascii_digit()) { 0 } else { end });
                (name, behind, None)
            };
            if name.is_empty() {
                done.push('$');
                rest = behind.strip_prefix('$').unwrap_or(behind);
                continue;
            }
            match self.variables.value(name).or(given) {
                Some(value) => done.push_str(value),
                None => self.troubles.add(
                    at,
                    format!("the environment variable `{name}` is not given"),
                    "give a file with `--env-file`, or `--environment` for the one this is run in",
                ),
            }
            if before.is_empty() && behind.is_empty() && done.len() == self.variables.value(name).map_or(0, str::len) {
                whole = Some(name.to_owned());
            }
            rest = behind;
        }
        done.push_str(rest);
        (done, whole)
    }
}
