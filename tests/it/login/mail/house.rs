//! A door with TLS that sends letters, a mail server that takes them, and people with cookie jars.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::login::house::{HOST, Person, field};
use crate::support::process::Part;
use crate::support::{Answer, Door, Process, doorward, eventually, free_port, part, python_part};

pub(super) const PASSWORD: &str = "the-mail-password";

pub(super) struct House {
    pub(super) door: Door,
    pub(super) mail: Part,
    pub(super) port: u16,
    _upstream: Part,
    _certificates: TempDir,
}

/// How a house differs from the usual one, which sends over STARTTLS with a password.
pub(super) struct Plan {
    /// Of the connection, besides `magic_link`.
    pub(super) connection: &'static str,
    /// Further connections.
    pub(super) connections: &'static str,
    /// Further top-level settings.
    pub(super) settings: &'static str,
    /// Of the mail server: `implicit`, `starttls` or `none`.
    pub(super) tls: &'static str,
    /// The server's address as the door knows it; `{port}` is the port.
    pub(super) smtp: &'static str,
    /// What the door believes to be its password at the mail server.
    pub(super) password: &'static str,
    /// Whether the door trusts the mail server's certificate.
    pub(super) trusted: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            connection: "provision: jit",
            connections: "",
            settings: "",
            tls: "starttls",
            smtp: "smtp://localhost:{port}?tls=required",
            password: PASSWORD,
            trusted: true,
        }
    }
}

/// The page that waits for a letter.
pub(super) struct Waiting {
    pub(super) page: Answer,
}

impl House {
    #[track_caller]
    pub(super) fn usual() -> Self {
        Self::with(Plan::default())
    }

