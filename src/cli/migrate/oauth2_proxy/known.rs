//! oauth2-proxy's options, as of version 7.15.3: their names, what they hold, and what becomes of them.
//!
//! Refuses none of them silently: one that is neither read nor spoken of here is one that somebody relied on.

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A truth value, and what it is unless somebody says otherwise.
    On,
    Off,
    Text,
    /// A text that is not shown.
    Secret,
    List,
    Number,
    Span,
}

/// Where an option may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everywhere.
    Core,
    /// In the place of what the alpha configuration says, so not together with it.
    Legacy,
    /// In the alpha configuration only.
    Alpha,
    /// On the command line only.
    Program,
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is translated, together with others; `into` says how.
    Read,
    /// What it asks for is so anyway, or has no meaning here; why.
    Needless(&'static str),
    /// Nothing here does it; what to do instead.
    Missing(&'static str),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its name on the command line, without `--`.
    pub(super) flag: &'static str,
    /// Its name in the file, and after `OAUTH2_PROXY_` in the environment; empty where it has none.
    pub(super) file: &'static str,
    pub(super) kind: Kind,
    pub(super) part: Part,
    pub(super) fate: Fate,
}

impl Known {
    /// The option of this name on the command line.
    pub(super) fn of_flag(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.flag == name && known.part != Part::Alpha)
    }

    /// The option of this name in the file or, in small letters, in the environment.
    pub(super) fn of_file(name: &str) -> Option<&'static Self> {
        // The former name of one, which is still read.
        let name = if name == "google_group" { "google_groups" } else { name };
        ALL.iter().find(|known| !known.file.is_empty() && known.file == name)
    }

    /// The option of the alpha configuration that has no other name.
    pub(super) fn of_alpha(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.flag == name)
    }
}

const fn read(flag: &'static str, file: &'static str, kind: Kind, part: Part) -> Known {
    Known { flag, file, kind, part, fate: Fate::Read }
}

const fn needless(flag: &'static str, file: &'static str, kind: Kind, part: Part, why: &'static str) -> Known {
    Known { flag, file, kind, part, fate: Fate::Needless(why) }
}

const fn missing(flag: &'static str, file: &'static str, kind: Kind, part: Part, instead: &'static str) -> Known {
    Known { flag, file, kind, part, fate: Fate::Missing(instead) }
}

