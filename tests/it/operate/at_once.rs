//! Whoever is told that something was revoked can rely on it: the very next request at the same door is judged by it, whichever store
//! keeps people and sessions.
//!
//! `DOORWARD_TRIES=200 cargo test --test it operate::at_once` tries each way so often.

use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::model::Session;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::session::just_begun;
use crate::support::valkey::ValkeyServer;
use crate::support::{Answer, Door, Line, Part, part, part_at_port};

const FILE: &str = "sqlite:{folder}/doorward.db";

struct House {
    runtime: Runtime,
    memory: Memory,
    door: Door,
    /// An administrator's key, and a directory's token, each as a header line.
    administrator: String,
    directory: String,
    _upstream: Part,
}

impl House {
    /// With `store.url`, and further keys of `store`, each after a comma.
    fn with(store: &str, more: &str) -> Self {
        let upstream = part("echo", &[]);
        let configuration = format!(
            "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:0 }}]\n\
             upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: '{store}'{more} }}\n\
             secret_key: 0123456789abcdef0123456789abcdef\nadmin_api: {{ roles: [admin] }}\n\
             roles: {{ ranked: [admin, viewer], default: viewer }}\nlimits: {{ failures_per_minute: 1000 }}\n\
             connections:\n  - id: okta\n    oidc: {{ issuer: https://okta.invalid, client_id: doorward, client_secret: 0123456789abcdef }}\n\
             routes:\n  - {{ path: /admins/**, roles: [admin] }}\n",
            upstream.port()
        );
        let door = Door::serve(&configuration, |_| {});
        let secret = |arguments: &[&str]| door.command(arguments)["secret"].as_str().unwrap().to_owned();
        let administrator = format!("X-Api-Key: {}", secret(&["key", "create", "--name", "administration", "--role", "admin"]));
        let directory = format!("Authorization: Bearer {}", secret(&["scim-token", "create", "--connection", "okta"]));
        let runtime = Runtime::new().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let config = doorward::config::load(&door.config()).unwrap().config;
        let memory = runtime.block_on(Memory::open(&config, &clock)).unwrap();
        Self { runtime, memory, door, administrator, directory, _upstream: upstream }
    }

    fn line(&self) -> Line {
        Line::open(self.door.listener(0))
    }

    #[track_caller]
    fn provision(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [self.directory.as_str(), "Content-Type: application/scim+json"];
        self.line().ask(method, &format!("/.doorward/scim/v2{path}"), &headers, &body.to_string())
    }

    #[track_caller]
    fn administer(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = [self.administrator.as_str(), "Content-Type: application/json"];
        let answer = self.line().ask(method, &format!("/.doorward/api/v1{path}"), &headers, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        answer
    }

    /// A person whom the directory has made; their id.
    #[track_caller]
    fn person(&self) -> String {
        let made = self.provision("POST", "/Users", &json!({ "userName": Uuid::new_v4().to_string(), "active": true }));
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// A session of `person` that the door knows: its cookie as a header line, and its handle.
    #[track_caller]
    fn session(&self, person: &str) -> (String, String) {
        let (value, handle) = (format!("{:0<43}", Uuid::new_v4().simple()), Uuid::new_v4().to_string());
        let begun = just_begun(person.parse().unwrap(), &handle, &value);
        let session = Session { connection: "okta".parse().unwrap(), ..begun };
        self.runtime.block_on(self.memory.sessions.create(&session)).unwrap();
        let cookie = format!("Cookie: __Host-doorward={value}");
        assert_eq!(self.status("/", &cookie), 200);
        (cookie, handle)
    }

    #[track_caller]
    fn status(&self, path: &str, credential: &str) -> u16 {
        self.line().ask("GET", path, &[credential], "").status
    }

    /// Does `work` and asks at once, on a connection that was there before: what is the answer?
    #[track_caller]
    fn after(&self, work: impl FnOnce() -> Answer, path: &str, credential: &str) -> u16 {
        let line = self.line();
        let done = work();
        assert!(done.status < 400, "{} {}", done.status, done.text());
        line.ask("GET", path, &[credential], "").status
    }

    fn tries(&self, times: u32) {
        for turn in 0..times {
            let person = self.person();
            self.role(&person, turn);
            self.end_of_a_session(&person, turn);
            self.sign_out(&person, turn);
            self.key(turn);
            let (cookie, _) = self.session(&person);
            let change = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{ "op": "replace", "path": "active", "value": false }] });
            let deactivate = || self.provision("PATCH", &format!("/Users/{person}"), &change);
            assert_eq!(self.after(deactivate, "/", &cookie), 401, "deactivated by the directory, turn {turn}");
        }
    }

    fn role(&self, person: &str, turn: u32) {
        let (cookie, _) = self.session(person);
        assert_eq!(self.status("/admins/x", &cookie), 403);
        let path = format!("/roles/admin/users/{person}");
        let given = self.after(|| self.administer("PUT", &path, ""), "/admins/x", &cookie);
        assert_eq!(given, 200, "a role that was given, turn {turn}");
        let taken = self.after(|| self.administer("DELETE", &path, ""), "/admins/x", &cookie);
        assert_eq!(taken, 403, "a role that was taken away, turn {turn}");
    }

    fn end_of_a_session(&self, person: &str, turn: u32) {
        let (cookie, handle) = self.session(person);
        let end = || self.administer("DELETE", &format!("/users/{person}/sessions/{handle}"), "");
        assert_eq!(self.after(end, "/", &cookie), 401, "a session that was ended, turn {turn}");
    }

    fn sign_out(&self, person: &str, turn: u32) {
        let (cookie, _) = self.session(person);
        let page = self.line().ask("GET", "/.doorward/sign-out", &[&cookie], "");
        let form = page.headers.iter().find(|(name, _)| name == "set-cookie").map(|(_, value)| value.split(';').next().unwrap());
        let both = format!("{cookie}; {}", form.unwrap());
        let text = page.text();
        let token = text.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = format!("token={token}");
        let headers = [both.as_str(), "Content-Type: application/x-www-form-urlencoded"];
        let out = || self.line().ask("POST", "/.doorward/sign-out", &headers, &body);
        assert_eq!(self.after(out, "/", &cookie), 401, "signed out, turn {turn}");
    }

    fn key(&self, turn: u32) {
        let made = self.administer("POST", "/keys", r#"{ "name": "tried" }"#).json();
        let (id, line) = (made["id"].as_str().unwrap(), format!("X-Api-Key: {}", made["secret"].as_str().unwrap()));
        assert_eq!(self.status("/", &line), 200);
        let revoked = self.after(|| self.administer("DELETE", &format!("/keys/{id}"), ""), "/", &line);
        assert_eq!(revoked, 401, "a key that was revoked, turn {turn}");
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever looks closer says how often")]
fn tries() -> u32 {
    std::env::var("DOORWARD_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

#[test]
fn what_was_revoked_is_refused_by_the_very_next_request() {
    House::with(FILE, "").tries(tries());
}

#[test]
fn what_was_revoked_on_a_server_is_refused_by_the_very_next_request() {
    let server = part_at_port("postgres", &[]);
    House::with(server.ready["url"].as_str().unwrap(), "").tries(tries());
}

#[test]
fn what_was_revoked_where_sessions_live_elsewhere_is_refused_by_the_very_next_request() {
    let (server, sessions) = (part_at_port("postgres", &[]), ValkeyServer::start());
    let more = format!(", sessions: {{ url: {} }}", sessions.url());
    House::with(server.ready["url"].as_str().unwrap(), &more).tries(tries());
}