    #[track_caller]
    pub(super) fn with(plan: Plan) -> Self {
        let port = free_port();
        let certificates = TempDir::new().unwrap();
        for name in ["mail", "stranger"] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(certificates.path().join(name).with_extension("crt"), made.cert.pem()).unwrap();
            std::fs::write(certificates.path().join(name).with_extension("key"), made.signing_key.serialize_pem()).unwrap();
        }
        let file = |name: &str| certificates.path().join(name).to_str().unwrap().to_owned();
        let (cert, key) = (file("mail.crt"), file("mail.key"));
        let arguments = ["--tls", plan.tls, "--cert", &cert, "--key", &key, "--user", "door", "--password", PASSWORD];
        let mail = python_part("smtp", &arguments);
        let upstream = part("echo", &[]);
        let ca = file(if plan.trusted { "mail.crt" } else { "stranger.crt" });
        let smtp = plan.smtp.replace("{port}", &mail.port().to_string());
        let Plan { connection, connections, settings, password, .. } = plan;
        let configuration = format!(
            "\
version: 1
public_url: https://{HOST}:{port}
listeners:
  - {{ address: 127.0.0.1:{port}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}] }} }}
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
mail: {{ from: Tür & Tor <door@mail.test>, smtp: '{smtp}', username: door, password: {password}, ca: {ca}, timeout: 10s }}
connections:
  - id: email
    magic_link: {{}}
    {connection}
{connections}
sign_in: {{ title: Käse & Brot }}
roles: {{ ranked: [admin, editor, viewer], default: viewer }}
identity_headers: {{ presets: [doorward] }}
{settings}
",
            upstream.port()
        );
        let door = Door::serve(&configuration, |folder| {
            let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
            std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
            std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
            std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        });
        Self { door, mail, port, _upstream: upstream, _certificates: certificates }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    pub(super) fn person(&self) -> Person {
        Person::at(self.port)
    }

    /// Kills the door as a power cut would, and starts it again.
    #[track_caller]
    pub(super) fn power_cut(&mut self) {
        self.door.process.signal("KILL");
        self.door.process.wait();
        let process = Process::start(doorward(&["serve", "--json", "--config"]).arg(self.door.config()));
        self.door.ready = process.json_line();
        self.door.process = process;
    }

    /// Types `address` on the page of the connection, coming from `path`.
    #[track_caller]
    pub(super) fn send(&self, person: &Person, address: &str, path: &str) -> Answer {
        let page = person.ask(&self.url(&format!("/.doorward/sign-in/email?return_to={path}")), &[]);
        assert_eq!(page.status, 200, "{}", page.text());
        let (token, back) = (field(&page.text(), "token"), field(&page.text(), "return_to"));
        let fields = [("token", token.as_str()), ("return_to", back.as_str()), ("email", address)];
        person.post(&self.url("/.doorward/magic-link/email"), &fields, &[])
    }

    /// The same, and goes on to the page that waits for the letter.
    #[track_caller]
    pub(super) fn ask_for(&self, person: &Person, address: &str, path: &str) -> Waiting {
        let sent = self.send(person, address, path);
        assert_eq!(sent.status, 303, "{}", sent.text());
        let page = person.ask(sent.header("location").unwrap(), &[]);
        assert_eq!(page.status, 200, "{}", page.text());
        Waiting { page }
    }

    /// Types a code on the page that waits for it.
    #[track_caller]
    pub(super) fn enter(&self, person: &Person, waiting: &Waiting, code: &str) -> Answer {
        let page = waiting.page.text();
        let fields = [("token", &*field(&page, "token")), ("attempt", &*field(&page, "attempt")), ("code", code)];
        person.post(&self.url("/.doorward/magic-link/email/code"), &fields, &[])
    }

    /// Opens a letter's link and, where there is a button, clicks it.
    #[track_caller]
    pub(super) fn click(&self, person: &Person, link: &str) -> Answer {
        let page = person.ask(link, &[]);
        assert_eq!(page.status, 200, "{}", page.text());
        let text = page.text();
        let fields = [("token", &*field(&text, "token")), ("link", &*field(&text, "link"))];
        person.post(&self.url("/.doorward/magic-link/email/open"), &fields, &[])
    }

    pub(super) fn letters(&self) -> Vec<Value> {
        self.mail.control("GET", "/letters").as_array().unwrap().clone()
    }

    /// The letter with this number, counted from 1, once it is there.
    #[track_caller]
    pub(super) fn letter(&self, number: usize) -> Value {
        eventually("the letter", || self.letters().get(number - 1).cloned())
    }

    pub(super) fn knobs(&self, knobs: &Value) {
        assert_eq!(self.mail.tell("/knobs", knobs).status, 200);
    }

    /// The newest events of a kind.
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        self.door.events(kind)
    }

    /// Waits for a letter that went out, or did not: its reason.
    #[track_caller]
    pub(super) fn outcome(&self, address: &str, number: usize) -> Option<String> {
        let events = eventually("what became of the letter", || {
            let events: Vec<Value> =
                self.events("sign_in_link_sent").into_iter().filter(|event| event["actor"] == address).collect();
            (events.len() >= number).then_some(events)
        });
        events[number - 1]["reason"].as_str().map(str::to_owned)
    }

    /// Makes an account without a password.
    #[track_caller]
    pub(super) fn account(&self, address: &str) {
        self.door.command(&["user", "create", "--email", address, "--no-password"]);
    }

    /// The address in an access log or on the operations listener.
    pub(super) fn metrics(&self) -> String {
        let address = self.door.text("operations");
        crate::support::curl(&[&format!("http://{address}/metrics")]).text()
    }
}

/// The link in a letter's text.
#[track_caller]
pub(super) fn link(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap();
    text.lines().find(|line| line.starts_with("https://")).unwrap_or_else(|| panic!("no link in {text}")).to_owned()
}

/// The code in a letter's text.
#[track_caller]
pub(super) fn code(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap();
    let digits = |line: &&str| line.trim().len() == 6 && line.trim().bytes().all(|byte| byte.is_ascii_digit());
    text.lines().find(digits).unwrap_or_else(|| panic!("no code in {text}")).trim().to_owned()
}

/// Another code than this one.
pub(super) fn another(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..5])
}

pub(super) fn header<'l>(letter: &'l Value, name: &str) -> Option<&'l str> {
    letter["headers"].as_array().unwrap().iter().find(|pair| pair[0] == name)?[1].as_str()
}

/// What `/.doorward/session` says.
#[track_caller]
pub(super) fn session(person: &Person) -> Value {
    let answer = person.session();
    if answer.status == 200 { answer.json() } else { json!(null) }
}
