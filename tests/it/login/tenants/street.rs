//! One door for several companies, each at a host of its own, with every kind of credential for each.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::login::house::{Person, Walk, field};
use crate::support::process::Part;
use crate::support::{Answer, Door, Process, curl, doorward, free_port, part, python_part};

pub(super) const ACME: &str = "acme.test";
pub(super) const GLOBEX: &str = "globex.test";
/// The shared host: `default` and `initech` are at home here.
pub(super) const SHARED: &str = "door.test";

const SECRET: &str = "a-secret-of-some-length";

pub(super) struct Street {
    pub(super) door: Door,
    pub(super) idp: Part,
    pub(super) upstream: Part,
    pub(super) mail: Part,
    pub(super) port: u16,
    /// For acme.
    pub(super) license: String,
    tls: TempDir,
}

/// A person's account at one company, by password.
pub(super) struct Local {
    pub(super) id: String,
    pub(super) password: String,
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority and a program's certificate of it.
fn certificates(folder: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(folder, &[&authority[..], &key].concat());
    let wanted =
        ["req", "-subj", "/CN=robot-7", "-addext", "subjectAltName=DNS:robot", "-keyout", "robot.key", "-out", "robot.csr"];
    openssl(folder, &[&wanted[..], &key].concat());
    let sign =
        ["x509", "-req", "-days", "2", "-copy_extensions", "copy", "-in", "robot.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
    openssl(folder, &[&sign[..], &["-out", "robot.pem"]].concat());
}

/// A license for `tenant`, and the public key of whoever signed it.
fn license(tenant: &str) -> (String, String) {
    let claims = json!({ "tenant": tenant }).to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/mint.mjs");
    let mut command = Command::new("node");
    command.arg(script).args(["set", "--algs", "EdDSA", "--audience", "app", "--claims", &claims]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let minted: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&minted["good"]["EdDSA"]), text(&minted["pem"]["EdDSA"]))
}

fn connections(issuer: &str) -> String {
    let of = |tenant: &str| {
        format!(
            "  - id: {tenant}-idp
    tenant: {tenant}
    oidc: {{ issuer: '{issuer}', client_id: {tenant}, client_secret: {SECRET}, scopes: [profile, email, groups] }}
  - {{ id: {tenant}-local, tenant: {tenant}, password: {{ lock_after: 1000 }} }}
  - {{ id: {tenant}-mail, tenant: {tenant}, provision: invited, magic_link: {{}} }}
  - id: {tenant}-saml
    tenant: {tenant}
    hidden: true
    saml: {{ entity_id: 'https://idp.{tenant}.example', sso_url: 'https://idp.{tenant}.example/sso', certificates: [{{ file: tls.crt }}] }}
"
        )
    };
    format!("{}{}", of("acme"), of("globex"))
}

impl Street {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// `settings`: further top-level lines.
    #[track_caller]
    pub(super) fn with(settings: &str) -> Self {
        let port = free_port();
        let client = |tenant: &str, host: &str| {
            let own = format!("https://{host}:{port}/.doorward");
            json!({
                "client_id": tenant, "client_secret": SECRET, "redirect_uris": [format!("{own}/callback/{tenant}-idp")],
                "backchannel_logout_uri": format!("{own}/backchannel-logout/{tenant}-idp"), "backchannel_logout_session_required": true,
            })
        };
        let clients = json!([client("acme", ACME), client("globex", GLOBEX)]).to_string();
        let person = |sub: &str, groups: &[&str]| {
            json!({ "sub": sub, "password": "pw", "email": format!("{sub}@acme.example"), "email_verified": true,
                "preferred_username": sub, "groups": groups })
        };
        let people = json!([person("ada", &["Engineering"]), person("bob", &["Chess"])]).to_string();
        let idp = part("oidc", &["--clients", &clients, "--users", &people]);
        let (upstream, mail) = (part("echo", &[]), python_part("smtp", &["--tls", "none"]));
        let issuer = idp.ready["issuer"].as_str().unwrap();
        let (license, pem) = license("acme");
        let configuration = format!(
            "\
version: 1
public_url: https://{SHARED}:{port}
listeners:
  - {{ address: 127.0.0.1:{port}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}], client_ca: ca.pem }} }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
mail: {{ from: door@mail.test, smtp: 'smtp://127.0.0.1:{}' }}
tenants:
  - id: acme
    display_name: Acme
    hosts: [{ACME}]
    domains: [acme.example]
    roles: {{ default: viewer, groups: {{ Engineering: admin }} }}
  - id: globex
    hosts: [{GLOBEX}]
    domains: [globex.example]
    default_connection: globex-idp
    roles: {{ groups: {{ Engineering: viewer }} }}
  - {{ id: initech, domains: [initech.example], mfa: required }}
connections:
{}
  - {{ id: initech-local, tenant: initech, password: {{}} }}
  - {{ id: local, password: {{}} }}
roles: {{ ranked: [admin, editor, viewer], default: editor, groups: {{ Engineering: editor }} }}
bearer: [{{ issuer: '{issuer}', audiences: [api], tenant: acme }}]
license: {{ public_keys: [\"{}\"], audience: app }}
client_certificates: {{ subject: common_name, tenant: acme }}
identity_headers: {{ presets: [doorward] }}
limits: {{ failures_per_minute: 100000 }}
{settings}
routes:
  - {{ path: /public/**, access: public }}
  - {{ path: /optional/**, access: optional }}
  - {{ path: /report/**, roles: [admin], mode: report }}
",
            upstream.port(),
            mail.port(),
            connections(issuer),
            pem.replace('\n', "\\n"),
        );
        let tls = TempDir::new().unwrap();
        certificates(tls.path());
        let door = Door::serve(&configuration, |folder| {
            let made = rcgen::generate_simple_self_signed([SHARED, ACME, GLOBEX].map(str::to_owned)).unwrap();
            std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
            std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
            std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
            std::fs::copy(tls.path().join("ca.pem"), folder.join("ca.pem")).unwrap();
        });
        Self { door, idp, upstream, mail, port, license, tls }
    }

    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// Somebody with a browser who is at `host` first.
    pub(super) fn person(&self, host: &str) -> Person {
        Person::anywhere(&format!("https://{host}:{}", self.port), self.port)
    }

    /// Somebody who has signed in with the provider at `host`.
    #[track_caller]
    pub(super) fn signed_in(&self, host: &str, connection: &str, who: &str) -> (Person, Walk) {
        let person = self.person(host);
        let walk = person.sign_in(&self.url(host, &format!("/.doorward/sign-in/{connection}?return_to=%2F")), who);
        assert_eq!(walk.answer.status, 200, "{who} at {}: {}", walk.url, walk.answer.text());
        (person, walk)
    }

    /// One request without a browser, as a program sends it.
    #[track_caller]
    pub(super) fn send(&self, host: &str, path: &str, arguments: &[&str]) -> Answer {
        let (resolve, url) = (format!("*:{}:127.0.0.1", self.port), self.url(host, path));
        let mut all = vec!["--insecure", "--resolve", &resolve, "--path-as-is", "-H", "Accept: application/json"];
        all.extend(arguments);
        all.push(&url);
        curl(&all)
    }

    /// The file of the program's certificate, or its key.
    pub(super) fn file(&self, name: &str) -> String {
        self.tls.path().join(name).display().to_string()
    }

    /// Makes an account with a password.
    #[track_caller]
    pub(super) fn local(&self, tenant: &str, name: &str) -> Local {
        let made = self.door.command(&["user", "create", "--name", name, "--tenant", tenant]);
        let text = |key: &str| made[key].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        Local { id: text("id"), password: text("password") }
    }

    /// Types a password into the form of `connection` at `host`.
    #[track_caller]
    pub(super) fn type_password(&self, person: &Person, host: &str, connection: &str, name: &str, password: &str) -> Answer {
        let url = self.url(host, &format!("/.doorward/sign-in/{connection}"));
        let page = person.ask(&format!("{url}?return_to=%2F"), &[]);
        let token = if page.status == 200 { field(&page.text(), "token") } else { String::new() };
        let fields = [("token", token.as_str()), ("return_to", "/"), ("user", name), ("password", password)];
        person.post(&url, &fields, &[])
    }

    /// What the command says where it fails.
    #[track_caller]
    pub(super) fn failing(&self, arguments: &[&str]) -> String {
        let output = doorward(arguments).arg("--config").arg(self.door.config()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Another replica on the same store; its port.
    #[track_caller]
    pub(super) fn replica(&self) -> (Process, u16) {
        let port = free_port();
        let typed = std::fs::read_to_string(self.door.config()).unwrap();
        let file = self.door.folder().join("replica.yaml");
        let (mine, theirs) = (format!("address: 127.0.0.1:{}", self.port), format!("address: 127.0.0.1:{port}"));
        std::fs::write(&file, typed.replace(&mine, &theirs)).unwrap();
        let process = Process::start(doorward(&["serve", "--json", "--config"]).arg(&file));
        process.json_line();
        (process, port)
    }

    /// How many requests the application got.
    pub(super) fn passed(&self) -> usize {
        self.upstream.control("GET", "/requests").as_array().unwrap().len()
    }
}