#[rustfmt::skip]
pub(super) const ALL: &[Known] = &[
    read("upstream", "upstreams", Kind::List, Part::Legacy),
    read("upstream-timeout", "upstream_timeout", Kind::Span, Part::Legacy),
    needless("flush-interval", "flush_interval", Kind::Span, Part::Legacy, "answers are streamed as they come"),
    read("pass-host-header", "pass_host_header", Kind::On, Part::Legacy),
    missing("proxy-websockets", "proxy_websockets", Kind::On, Part::Legacy, "WebSockets are always passed on; refuse them in the application"),
    missing("ssl-upstream-insecure-skip-verify", "ssl_upstream_insecure_skip_verify", Kind::Off, Part::Legacy, "an upstream's certificate is always checked: name its authority in `upstream.tls.ca`, and the name it has there in `upstream.tls.server_name`"),
    missing("disable-keep-alives", "disable_keep_alives", Kind::Off, Part::Legacy, "connections to the application are used again; let it answer with `Connection: close` where it must not be so"),
    read("pass-basic-auth", "pass_basic_auth", Kind::On, Part::Legacy),
    read("pass-access-token", "pass_access_token", Kind::Off, Part::Legacy),
    read("pass-user-headers", "pass_user_headers", Kind::On, Part::Legacy),
    read("pass-authorization-header", "pass_authorization_header", Kind::Off, Part::Legacy),
    read("set-basic-auth", "set_basic_auth", Kind::Off, Part::Legacy),
    read("set-xauthrequest", "set_xauthrequest", Kind::Off, Part::Legacy),
    read("set-authorization-header", "set_authorization_header", Kind::Off, Part::Legacy),
    read("prefer-email-to-user", "prefer_email_to_user", Kind::Off, Part::Legacy),
    read("basic-auth-password", "basic_auth_password", Kind::Secret, Part::Legacy),
    read("skip-auth-strip-headers", "skip_auth_strip_headers", Kind::On, Part::Legacy),
    read("http-address", "http_address", Kind::Text, Part::Legacy),
    read("https-address", "https_address", Kind::Text, Part::Legacy),
    read("tls-cert-file", "tls_cert_file", Kind::Text, Part::Legacy),
    read("tls-key-file", "tls_key_file", Kind::Text, Part::Legacy),
    read("tls-min-version", "tls_min_version", Kind::Text, Part::Legacy),
    needless("tls-cipher-suite", "tls_cipher_suites", Kind::List, Part::Legacy, "only suites that are still safe are offered, and there is nothing to choose"),
    read("metrics-address", "metrics_address", Kind::Text, Part::Legacy),
    read("metrics-secure-address", "metrics_secure_address", Kind::Text, Part::Legacy),
    read("metrics-tls-cert-file", "metrics_tls_cert_file", Kind::Text, Part::Legacy),
    read("metrics-tls-key-file", "metrics_tls_key_file", Kind::Text, Part::Legacy),
    read("client-id", "client_id", Kind::Text, Part::Legacy),
    read("client-secret", "client_secret", Kind::Secret, Part::Legacy),
    read("client-secret-file", "client_secret_file", Kind::Text, Part::Legacy),
    read("provider", "provider", Kind::Text, Part::Legacy),
    read("provider-display-name", "provider_display_name", Kind::Text, Part::Legacy),
    read("provider-ca-file", "provider_ca_files", Kind::List, Part::Legacy),
    read("use-system-trust-store", "use_system_trust_store", Kind::Off, Part::Legacy),
    read("oidc-issuer-url", "oidc_issuer_url", Kind::Text, Part::Legacy),
    read("insecure-oidc-allow-unverified-email", "insecure_oidc_allow_unverified_email", Kind::Off, Part::Legacy),
    missing("insecure-oidc-skip-issuer-verification", "insecure_oidc_skip_issuer_verification", Kind::Off, Part::Legacy, "the issuer of an ID token is always checked: write the one that the provider puts into its tokens"),
    needless("insecure-oidc-skip-nonce", "insecure_oidc_skip_nonce", Kind::On, Part::Legacy, "the nonce is always checked"),
    read("skip-oidc-discovery", "skip_oidc_discovery", Kind::Off, Part::Legacy),
    read("oidc-jwks-url", "oidc_jwks_url", Kind::Text, Part::Legacy),
    read("oidc-email-claim", "oidc_email_claim", Kind::Text, Part::Legacy),
    read("oidc-groups-claim", "oidc_groups_claim", Kind::Text, Part::Legacy),
    read("oidc-audience-claim", "oidc_audience_claims", Kind::List, Part::Legacy),
    read("oidc-extra-audience", "oidc_extra_audiences", Kind::List, Part::Legacy),
    missing("oidc-public-key-file", "oidc_public_key_files", Kind::List, Part::Legacy, "a provider's keys are read from its discovery document"),
    needless("oidc-enabled-signing-alg", "oidc_enabled_signing_algs", Kind::List, Part::Legacy, "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA are taken, as the provider announces, and none that shares a secret"),
    read("login-url", "login_url", Kind::Text, Part::Legacy),
    read("redeem-url", "redeem_url", Kind::Text, Part::Legacy),
    read("profile-url", "profile_url", Kind::Text, Part::Legacy),
    read("validate-url", "validate_url", Kind::Text, Part::Legacy),
    needless("auth-request-response-mode", "auth_request_response_mode", Kind::Text, Part::Legacy, "the provider answers in the query, protected by PKCE, state and nonce"),
    needless("skip-claims-from-profile-url", "skip_claims_from_profile_url", Kind::Off, Part::Legacy, "the userinfo endpoint is asked only for what the ID token does not say"),
    read("resource", "resource", Kind::Text, Part::Legacy),
    read("scope", "scope", Kind::Text, Part::Legacy),
    read("prompt", "prompt", Kind::Text, Part::Legacy),
    read("approval-prompt", "approval_prompt", Kind::Text, Part::Legacy),
    read("acr-values", "acr_values", Kind::Text, Part::Legacy),
    read("user-id-claim", "user_id_claim", Kind::Text, Part::Legacy),
    read("code-challenge-method", "code_challenge_method", Kind::Text, Part::Legacy),
    read("force-code-challenge-method", "force_code_challenge_method", Kind::Text, Part::Legacy),
    needless("backend-logout-url", "backend_logout_url", Kind::Text, Part::Legacy, "signing out leads to the end-session endpoint that the provider announces, with the ID token as the hint"),
    read("allowed-group", "allowed_groups", Kind::List, Part::Legacy),
    read("allowed-role", "allowed_roles", Kind::List, Part::Legacy),
    read("jwt-key", "jwt_key", Kind::Secret, Part::Legacy),
    read("jwt-key-file", "jwt_key_file", Kind::Text, Part::Legacy),
    needless("pubjwk-url", "pubjwk_url", Kind::Text, Part::Legacy, "the provider's keys are found by discovery; Doorward's own public key is at `{prefix}/client-keys/{connection}`"),
    read("azure-tenant", "azure_tenant", Kind::Text, Part::Legacy),
    read("azure-graph-group-field", "azure_graph_group_field", Kind::Text, Part::Legacy),
    read("entra-id-allowed-tenant", "entra_id_allowed_tenants", Kind::List, Part::Legacy),
    read("entra-id-federated-token-auth", "entra_id_federated_token_auth", Kind::Off, Part::Legacy),
    read("bitbucket-team", "bitbucket_team", Kind::Text, Part::Legacy),
    read("bitbucket-repository", "bitbucket_repository", Kind::Text, Part::Legacy),
    read("github-org", "github_org", Kind::Text, Part::Legacy),
    read("github-team", "github_team", Kind::Text, Part::Legacy),
    read("github-repo", "github_repo", Kind::Text, Part::Legacy),
    read("github-token", "github_token", Kind::Secret, Part::Legacy),
    read("github-user", "github_users", Kind::List, Part::Legacy),
    read("gitlab-group", "gitlab_groups", Kind::List, Part::Legacy),
    read("gitlab-project", "gitlab_projects", Kind::List, Part::Legacy),
    read("google-group", "google_groups", Kind::List, Part::Legacy),
    read("google-admin-email", "google_admin_email", Kind::Text, Part::Legacy),
    read("google-service-account-json", "google_service_account_json", Kind::Text, Part::Legacy),
    read("google-use-application-default-credentials", "google_use_application_default_credentials", Kind::Off, Part::Legacy),
    read("google-target-principal", "google_target_principal", Kind::Text, Part::Legacy),
    missing("google-use-organization-id", "google_use_organization_id", Kind::Off, Part::Legacy, "the user name is what the ID token says"),
    read("google-admin-api-user-scope", "google_admin_api_user_scope", Kind::Text, Part::Legacy),
    read("keycloak-group", "keycloak_groups", Kind::List, Part::Legacy),
    read("proxy-prefix", "proxy_prefix", Kind::Text, Part::Core),
    read("ping-path", "ping_path", Kind::Text, Part::Core),
    read("ready-path", "ready_path", Kind::Text, Part::Core),
    missing("ping-user-agent", "ping_user_agent", Kind::Text, Part::Core, "a request is not answered for its User-Agent: ask `/livez` of `operations`, or the ping path"),
    missing("gcp-healthchecks", "gcp_healthchecks", Kind::Off, Part::Core, "ask `/livez` and `/readyz` of `operations`, or the ping path"),
    read("reverse-proxy", "reverse_proxy", Kind::Off, Part::Core),
    read("real-client-ip-header", "real_client_ip_header", Kind::Text, Part::Core),
    read("trusted-proxy-ip", "trusted_proxy_ips", Kind::List, Part::Core),
    read("trusted-ip", "trusted_ips", Kind::List, Part::Core),
    read("force-https", "force_https", Kind::Off, Part::Core),
    read("redirect-url", "redirect_url", Kind::Text, Part::Core),
    missing("relative-redirect-url", "relative_redirect_url", Kind::Off, Part::Core, "the redirect URI is always that of `public_url`"),
    read("email-domain", "email_domains", Kind::List, Part::Core),
    read("authenticated-emails-file", "authenticated_emails_file", Kind::Text, Part::Core),
    read("whitelist-domain", "whitelist_domains", Kind::List, Part::Core),
    read("htpasswd-file", "htpasswd_file", Kind::Text, Part::Core),
    read("htpasswd-user-group", "htpasswd_user_groups", Kind::List, Part::Core),
    read("display-htpasswd-form", "display_htpasswd_form", Kind::On, Part::Core),
    read("api-route", "api_routes", Kind::List, Part::Core),
    read("skip-auth-route", "skip_auth_routes", Kind::List, Part::Core),
    read("skip-auth-regex", "skip_auth_regex", Kind::List, Part::Core),
    read("skip-auth-preflight", "skip_auth_preflight", Kind::Off, Part::Core),
    read("skip-jwt-bearer-tokens", "skip_jwt_bearer_tokens", Kind::Off, Part::Core),
    read("bearer-token-login-fallback", "bearer_token_login_fallback", Kind::On, Part::Core),
    read("extra-jwt-issuers", "extra_jwt_issuers", Kind::List, Part::Core),
    read("skip-provider-button", "skip_provider_button", Kind::Off, Part::Core),
    needless("force-json-errors", "force_json_errors", Kind::Off, Part::Core, "who does not ask for a page gets JSON (RFC 9457), and only navigations are sent to sign in"),
    missing("ssl-insecure-skip-verify", "ssl_insecure_skip_verify", Kind::Off, Part::Core, "the provider's certificate is always checked: name its authority in the connection's `ca`"),
    needless("encode-state", "encode_state", Kind::Off, Part::Core, "the state is a random word that needs no encoding"),
    needless("allow-query-semicolons", "allow_query_semicolons", Kind::Off, Part::Core, "the query reaches the application as it was sent"),
    read("signature-key", "signature_key", Kind::Secret, Part::Core),
    missing("custom-templates-dir", "custom_templates_dir", Kind::Text, Part::Core, "the pages are Doorward's own; `sign_in.title`, `logo`, `color` and `support` make them yours"),
    read("custom-sign-in-logo", "custom_sign_in_logo", Kind::Text, Part::Core),
    read("banner", "banner", Kind::Text, Part::Core),
    read("footer", "footer", Kind::Text, Part::Core),
    needless("show-debug-on-error", "show_debug_on_error", Kind::Off, Part::Core, "pages say what the person can do; the reason is in the audit trail, found by the request id on the page"),
    missing("cookie-name", "cookie_name", Kind::Text, Part::Core, "the session is in `__Host-doorward`"),
    read("cookie-secret", "cookie_secret", Kind::Secret, Part::Core),
    read("cookie-secret-file", "cookie_secret_file", Kind::Text, Part::Core),
    read("cookie-domain", "cookie_domains", Kind::List, Part::Core),
    read("cookie-path", "cookie_path", Kind::Text, Part::Core),
    read("cookie-expire", "cookie_expire", Kind::Span, Part::Core),
    read("cookie-refresh", "cookie_refresh", Kind::Span, Part::Core),
    read("cookie-secure", "cookie_secure", Kind::On, Part::Core),
    missing("cookie-httponly", "cookie_httponly", Kind::On, Part::Core, "the session cookie is always HttpOnly; scripts ask `/oauth2/userinfo`"),
    read("cookie-samesite", "cookie_samesite", Kind::Text, Part::Core),
    needless("cookie-csrf-per-request", "cookie_csrf_per_request", Kind::Off, Part::Core, "each attempt to sign in has a cookie of its own"),
    needless("cookie-csrf-per-request-limit", "cookie_csrf_per_request_limit", Kind::Number, Part::Core, "the oldest attempts go when there are many"),
    needless("cookie-csrf-expire", "cookie_csrf_expire", Kind::Span, Part::Core, "an attempt that came too late begins again by itself"),
    needless("cookie-csrf-samesite", "cookie_csrf_samesite", Kind::Text, Part::Core, "the cookie of an attempt has what its way back needs"),
    needless("auth-logging", "auth_logging", Kind::On, Part::Core, "sign-ins are events of the audit trail, which cannot be switched off"),
    needless("auth-logging-format", "auth_logging_format", Kind::Text, Part::Core, "sign-ins are events of the audit trail: `doorward schema --events` describes them, `audit.sinks` delivers them"),
    read("request-logging", "request_logging", Kind::On, Part::Core),
    missing("request-logging-format", "request_logging_format", Kind::Text, Part::Core, "a line of the access log has fields of its own; `logging.format: json` is for programs"),
    missing("standard-logging", "standard_logging", Kind::On, Part::Core, "what the process says about itself is always logged; `logging.level` says how much"),
    missing("standard-logging-format", "standard_logging_format", Kind::Text, Part::Core, "`logging.format` is `text` or `json`"),
    needless("errors-to-info-log", "errors_to_info_log", Kind::Off, Part::Core, "there is one log"),
    missing("exclude-logging-path", "exclude_logging_paths", Kind::List, Part::Core, "`logging.access` is for all requests or none"),
    needless("logging-local-time", "logging_local_time", Kind::On, Part::Core, "times are UTC"),
    missing("silence-ping-logging", "silence_ping_logging", Kind::Off, Part::Core, "`logging.access` is for all requests or none; `/livez` and `/readyz` of `operations` are in no log"),
    read("request-id-header", "request_id_header", Kind::Text, Part::Core),
    missing("logging-filename", "logging_filename", Kind::Text, Part::Core, "the log is on standard error; whatever starts Doorward keeps it"),
    needless("logging-max-size", "logging_max_size", Kind::Number, Part::Core, "whatever keeps the log rotates it"),
    needless("logging-max-age", "logging_max_age", Kind::Number, Part::Core, "whatever keeps the log rotates it"),
    needless("logging-max-backups", "logging_max_backups", Kind::Number, Part::Core, "whatever keeps the log rotates it"),
    needless("logging-compress", "logging_compress", Kind::Off, Part::Core, "whatever keeps the log compresses it"),
    read("session-store-type", "session_store_type", Kind::Text, Part::Core),
    needless("session-cookie-minimal", "session_cookie_minimal", Kind::Off, Part::Core, "a sealed session holds no more than it needs; the provider's tokens are in it for signing out"),
    read("redis-connection-url", "redis_connection_url", Kind::Secret, Part::Core),
    read("redis-username", "redis_username", Kind::Text, Part::Core),
    read("redis-password", "redis_password", Kind::Secret, Part::Core),
    missing("redis-use-sentinel", "redis_use_sentinel", Kind::Off, Part::Core, "sentinels are not asked: name an address that always leads to the primary server"),
    read("redis-sentinel-password", "redis_sentinel_password", Kind::Secret, Part::Core),
    read("redis-sentinel-master-name", "redis_sentinel_master_name", Kind::Text, Part::Core),
    read("redis-sentinel-connection-urls", "redis_sentinel_connection_urls", Kind::List, Part::Core),
    missing("redis-use-cluster", "redis_use_cluster", Kind::Off, Part::Core, "a cluster is not spoken to: name one server, or one that leads to its primary"),
    read("redis-cluster-connection-urls", "redis_cluster_connection_urls", Kind::List, Part::Core),
    read("redis-ca-path", "redis_ca_path", Kind::Text, Part::Core),
    missing("redis-insecure-skip-tls-verify", "redis_insecure_skip_tls_verify", Kind::Off, Part::Core, "the server's certificate is always checked: name its authority in `store.sessions.ca`"),
    needless("redis-connection-idle-timeout", "redis_connection_idle_timeout", Kind::Number, Part::Core, "a connection that was closed is opened again"),
    needless("id", "", Kind::Text, Part::Alpha, "the connection has an id of its own"),
    missing("additionalClaims", "", Kind::List, Part::Alpha, "claims beside e-mail, name, user name and groups are not kept"),
    missing("ADFSConfig.skipScope", "", Kind::Off, Part::Alpha, "scopes are always asked for; `connections[].oidc.scopes` names them"),
    read("config", "", Kind::Text, Part::Program),
    read("alpha-config", "", Kind::Text, Part::Program),
    needless("convert-config-to-alpha", "", Kind::Off, Part::Program, "what it does is not of the configuration"),
    needless("config-test", "", Kind::Off, Part::Program, "`doorward check` does it"),
    needless("version", "", Kind::Off, Part::Program, "what it does is not of the configuration"),
];

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::alpha;
    use super::*;

    /// The names of oauth2-proxy's own source.
    #[derive(Deserialize)]
    struct Published {
        options: Vec<Named>,
        alpha: Vec<Key>,
    }

    #[derive(Deserialize)]
    struct Named {
        flag: String,
        file: String,
        r#type: String,
        part: String,
    }

    #[derive(Deserialize)]
    struct Key {
        section: String,
        key: String,
    }

    fn published() -> Published {
        serde_json::from_str(include_str!("../../../../tests/fixtures/oauth2-proxy/options.json")).unwrap()
    }

    #[test]
    fn every_option_of_oauth2_proxy_is_known_and_none_else() {
        let published = published();
        assert!(published.options.len() > 160, "{}", published.options.len());
        for option in &published.options {
            let known = Known::of_file(&option.file).unwrap_or_else(|| panic!("{}", option.file));
            assert_eq!(known.flag, option.flag);
            assert_eq!(Known::of_flag(&option.flag).map(|known| known.flag), Some(known.flag));
            let kinds: &[Kind] = match option.r#type.as_str() {
                "bool" => &[Kind::On, Kind::Off],
                "string" => &[Kind::Text, Kind::Secret],
                "[]string" => &[Kind::List],
                "int" => &[Kind::Number],
                "time.Duration" => &[Kind::Span],
                other => panic!("{other}"),
            };
            assert!(kinds.contains(&known.kind), "{}: {:?}", option.flag, known.kind);
            assert_eq!(known.part == Part::Legacy, option.part == "legacy", "{}", option.flag);
        }
        let made_up = ALL.iter().filter(|known| matches!(known.part, Part::Core | Part::Legacy));
        let made_up: Vec<_> = made_up.filter(|known| !published.options.iter().any(|option| option.file == known.file)).collect();
        assert!(made_up.is_empty(), "{made_up:?}");
    }

    #[test]
    fn every_key_of_the_alpha_configuration_is_known_and_none_else() {
        let of = |section: &str| {
            alpha::PROVIDER.iter().filter(|(of, _, _)| *of == section).map(|(_, key, _)| *key).collect::<Vec<_>>()
        };
        let sections: Vec<&str> =
            alpha::PROVIDER.iter().map(|(section, _, _)| *section).filter(|section| !section.is_empty()).collect();
        for (section, mut known) in [
            ("AlphaOptions", alpha::ROOT.to_vec()),
            ("UpstreamConfig", alpha::UPSTREAMS.to_vec()),
            ("Upstream", alpha::UPSTREAM.to_vec()),
            ("Header", alpha::HEADER.to_vec()),
            ("HeaderValue", vec!["secretSource", "claimSource"]),
            ("ClaimSource", vec!["claim", "prefix", "basicAuthPassword"]),
            ("SecretSource", vec!["value", "fromEnv", "fromFile"]),
            ("Server", alpha::SERVER.to_vec()),
            ("TLS", alpha::TLS.to_vec()),
            ("LoginURLParameter", alpha::PARAMETER.to_vec()),
            ("URLParameterRule", alpha::RULE.to_vec()),
            ("Provider", [of(""), sections, vec!["loginURLParameters"]].concat()),
            ("KeycloakOptions", of("keycloakConfig")),
            ("AzureOptions", of("azureConfig")),
            ("MicrosoftEntraIDOptions", of("microsoftEntraIDConfig")),
            ("ADFSOptions", of("ADFSConfig")),
            ("BitbucketOptions", of("bitbucketConfig")),
            ("GitHubOptions", of("githubConfig")),
            ("GitLabOptions", of("gitlabConfig")),
            ("GoogleOptions", of("googleConfig")),
            ("OIDCOptions", of("oidcConfig")),
            ("LoginGovOptions", of("loginGovConfig")),
        ] {
            let published = published();
            let mut wanted: Vec<&str> =
                published.alpha.iter().filter(|key| key.section == section).map(|key| key.key.as_str()).collect();
            for names in [&mut wanted, &mut known] {
                names.sort_unstable();
                names.dedup();
            }
            assert_eq!(known, wanted, "{section}");
        }
        for (_, key, flag) in alpha::PROVIDER {
            assert!(Known::of_alpha(flag).is_some(), "{key}: {flag}");
        }
    }
}
