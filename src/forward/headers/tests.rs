//! What goes in, what comes out: every preset, every spelling.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};

use super::*;
use crate::clock::Timestamp;
use crate::config::{Config, Limits};
use crate::edge::{Arrival, ConnectionFacts, Hygiene, LiveStreams, settle};
use crate::forward::Forwarding;
use crate::model::{CredentialKind, Identity, TenantId};
use crate::policy::tenancy::Tenancy;
use crate::policy::{self, Standing, mfa::Demands};
use crate::route::Table;

const ALL: &str = "[doorward, oauth2-proxy, authelia, authentik, pomerium]";

fn config(more: &str) -> Config {
    let text = format!(
        "version: 1\npublic_url: https://app.example.com\nlisteners: []\nstore: {{ url: 'sqlite::memory:' }}\n\
         secret_key: 0123456789abcdef0123456789abcdef\n{more}\n"
    );
    serde_yaml::from_str(&text).unwrap()
}

const UPSTREAM: &str = "upstream: { url: 'http://127.0.0.1:3000' }\n";

struct Bench {
    forwarding: Forwarding,
    routes: Table,
    hygiene: Hygiene,
    standing: Standing,
}

/// A front door as far as this stage needs it.
fn bench(more: &str) -> Bench {
    let config =
        config(&format!("{UPSTREAM}tenants: [{{ id: acme }}]\nroutes: [{{ path: /public/**, access: public }}]\n{more}"));
    let mut problems = Problems::default();
    let credentials = Sources::compile(&config, &mut problems);
    let forwarding = Forwarding::compile(&config, &credentials, &mut problems);
    let routes = Table::compile(&config, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let standing = Standing { second_factors: Demands::default(), tenancy: Arc::new(Tenancy::compile(&config)) };
    Bench { forwarding, routes, standing, hygiene: Hygiene::new(Limits::default(), &config.trusted_proxies) }
}

impl Bench {
    /// What the application gets when `identity` sends these fields.
    fn send(&self, path: &str, identity: Option<Identity>, fields: &[(&'static str, &str)]) -> RequestHeader {
        let (outbound, head) = self.judge(path, identity, fields);
        let mut sent = head.as_owned_parts();
        self.forwarding.request(&outbound, &mut sent.headers).unwrap();
        sent.into()
    }

    /// What another proxy is told then.
    fn tell(&self, path: &str, identity: Option<Identity>, fields: &[(&'static str, &str)]) -> Told {
        let (outbound, head) = self.judge(path, identity, fields);
        self.forwarding.tell(&outbound, &head.headers).unwrap()
    }

    fn judge(&self, path: &str, identity: Option<Identity>, fields: &[(&'static str, &str)]) -> (Outbound, RequestHeader) {
        let mut head = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
        head.insert_header("Host", "app.example.com:8443").unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        if head.headers.get_all("cookie").iter().count() > 1 {
            // Only HTTP/2 sends a cookie in crumbs.
            head.set_version(Version::HTTP_2);
        }
        settle(&mut head).unwrap();
        let peer = IpAddr::from([192, 0, 2, 1]);
        let facts = ConnectionFacts { secure: true, ..ConnectionFacts::plain(peer, LiveStreams::default().handle()) };
        let arrival = Arrival { head: &head, facts: &facts, now: Timestamp::from_seconds(1_800_000_000) };
        let clean = self.hygiene.inspect(arrival).unwrap();
        let permit = policy::decide(&self.standing, self.routes.find(&clean), &clean, identity.map(Arc::new)).unwrap();
        let outbound = self.forwarding.prepare(permit, &clean);
        (outbound, head)
    }
}

#[test]
fn another_proxy_is_told_of_every_name_that_doorward_speaks_by() {
    let bench = bench(&format!("identity_headers: {{ presets: {ALL}, custom: {{ X-Legacy-Login: '{{user_name}}' }} }}"));
    let spoken = bench.tell("/", Some(odd()), &[]).set;
    assert!(spoken.len() > 20, "{spoken:?}");
    let key = ("x-api-key", "dw_abc_secret");
    let sent: Vec<(&'static str, &str)> = [
        key,
        ("cookie", "__Host-doorward=1; a=b"),
        ("authorization", "Digest x"),
        ("x_forwarded_user", "root"),
        ("x-real-ip", "1.1.1.1"),
    ]
    .into_iter()
    .chain(preset::NAMES.into_iter().map(|name| (name, "root")))
    .collect();
    let nobody = bench.tell("/public/a", None, &sent);
    for name in spoken.keys() {
        assert!(nobody.remove.contains(name), "{name} is left to whoever sends it");
    }
    for name in preset::NAMES.into_iter().chain(["x-api-key", "x_forwarded_user"]) {
        assert!(nobody.remove.iter().any(|removed| removed == name), "{name}");
    }
    let left: Vec<_> = nobody.set.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(left, [("authorization", "Digest x"), ("cookie", "a=b")]);
    assert!(!nobody.remove.iter().any(|name| name == "x-real-ip"), "it is the proxy's own");
}

fn value<'a>(head: &'a RequestHeader, name: &str) -> Option<&'a str> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next();
    assert!(values.next().is_none(), "{name} is there twice");
    value.map(|value| value.to_str().unwrap())
}

fn odd() -> Identity {
    Identity {
        subject: "00u|1,2".to_owned(),
        user_name: Some("zoë%20".to_owned()),
        name: Some(" Zoë “Z” O'Brien ".to_owned()),
        groups: ["Engineering", "a,admin", "b|admin", "Größe", "bad\r\nX-Admin: 1", ""].map(str::to_owned).into(),
        scopes: vec!["api:read".parse().unwrap(), "api:write".parse().unwrap()],
        tenant: "acme".parse::<TenantId>().unwrap(),
        ..Identity::sample(CredentialKind::Session)
    }
}

#[test]
fn every_preset_says_what_it_is_known_to_say() {
    let custom = "custom: { X-Legacy-Login: 'ACME\\{user_name}', X-Legacy-Groups: '{groups}' }";
    let bench = bench(&format!("identity_headers: {{ presets: {ALL}, {custom} }}"));
    let sent = bench.send("/", Some(odd()), &[]);
    let mut table = String::new();
    for (name, value) in &sent.headers {
        writeln!(table, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_fact_that_is_not_known_is_a_header_that_is_not_there() {
    let bench = bench(&format!("identity_headers: {{ presets: {ALL}, custom: {{ X-Mail: 'mailto:{{email}}' }} }}"));
    let program = Identity {
        user_name: None,
        email: None,
        name: None,
        groups: Vec::new(),
        roles: Vec::new(),
        session: None,
        ..Identity::sample(CredentialKind::ApiKey)
    };
    let sent = bench.send("/", Some(program), &[("X-Mail", "mailto:root@acme.example")]);
    for (name, value) in &sent.headers {
        assert!(!value.is_empty(), "{name}");
    }
    for absent in ["x-mail", "x-forwarded-email", "x-doorward-roles", "x-doorward-role", "x-doorward-session", "remote-groups"] {
        assert_eq!(value(&sent, absent), None, "{absent}");
    }
    assert_eq!(value(&sent, "remote-user"), Some("ada-1"));
}

#[test]
fn spoofed_identity_headers_never_reach_the_upstream_on_any_route_whatever_the_preset() {
    let bench = bench("identity_headers: { presets: [authelia], custom: { X-Legacy: '{email}' } }");
    let spoofed: [(&'static str, &str); 14] = [
        ("X-Forwarded-User", "root"),
        ("x_forwarded_user", "root"),
        ("X-Forwarded_Email", "root"),
        ("x.forwarded.groups", "root"),
        ("X-Doorward-Role", "admin"),
        ("X-Authentik-Groups", "admin"),
        ("X-Pomerium-Claim-Email", "root"),
        ("X-Pomerium-Jwt-Assertion", "root"),
        ("X-Auth-Request-User", "root"),
        ("Remote_User", "root"),
        ("X-Remote-User", "root"),
        ("X-Legacy", "root"),
        ("X.Legacy", "root"),
        ("X-Doorward-Assertion", "root"),
    ];
    for (path, identity) in [("/public/a", None), ("/", Some(Identity::sample(CredentialKind::Session)))] {
        let sent = bench.send(path, identity, &spoofed);
        let left: Vec<_> = sent.headers.iter().filter(|(_, value)| *value == "root" || *value == "admin").collect();
        assert!(left.is_empty(), "{path}: {left:?}");
    }
}

#[test]
fn a_repeated_identity_header_becomes_the_one_true_value() {
    let bench = bench("");
    let twice = [("X-Forwarded-Email", "root@acme.example"), ("x-forwarded-email", "root@acme.example")];
    let sent = bench.send("/", Some(Identity::sample(CredentialKind::Session)), &twice);
    assert_eq!(value(&sent, "x-forwarded-email"), Some("ada@acme.example"));
}

#[test]
fn a_stranger_is_not_believed_about_where_it_comes_from() {
    let spoofed = [
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Request-Id", "mine"),
    ];
    let sent = bench("").send("/public/a", None, &spoofed);
    assert_eq!(value(&sent, "x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(value(&sent, "x-forwarded-proto"), Some("https"));
    assert_eq!(value(&sent, "x-forwarded-host"), Some("app.example.com:8443"));
    assert_eq!(value(&sent, "x-forwarded-port"), Some("8443"));
    for gone in ["forwarded", "x-real-ip", "x-forwarded-prefix", "x-original-url", "x-rewrite-url", "x-http-method-override"] {
        assert_eq!(value(&sent, gone), None, "{gone}");
    }
    assert_ne!(value(&sent, "x-request-id"), Some("mine"));
}

#[test]
fn a_trusted_proxys_chain_is_continued() {
    let told = [
        ("X-Forwarded-For", "198.51.100.9"),
        ("X-Forwarded-Host", "public.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/app"),
        ("X-Forwarded-User", "root"),
    ];
    let sent = bench("trusted_proxies: [192.0.2.0/24]").send("/public/a", None, &told);
    assert_eq!(value(&sent, "x-forwarded-for"), Some("198.51.100.9, 192.0.2.1"));
    assert_eq!(value(&sent, "x-forwarded-host"), Some("public.example"));
    assert_eq!(value(&sent, "x-forwarded-port"), Some("443"));
    assert_eq!(value(&sent, "x-forwarded-prefix"), Some("/app"));
    assert_eq!(value(&sent, "x-forwarded-user"), None, "not even a trusted proxy says who somebody is");
}

/// A key, an id and a secret as Doorward makes them, but for their checksums.
const KEY: &str = "dw_0123456789abcdef_secret";
const SECRET: &str = "dws_secret";

#[test]
fn doorwards_own_secrets_never_reach_the_upstream_even_on_public_routes() {
    let basic = HeaderValue::from_static("Basic aWQ6ZHdzX3NlY3JldA==");
    let sent = bench("").send("/public/a", None, &[("X-Api-Key", KEY), ("X-Client-Id", "id"), ("X-Client-Secret", SECRET)]);
    for name in ["x-api-key", "x-client-id", "x-client-secret"] {
        assert_eq!(value(&sent, name), None, "{name}");
    }
    for authorization in [format!("Bearer {KEY}"), format!("bearer  {KEY}"), basic.to_str().unwrap().to_owned()] {
        let sent = bench("").send("/public/a", None, &[("Authorization", &authorization)]);
        assert_eq!(value(&sent, "authorization"), None, "{authorization}");
    }
}

#[test]
fn the_applications_own_credentials_reach_it_on_public_routes() {
    let own = [("Authorization", "Bearer eyJhbGciOi.e.s"), ("X-Api-Key", "app-key"), ("X-Client-Secret", "app-secret")];
    let sent = bench("").send("/public/a", None, &own);
    for (name, kept) in own {
        assert_eq!(value(&sent, name), Some(kept), "{name}");
    }
}

#[test]
fn the_credential_that_was_used_is_spent_unless_the_configuration_sends_it_on() {
    let sends = [
        (CredentialKind::ApiKey, "api_key", "X-Api-Key", KEY),
        (CredentialKind::Bearer, "bearer", "Authorization", "Bearer eyJhbGciOi.e.s"),
        (CredentialKind::ClientSecret, "client_secret", "Authorization", "Basic aWQ6ZHdzX3NlY3JldA=="),
        (CredentialKind::License, "license", "X-License-Key", "eyJhbGciOi.e.s"),
    ];
    for (kind, word, name, sent) in sends {
        let spent = bench("").send("/", Some(Identity::sample(kind)), &[(name, sent)]);
        assert_eq!(value(&spent, name), None, "{word}");
        let kept = bench(&format!("credentials: {{ forward: [{word}] }}"));
        assert_eq!(value(&kept.send("/", Some(Identity::sample(kind)), &[(name, sent)]), name), Some(sent), "{word}");
    }
    let other = [("X-Api-Key", KEY), ("Authorization", "Digest username=\"ada\"")];
    let sent = bench("").send("/", Some(Identity::sample(CredentialKind::ApiKey)), &other);
    assert_eq!(value(&sent, "authorization"), Some("Digest username=\"ada\""), "the application's own scheme");
}

#[test]
fn the_session_cookie_is_always_removed_and_the_others_are_joined() {
    let forwarding = bench("credentials: { forward: [session] }");
    let ours = format!("{}=abc", crate::credential::SESSION_COOKIE);
    let crumbs = [("Cookie", "a=1; b=2"), ("Cookie", ours.as_str()), ("Cookie", "c=3")];
    let sent = forwarding.send("/", Some(Identity::sample(CredentialKind::Session)), &crumbs);
    assert_eq!(value(&sent, "cookie"), Some("a=1; b=2; c=3"));
    let alone = forwarding.send("/public/a", None, &[("Cookie", ours.as_str())]);
    assert_eq!(value(&alone, "cookie"), None);
    let untouched = forwarding.send("/public/a", None, &[("Cookie", "a=1;b=\"2\"")]);
    assert_eq!(value(&untouched, "cookie"), Some("a=1;b=\"2\""));
}

#[test]
fn an_upstreams_secret_headers_replace_what_the_client_sent() {
    let config = config(
        "upstream: { url: 'http://app.internal:3000', host: rewrite, headers: { X-Static-Key: s3cret }, basic: { username: door, password: pw } }",
    );
    let mut problems = Problems::default();
    let credentials = Sources::compile(&config, &mut problems);
    let forwarding = Forwarding::compile(&config, &credentials, &mut problems);
    let routes = Table::compile(&config, &mut problems);
    let standing = Standing { second_factors: Demands::default(), tenancy: Arc::new(Tenancy::compile(&config)) };
    let bench = Bench { forwarding, routes, standing, hygiene: Hygiene::new(Limits::default(), &[]) };
    let spoofed = [("X-Static-Key", "mine"), ("x_static_key", "mine"), ("Authorization", "Digest mine")];
    let sent = bench.send("/", Some(Identity::sample(CredentialKind::Session)), &spoofed);
    assert_eq!(value(&sent, "x-static-key"), Some("s3cret"));
    assert_eq!(value(&sent, "authorization"), Some("Basic ZG9vcjpwdw=="));
    assert!(!sent.headers.iter().any(|(_, value)| value.to_str().unwrap().contains("mine")));
}

#[test]
fn a_template_or_name_that_cannot_be_is_a_problem() {
    for (name, template) in [
        ("X-A", "{emial}"),
        ("X-A", "{email"),
        ("X-A", ""),
        ("X-A", "é"),
        ("X A", "{email}"),
        ("Host", "{email}"),
        ("Content-Length", "1"),
        ("Connection", "{user}"),
    ] {
        let config = config(&format!("{UPSTREAM}identity_headers: {{ custom: {{ '{name}': '{template}' }} }}"));
        let mut problems = Problems::default();
        let credentials = Sources::compile(&config, &mut problems);
        let _ = Headers::compile(&config, &credentials, &mut problems);
        assert_eq!(problems.iter().count(), 1, "{name}: {template}");
    }
}

#[test]
fn an_upstream_that_cannot_be_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let ca = format!("{{ url: 'https://a', tls: {{ ca: '{}' }} }}", file.display());
    for upstream in [
        "{ }",
        "{ url: 'http://a', urls: ['http://b'] }",
        "{ url: 'ftp://a' }",
        "{ url: 'http://a/path' }",
        "{ url: 'http://a', health: { path: healthz } }",
        "{ url: 'http://a', headers: { Host: b } }",
        "{ url: 'http://a', headers: { X-Key: \"a\\nb\" } }",
        "{ url: 'http://a', basic: { username: 'a:b', password: c } }",
        "{ url: 'http://a', tls: { cert: /nonexistent } }",
        "{ url: 'http://a', tls: { ca: /nonexistent } }",
        "{ url: 'http://a', tls: { server_name: 'a b' } }",
        &ca,
    ] {
        let config = config(&format!("upstream: {upstream}"));
        let mut problems = Problems::default();
        let credentials = Sources::compile(&config, &mut problems);
        let _ = Forwarding::compile(&config, &credentials, &mut problems);
        assert_eq!(problems.iter().count(), 1, "{upstream}: {problems:?}");
    }
}

#[test]
fn an_answer_cannot_set_a_cookie_of_doorwards() {
    let mut head = ResponseHeader::build(200, None).unwrap();
    for line in [
        "a=1; Path=/",
        "__Host-doorward=evil; Secure; Path=/",
        " __Host-doorward =evil",
        "__host-doorward=evil",
        "__Host-doorward-attempt=evil",
        "b=__Host-doorward=2",
    ] {
        head.append_header("Set-Cookie", line).unwrap();
    }
    head.insert_header("Keep-Alive", "timeout=5").unwrap();
    head.insert_header("Connection", "close, X-Leg, Content-Length").unwrap();
    head.insert_header("X-Leg", "1").unwrap();
    head.insert_header("Content-Length", "0").unwrap();
    head.insert_header("Server", "app").unwrap();
    Headers::answer(&mut head).unwrap();
    let left: Vec<&str> = head.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(left, ["a=1; Path=/", "b=__Host-doorward=2"]);
    let has = |name: &str| head.headers.contains_key(name);
    assert!(!has("keep-alive") && !has("x-leg") && has("server") && has("content-length"));
}
