//! PostgreSQL that is gone, or has fallen silent: whoever needs it is told so within the bound that is configured.

use std::time::Duration;

use serde_json::{Value, json};

use super::operations;
use crate::support::{Answer, Door, Part, Stopwatch, curl, eventually, part, part_at_port};

/// What is configured; less than what is used where nothing is.
const BOUND: &str = "900ms";
/// The bound, and what a busy machine and curl need besides.
const SOON: Duration = Duration::from_secs(2);

struct House {
    door: Door,
    database: Part,
    _upstream: Part,
}

impl House {
    fn new() -> Self {
        let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
        let configuration = format!(
            "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:0 }}]\n\
             operations: {{ address: 127.0.0.1:0 }}\nupstream: {{ url: http://127.0.0.1:{} }}\n\
             store: {{ url: '{}', timeout: {BOUND} }}\nsecret_key: 0123456789abcdef0123456789abcdef\n\
             admin_api: {{ roles: [admin] }}\nroles: {{ ranked: [admin] }}\ntoken_endpoint: {{}}\n\
             connections:\n  - {{ id: local, password: {{}} }}\n  - id: okta\n    domains: [okta.example]\n    \
             oidc: {{ issuer: https://okta.invalid, client_id: doorward, client_secret: 0123456789abcdef }}\n",
            upstream.port(),
            database.ready["url"].as_str().unwrap()
        );
        Self { door: Door::serve(&configuration, |_| {}), database, _upstream: upstream }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door.listener(0))
    }

    #[track_caller]
    fn made(&self, arguments: &[&str]) -> (String, String) {
        let made = self.door.command(arguments);
        (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    /// Requests that need the store, each with what nothing is remembered of.
    fn requests(&self) -> Vec<(&'static str, Vec<String>)> {
        let (_, key) = self.made(&["key", "create", "--name", "k", "--role", "admin"]);
        let (client, secret) = self.made(&["client", "create", "--name", "c"]);
        let (_, token) = self.made(&["scim-token", "create", "--connection", "okta"]);
        let all: [(&str, &[&str]); 6] = [
            ("a session", &["-H", &format!("Cookie: __Host-doorward={}", "a".repeat(43)), &self.url("/")]),
            ("a key", &["-H", &format!("X-Api-Key: {key}"), &self.url("/")]),
            ("a client", &["-H", &format!("X-Client-Id: {client}"), "-H", &format!("X-Client-Secret: {secret}"), &self.url("/")]),
            (
                "a token",
                &["-u", &format!("{client}:{secret}"), "-d", "grant_type=client_credentials", &self.url("/.doorward/token")],
            ),
            ("a directory", &["-H", &format!("Authorization: Bearer {token}"), &self.url("/.doorward/scim/v2/Users")]),
            ("an administrator", &["-H", &format!("X-Api-Key: {key}"), &self.url("/.doorward/api/v1/users")]),
        ];
        all.map(|(name, arguments)| (name, arguments.iter().map(|&argument| argument.to_owned()).collect())).into()
    }

    /// A sign-in with a password, up to the answer to its form.
    fn form(&self) -> Vec<String> {
        let jar = self.door.folder().join("jar").display().to_string();
        let page = curl(&["-c", &jar, &self.url("/.doorward/sign-in/local")]).text();
        let token = page
            .split("name=\"token\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("{page}"));
        let cookies = std::fs::read_to_string(&jar).unwrap();
        let fields = cookies.lines().filter(|line| line.contains("__Host-")).map(|line| line.split('\t').collect::<Vec<_>>());
        let cookie = fields.map(|fields| format!("{}={}", fields[5], fields[6])).collect::<Vec<_>>().join("; ");
        let body = format!("token={token}&user=ada&password=a-password-of-some-length&return_to=%2F");
        ["-H", &format!("Cookie: {cookie}"), "-d", &body, &self.url("/.doorward/sign-in/local")].map(str::to_owned).into()
    }
}

fn send(arguments: &[String]) -> Answer {
    curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn whoever_needs_a_database_that_is_gone_or_silent_is_told_so_within_the_bound() {
    let house = House::new();
    for (ends, begins) in [("/stop", "/start"), ("/freeze", "/thaw")] {
        let (mut requests, form) = (house.requests(), house.form());
        let warm = send(&["-H".to_owned(), "X-Api-Key: x".to_owned(), house.url("/")]);
        assert_eq!(warm.status, 401, "the door is well");
        requests.push(("a password", form));
        assert_eq!(house.database.tell(ends, &json!({})).status, 200);
        let mut told = Vec::new();
        for (name, arguments) in &requests {
            let begun = Stopwatch::start();
            let answer = send(arguments);
            told.push((*name, answer.status, begun.passed()));
        }
        let begun = Stopwatch::start();
        told.push(("readiness", operations(&house.door, "/readyz").status, begun.passed()));
        assert_eq!(house.database.tell(begins, &json!({})).status, 200);
        for (name, status, after) in &told {
            assert_eq!(*status, 503, "{ends} {name}: {told:?}");
            assert!(*after < SOON, "{ends} {name}: {told:?}");
        }
        eventually("it is ready again", || (operations(&house.door, "/readyz").status == 200).then_some(()));
        let (_, key) = house.made(&["key", "create", "--name", "k"]);
        assert_eq!(curl(&["-H", &format!("X-Api-Key: {key}"), &house.url("/")]).status, 200);
    }
}

#[test]
fn a_text_that_no_store_can_hold_is_wrong_and_not_a_reason_to_come_back_later() {
    let house = House::new();
    let (_, key) = house.made(&["key", "create", "--name", "k", "--role", "admin"]);
    let administrator = format!("X-Api-Key: {key}");
    // `a<U+0000>b:secret`
    assert_eq!(curl(&["-H", "Authorization: Basic YQBiOnNlY3JldA==", &house.url("/")]).status, 401);
    let form = house.form();
    let typed = |name: &str| {
        let mut form = form.clone();
        form[3] = form[3].replace("user=ada", &format!("user={name}"));
        send(&form).status
    };
    assert_eq!((typed("a%00b"), typed("nobody")), (401, 401));
    let api = |arguments: &[&str], path: &str| {
        let url = house.url(&format!("/.doorward/api/v1{path}"));
        curl(&[&["-H", administrator.as_str()], arguments, &[url.as_str()]].concat())
    };
    assert_eq!(api(&[], "/users?search=a%00b").json()["items"], Value::Array(Vec::new()));
    let json = ["-H", "Content-Type: application/json", "-d"];
    for body in [r#"{ "user_name": "a\u0000b" }"#, r#"{ "user_name": "ab", "groups": ["a\u0000b"] }"#] {
        let answer = api(&[&json[..], &[body]].concat(), "/users");
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    }
    assert_eq!(operations(&house.door, "/readyz").status, 200);
}
