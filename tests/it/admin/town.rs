//! A door with two tenants, and an administrator's key in each.

use serde_json::Value;

use crate::support::{Answer, Door, curl};

const CONFIGURATION: &str = "\
version: 1
public_url: http://localhost:1
listeners: [{ address: 127.0.0.1:0 }]
upstream: { url: http://127.0.0.1:9 }
store: { url: 'sqlite:{folder}/doorward.db' }
secret_key: 0123456789abcdef0123456789abcdef
tenants: [{ id: acme }, { id: globex }]
roles: { ranked: [admin, editor, viewer], groups: { Engineering: editor } }
limits: { failures_per_minute: 1000 }
";

/// The door, and what its administrators send.
pub(super) struct Town {
    pub(super) door: Door,
    /// An API key with the role `admin` in acme.
    pub(super) acme: String,
    /// The same in globex.
    pub(super) globex: String,
}

impl Town {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::with("admin_api: { roles: [admin] }\n")
    }

    /// With further settings.
    #[track_caller]
    pub(super) fn with(settings: &str) -> Self {
        let door = Door::serve(&format!("{CONFIGURATION}{settings}"), |_| {});
        let key = |tenant: &str| {
            let made = door.command(&["key", "create", "--name", "administration", "--role", "admin", "--tenant", tenant]);
            made["secret"].as_str().unwrap().to_owned()
        };
        Self { acme: key("acme"), globex: key("globex"), door }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/.doorward/api/v1{path}", self.door.listener(0))
    }

    /// One request with a key.
    #[track_caller]
    pub(super) fn ask(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_with(key, method, path, body, &[])
    }

    /// The same with further fields.
    #[track_caller]
    pub(super) fn ask_with(&self, key: &str, method: &str, path: &str, body: Option<&Value>, fields: &[&str]) -> Answer {
        let (key, url) = (format!("X-Api-Key: {key}"), self.url(path));
        let body = body.map(ToString::to_string);
        let mut arguments = vec!["-X", method, "-H", &key];
        for field in fields {
            arguments.extend(["-H", field]);
        }
        if let Some(body) = &body {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    /// What acme's administrator gets with this status.
    #[track_caller]
    pub(super) fn done(&self, status: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(&self.acme, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A refusal: its status and code, and that it is a problem as RFC 9457 has them.
    #[track_caller]
    pub(super) fn refused(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let answer = self.ask(key, method, path, body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        (answer.status, problem["code"].as_str().unwrap().to_owned())
    }

    /// acme's events of what was changed, oldest first.
    #[track_caller]
    pub(super) fn events(&self) -> Vec<Value> {
        let mut events = self.done(200, "GET", "/audit?limit=200", None)["items"].as_array().unwrap().clone();
        events.retain(|event| event["kind"] != "access_denied" && event["kind"] != "credential_refused");
        events.reverse();
        events
    }

    /// Does a change, and shows that it is in the trail exactly once, with who did it and from where.
    #[track_caller]
    pub(super) fn change(&self, status: u16, method: &str, path: &str, body: Option<&Value>, kind: &str) -> Value {
        let before = self.events().len();
        let answer = self.done(status, method, path, body);
        let events = self.events();
        assert_eq!(events.len(), before + 1, "{method} {path}: {:#?}", &events[before..]);
        let event = &events[before];
        assert_eq!((&event["kind"], &event["outcome"], &event["tenant"]), (&kind.into(), &"success".into(), &"acme".into()));
        assert_eq!((&event["credential"], &event["source"]), (&"api_key".into(), &"127.0.0.1".into()), "{event}");
        let id = self.acme.split('_').nth(1).unwrap();
        assert_eq!(event["actor"], id, "{event}");
        assert_eq!(event["request_id"].as_str().map(str::len), Some(32), "{event}");
        answer
    }

    /// Does what changes nothing, and shows that the trail does not speak of it.
    #[track_caller]
    pub(super) fn nothing(&self, status: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
        let before = self.events().len();
        let answer = self.done(status, method, path, body);
        assert_eq!(self.events().len(), before, "{method} {path}");
        answer
    }

    /// A person of acme.
    #[track_caller]
    pub(super) fn person(&self, user_name: &str) -> String {
        let made = self.done(201, "POST", "/users", Some(&serde_json::json!({ "user_name": user_name })));
        made["id"].as_str().unwrap().to_owned()
    }
}
