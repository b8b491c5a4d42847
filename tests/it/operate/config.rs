//! `doorward check`: each mistake and exactly what is said about it.
//!
//! `tests/fixtures/config/bad/*.yaml` are the mistakes, `bad/*.txt` what is printed, `good/*.yaml` the same files mended; `first.yaml` is
//! the product's own idea of a configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::door::doorward;

/// A copy of the fixtures with the files that they name. Commands run in it, so that what they print is always the same.
pub(super) struct Desk(TempDir);

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        for folder in ["bad", "good", "files"] {
            fs::create_dir(desk.path(folder)).unwrap();
        }
        desk.files();
        desk
    }

    fn fixtures() -> Self {
        let desk = Self::new();
        for folder in ["bad", "good"] {
            for file in yaml(&fixtures().join(folder)) {
                fs::copy(&file, desk.path(folder).join(file.file_name().unwrap())).unwrap();
            }
        }
        desk
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn files(&self) {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(["app.example.com", "*.internal.example.com"].map(str::to_owned))
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let license = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        for (name, text) in [
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
            ("other.key", other.serialize_pem()),
            ("license.pub", license.public_key_pem()),
            ("secret", "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA==\n".to_owned()),
            ("short", "hunter2\n".to_owned()),
            ("empty", "\n".to_owned()),
            ("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"/>\n".to_owned()),
        ] {
            self.write(&format!("files/{name}"), &text);
        }
    }

    /// Also what only the examples name.
    pub(super) fn complete(&self) {
        let read = |name: &str| fs::read_to_string(self.path("files").join(name)).unwrap();
        let (certificate, secret) = (read("tls.crt"), read("secret"));
        for name in ["clients.crt", "upstream-ca.crt", "session-server-ca.crt"] {
            self.write(&format!("files/{name}"), &certificate);
        }
        for name in [
            "legacy-key",
            "db-password",
            "app-password",
            "wiki-password",
            "oidc-secret",
            "mail-password",
            "soc-secret",
            "splunk-token",
            "sentinel-secret",
            "datadog-key",
            "session-server-password",
        ] {
            self.write(&format!("files/{name}"), &secret);
        }
        self.saml();
        let all = CertificateParams::new(["app", "api", "partners", "wiki"].map(|name| format!("{name}.example.com"))).unwrap();
        let key = KeyPair::generate().unwrap();
        self.write("files/tls.crt", &all.self_signed(&key).unwrap().pem());
        self.write("files/tls.key", &key.serialize_pem());
        self.write("files/oidc-key.pem", &key.serialize_pem());
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","alg":"EdDSA","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        self.write("files/jwks.json", keys);
        set_mode(&self.path("files/tls.key"), 0o600);
    }

    /// A key of our own, and an identity provider's certificate and metadata.
    fn saml(&self) {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::new(["idp.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
        for name in ["saml.crt", "saml-metadata.crt", "supplier.crt"] {
            self.write(&format!("files/{name}"), &certificate.pem());
        }
        self.write("files/saml.key", &key.serialize_pem());
        let base64 = certificate.pem().lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let metadata = format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{base64}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/></IDPSSODescriptor></EntityDescriptor>"#
        );
        self.write("files/subsidiary.xml", &metadata);
    }

    pub(super) fn check(&self, arguments: &[&str]) -> Output {
        let mut command = doorward(&["check"]);
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("DOORWARD_TEST_SECRET", "an-environment-of-secrets-that-nobody-may-print");
        for name in ["DOORWARD_SECRET_KEY", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OKTA_SECRET"] {
            command.env(name, "a-value-from-the-environment-of-the-pod");
        }
        command.env("DOORWARD_TEST_EMPTY", "").env("DOORWARD_TEST_NUMBER", "77");
        command.output().unwrap()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

pub(super) fn yaml(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_bad_configuration_is_told_exactly_what_is_wrong() {
    let desk = Desk::fixtures();
    // What is said now lies there, to be read and copied when a message is changed on purpose.
    let said = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config");
    fs::create_dir_all(&said).unwrap();
    let mut different = Vec::new();
    let all = yaml(&fixtures().join("bad"));
    assert!(all.len() >= 40, "only {} bad configurations", all.len());
    for file in all {
        let name = name(&file);
        let output = desk.check(&["--config", &format!("bad/{name}.yaml")]);
        let printed = String::from_utf8(output.stdout).unwrap();
        fs::write(said.join(format!("{name}.txt")), &printed).unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{name}");
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        if output.status.code() != Some(1) || printed != expected {
            different.push(format!("== {name}, exit {:?}\n{printed}", output.status.code()));
        }
    }
    assert!(different.is_empty(), "{}\nall of it is in {}", different.join("\n"), said.display());
}

#[test]
fn every_bad_configuration_has_a_mended_twin_that_is_good() {
    let desk = Desk::fixtures();
    let twins = |folder: &str| yaml(&fixtures().join(folder)).iter().map(|file| name(file)).collect::<Vec<_>>();
    assert_eq!(twins("bad"), twins("good"));
    for name in twins("good") {
        let file = format!("good/{name}.yaml");
        let output = desk.check(&["--config", &file]);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{printed}");
        assert!(printed.starts_with(&format!("{file}: ok\n")), "{printed}");
    }
}

/// `first.yaml` is what somebody writes who knows what they want and not yet how it is spelt; on a machine that has its files.
#[test]
fn a_configuration_in_the_words_that_people_try_first_is_understood() {
    let desk = Desk::new();
    let here = desk.path("files").to_str().unwrap().to_owned();
    desk.write("files/hec", "a-token-of-splunk\n");
    let written = fs::read_to_string(fixtures().join("first.yaml")).unwrap();
    desk.write("first.yaml", &written.replace("/etc/doorward", &here).replace("/var/lib/doorward", &here));
    let output = desk.check(&["--config", "first.yaml"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.starts_with("first.yaml: ok\n"), "{printed}");
    // The same words twice are still a mistake, and so are two receivers of a kind without names.
    let bearer = "audience: api://app";
    let sink = "{ splunk_hec: { url: https://siem:8088, token: { file: /etc/doorward/hec } } }";
    for (from, to, told) in [
        (bearer, format!("{bearer}, audiences: [app]"), "unknown key `audience`"),
        (bearer, "audience: []".to_owned(), "`audiences` needs at least 1"),
        (sink, format!("{sink}, {sink}"), "the id `splunk_hec` is used twice"),
        ("assertion: true", "assertion: yes".to_owned(), "`assertion`"),
    ] {
        assert!(written.contains(from), "{from}");
        let wrong = written.replace(from, &to).replace("/etc/doorward", &here).replace("/var/lib/doorward", &here);
        desk.write("wrong.yaml", &wrong);
        let output = desk.check(&["--config", "wrong.yaml"]);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && printed.contains(told), "{to}: {printed}");
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let desk = Desk::fixtures();
    for file in yaml(&fixtures().join("bad")) {
        let output = desk.check(&["--json", "--config", &format!("bad/{}.yaml", name(&file))]);
        let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        for secret in ["hunter2", "s3cr3t", "c2VjcmV0", "nobody-may-print", "1234567890123456"] {
            assert!(!printed.contains(secret), "{}: {printed}", file.display());
        }
    }
}

#[test]
fn json_says_the_same_with_numbers_for_the_place() {
    let desk = Desk::fixtures();
    let output = desk.check(&["--json", "--config", "bad/duplicate-key.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem =
        serde_json::json!({ "line": 13, "column": 3, "message": "`idle` is written twice", "hint": "the first is in line 11" });
    let file = "bad/duplicate-key.yaml";
    assert_eq!(said, serde_json::json!({ "file": file, "ok": false, "problems": [problem], "warnings": [] }));
}

#[test]
fn a_file_that_is_not_there_is_an_error_and_not_a_finding() {
    let desk = Desk::new();
    for file in ["missing.yaml", "files"] {
        let output = desk.check(&["--config", file]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("doorward: {file}: ")) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn serving_with_a_bad_configuration_ends_with_the_code_for_it() {
    let desk = Desk::fixtures();
    let output = doorward(&["serve", "--config", "bad/unset-variable.yaml"]).current_dir(desk.path("")).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("bad/unset-variable.yaml:9:1: `secret_key`: environment variable `DOORWARD_TEST_UNSET` is not set"),
        "{error}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_the_code_for_it() {
    assert_eq!(doorward(&["check", "--everything"]).output().unwrap().status.code(), Some(2));
}

/// Each warning, by a configuration that deserves it.
#[test]
fn what_is_unwise_is_a_warning_and_not_a_problem() {
    let desk = Desk::new();
    let base = BTreeMap::from([
        ("version", "1"),
        ("public_url", "https://app.example.com"),
        ("listeners", "[{ address: 127.0.0.1:8443, tls: { certificates: [{ cert: files/tls.crt, key: files/tls.key }] } }]"),
        ("upstream", "{ url: http://127.0.0.1:3000 }"),
        ("store", "{ url: sqlite:doorward.db }"),
        ("secret_key", "{ file: files/secret }"),
    ]);
    set_mode(&desk.path("files/tls.key"), 0o600);
    let warned = |key: &'static str, value: &str| warned_of(&desk, &base, key, value);
    assert_eq!(warned("version", "1"), [""; 0]);
    assert_eq!(warned("secret_key", "an-inline-secret-that-is-long-enough"), ["this secret is written in the file itself"]);
    assert_eq!(warned("public_url", "http://app.example.com"), ["passwords, keys and sessions travel unencrypted"]);
    assert_eq!(warned("public_url", "https://other.example.com"), ["no certificate is for `other.example.com`"]);
    assert_eq!(
        warned("tenants", "[{ id: a, hosts: [app.example.com] }, { id: b, hosts: [b.example.com] }]"),
        ["no certificate is for `b.example.com`"]
    );
    let homeless = "[{ id: a, hosts: [APP.example.com] }]\nconnections: [{ id: local, password: {} }]";
    let lost = "links for people of `default` lead to `app.example.com`, where nobody of that tenant is let in";
    assert_eq!(warned("tenants", homeless), [lost]);
    assert_eq!(
        warned("listeners", "[{ address: 127.0.0.1:8080 }]"),
        ["no listener has TLS and no proxy is trusted, so every request looks unencrypted"]
    );
    assert_eq!(warned("trusted_proxies", "[0.0.0.0/0]"), ["`0.0.0.0/0` is everybody: anyone may claim any address"]);
    assert_eq!(
        warned("routes", "[{ path: /a, mode: report }, { path: /b, mfa: true }]"),
        ["this route records what it would refuse, and lets it through", "nobody can meet what this route asks for"]
    );
    assert_eq!(
        warned("sign_in", "{ require_sso: [acme.com] }"),
        ["when single sign-on does not work, nobody can sign in to mend it", "no single sign-on here is for `acme.com`"]
    );
    assert_eq!(
        warned("sign_in", "{ require_sso: true, break_glass: [ops@acme.com] }"),
        ["everybody has to use single sign-on, and no connection here is single sign-on"]
    );
    assert_eq!(
        warned(
            "connections",
            "[{ id: a, oidc: { provider: entra, issuer: https://login.microsoftonline.com/common/v2.0, client_id: a } }]"
        ),
        ["`https://login.microsoftonline.com/common/v2.0` does not look like this provider's issuer"]
    );
    let plain = "{ sinks: [
  { id: a, otlp: { url: 'http://otel-collector:4318', plain_http: true, headers: { A: { file: files/secret } } } },
  { id: b, webhook: { url: 'http://fluent-bit:9880', plain_http: true, private_addresses: true, secret: { file: files/secret } } },
  { id: c, splunk_hec: { url: 'http://vector:8088', plain_http: true, token: { file: files/secret } } },
  { id: d, datadog: { url: 'http://vector:8282', plain_http: true, api_key: { file: files/secret } } },
  { id: e, splunk_hec: { url: 'http://127.0.0.1:8088', plain_http: true, token: { file: files/secret } } },
  { id: f, otlp: { url: 'https://otel-collector:4318', plain_http: true } } ] }
telemetry: { otlp: { endpoint: 'http://otel-collector.observability:4318', plain_http: true } }";
    let told = |what: &str, host: &str| format!("{what}, and the secret that is sent with them, travel unencrypted to `{host}`");
    let told_of_events = ["otel-collector", "fluent-bit", "vector", "vector"].map(|host| told("events", host));
    assert_eq!(
        warned("audit", plain),
        [&told_of_events[..], &[told("traces and metrics", "otel-collector.observability")]].concat()
    );
    assert_eq!(warned("store", "{ url: sqlite:nowhere/doorward.db }"), ["the folder `nowhere` does not exist"]);
    let server =
        |more: &str| warned("store", &format!("{{ url: 'postgres://door@db.example/door?sslmode=verify-full' }}\n{more}"));
    let unkept =
        "refusals and failed sign-ins wait in memory while the database is down, and are not recorded if the door is killed then";
    assert_eq!((server(""), server("audit: { journal: events }")), (vec![unkept.to_owned()], Vec::new()));
    // A key that ends without a store.
    let storeless = "{ mode: sealed }\nconnections: [{ id: mail, magic_link: { from: a@acme.com, smtp: 'smtp://127.0.0.1' }, domains: [acme.com] }]";
    let mut without = base.clone();
    without.remove("store");
    assert_eq!(
        warned_of(&desk, &without, "sessions", storeless)[2..],
        ["without `store` a mailed link or code works only at the replica that sent it, until that stops"]
    );
    for (level, lost) in [("warn", true), ("doorward=debug", true), ("warn,audit=info", false), ("debug", false)] {
        let logging = format!("{{ level: '{level}' }}\nsessions: {{ mode: sealed }}");
        let said = warned_of(&desk, &without, "logging", &logging);
        assert_eq!(said.iter().any(|warning| warning.starts_with("the audit trail is lost")), lost, "{level}: {said:?}");
    }
    set_mode(&desk.path("files/tls.key"), 0o644);
    assert_eq!(warned("version", "1"), ["`files/tls.key` can be read by every user of this machine"]);
}

/// What `check` warns of in this file, with one key set to another value.
fn warned_of(desk: &Desk, base: &BTreeMap<&'static str, &'static str>, key: &'static str, value: &str) -> Vec<String> {
    let mut file: BTreeMap<&str, &str> = base.clone();
    file.insert(key, value);
    let lines: Vec<String> = file.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    desk.write("doorward.yaml", &lines.join("\n"));
    let output = desk.check(&["--json", "--config", "doorward.yaml"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["ok"]), (Some(0), &Value::Bool(true)), "{said}");
    said["warnings"].as_array().unwrap().iter().map(|warning| warning["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_certificate_at_its_end_is_a_warning() {
    let desk = Desk::new();
    let said = |from: (i32, u8), until: (i32, u8)| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["app.example.com".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
        desk.write("files/tls.crt", &params.self_signed(&key).unwrap().pem());
        desk.write("files/tls.key", &key.serialize_pem());
        set_mode(&desk.path("files/tls.key"), 0o600);
        desk.write("doorward.yaml", "version: 1\npublic_url: https://app.example.com\nlisteners: [{ address: 127.0.0.1:8443, tls: { certificates: [{ cert: files/tls.crt, key: files/tls.key }] } }]\nupstream: { url: http://127.0.0.1:3000 }\nstore: { url: sqlite:doorward.db }\nsecret_key: { file: files/secret }\n");
        String::from_utf8(desk.check(&["--config", "doorward.yaml"]).stdout).unwrap()
    };
    assert_eq!(said((2020, 1), (4000, 1)), "doorward.yaml: ok\n");
    assert!(said((2020, 1), (2021, 1)).contains("warning: this certificate expired at 2021-01-01T00:00:00.000Z"));
    assert!(said((3999, 1), (4000, 1)).contains("warning: this certificate is not valid before 3999-01-01T00:00:00.000Z"));
}

fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}
