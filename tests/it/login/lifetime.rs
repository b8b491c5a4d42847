//! Time and restarts, with a clock that stands still: the same wiring as the real binary, within this process.

use std::sync::Arc;
use std::time::Duration;

use doorward::app::memory::Memory;
use doorward::app::reload;
use doorward::app::run::{self, Running};
use doorward::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use doorward::telemetry::Telemetry;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::house::{Person, field};
use crate::support::process::Part;
use crate::support::{doorward, free_port, part};

struct Inner {
    runtime: Runtime,
    running: Option<Running>,
    clock: Arc<ManualClock>,
    folder: TempDir,
    origin: String,
    _upstream: Part,
    idp: Part,
}

/// Where sessions can be kept; what a person sees of it is the same.
const MODES: [&str; 2] = ["stored", "sealed"];

impl Inner {
    #[track_caller]
    fn start(sessions: &str) -> Self {
        let port = free_port();
        let origin = format!("http://127.0.0.1:{port}");
        let client = json!([{
            "client_id": "doorward", "client_secret": "a-secret-of-some-length", "redirect_uris": [format!("{origin}/.doorward/callback/idp")],
        }]);
        let people = json!([{ "sub": "ada", "password": "pw", "email": "ada@acme.example", "email_verified": true }]);
        let (upstream, idp) =
            (part("echo", &[]), part("oidc", &["--clients", &client.to_string(), "--users", &people.to_string()]));
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        let configuration = format!(
            "version: 1\npublic_url: {origin}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
             upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: sqlite:{}/doorward.db }}\nsecret_key: {{ file: secret }}\n\
             sessions: {sessions}\nconnections:\n  - {{ id: local, password: {{}} }}\n  - {{ id: idp, oidc: {{ issuer: {}, \
             client_id: doorward, client_secret: a-secret-of-some-length }} }}\n\
             routes: [{{ path: /fresh/**, max_age: 5m }}]\n",
            upstream.port(),
            folder.path().display(),
            idp.ready["issuer"].as_str().unwrap(),
        );
        std::fs::write(folder.path().join("doorward.yaml"), configuration).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // The provider lives in the present, so the clock begins there.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let mut inner = Self { runtime, running: None, clock, folder, origin, _upstream: upstream, idp };
        inner.open();
        inner
    }

    /// Reads the configuration and listens, as `serve` does.
    fn open(&mut self) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        let plan = reload::understand(&self.folder.path().join("doorward.yaml")).unwrap().0;
        let running = self.runtime.block_on(async {
            let memory = Memory::open(&plan.config, &clock).await.unwrap();
            let telemetry = Arc::new(Telemetry::start(std::io::sink()).unwrap());
            run::start(plan, memory, telemetry, clock, Vec::new()).await.unwrap()
        });
        self.running = Some(running);
    }

    /// Stops and starts again on the same folder: only what was written is remembered.
    fn restart(&mut self) {
        let running = self.running.take().unwrap();
        self.runtime.block_on(running.drain());
        self.open();
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Somebody with a local account, signed in.
    #[track_caller]
    fn signed_in(&self) -> Person {
        self.account().0
    }

    /// The same, with the password.
    #[track_caller]
    fn account(&self) -> (Person, String) {
        let config = self.folder.path().join("doorward.yaml");
        let output = doorward(&["user", "create", "--name", "dora", "--json", "--config"]).arg(config).output().unwrap();
        let made: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let person = Person::new(&self.origin);
        let password = made["password"].as_str().unwrap().to_owned();
        self.fill_in(&person, &self.url("/.doorward/sign-in"), &password);
        (person, password)
    }

    /// Signs in with the form at `url`; says where it leads.
    #[track_caller]
    fn fill_in(&self, person: &Person, url: &str, password: &str) -> String {
        let page = person.ask(url, &[]).text();
        let (token, back) = (field(&page, "token"), field(&page, "return_to"));
        let fields = [("token", token.as_str()), ("return_to", &back), ("user", "dora"), ("password", password)];
        let answer = person.post(&self.url("/.doorward/sign-in/local"), &fields, &[]);
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    #[track_caller]
    fn pass(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.drain());
        }
    }
}

#[test]
fn a_session_ends_when_it_was_idle_for_too_long_and_not_while_it_is_used() {
    for mode in MODES {
        let inner = Inner::start(&format!("{{ idle: 30m, absolute: 10h, mode: {mode} }}"));
        let person = inner.signed_in();
        for _ in 0..4 {
            inner.pass(20);
            assert_eq!(person.session().status, 200);
        }
        inner.pass(31);
        assert_eq!(person.session().status, 401);
        let back = person.ask(&inner.url("/kept"), &[]);
        assert_eq!(
            (back.status, back.header("location")),
            (303, Some(inner.url("/.doorward/sign-in?return_to=%2Fkept").as_str()))
        );
    }
}

#[test]
fn a_session_ends_at_its_absolute_end_however_busy_it_is() {
    for mode in MODES {
        let inner = Inner::start(&format!("{{ idle: 30m, absolute: 1h, mode: {mode} }}"));
        let person = inner.signed_in();
        for _ in 0..3 {
            inner.pass(19);
            assert_eq!(person.session().status, 200);
        }
        inner.pass(4);
        assert_eq!(person.session().status, 401);
    }
}

#[test]
fn where_a_recent_sign_in_is_needed_the_person_is_asked_again_and_goes_on() {
    let inner = Inner::start("{ idle: 30m, absolute: 1h }");
    let (person, password) = inner.account();
    let url = inner.url("/fresh/x?y=1");
    assert_eq!(person.ask(&url, &[]).status, 200);
    inner.pass(6);
    let asked = person.walk(&url);
    assert!(asked.url.starts_with(&inner.url("/.doorward/sign-in/local?step_up=fresh&return_to=")), "{:#?}", asked.hops);
    let back = inner.fill_in(&person, &asked.url, &password);
    assert_eq!(person.walk(&back).url, url);
    assert_eq!(person.ask(&url, &[]).status, 200);
}

#[test]
fn an_attempt_survives_a_restart_and_so_does_its_single_use() {
    let mut inner = Inner::start("{ idle: 30m, absolute: 1h }");
    let person = Person::new(&inner.origin);
    let callback = person.to_callback(&inner.url("/.doorward/sign-in/idp?return_to=%2Fkept"), "ada");
    inner.restart();
    let jar = std::fs::read(person.jar()).unwrap();
    let answer = person.ask(&callback, &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some(inner.url("/kept").as_str())), "{}", answer.text());
    inner.restart();
    assert_eq!(person.session().status, 200, "the session is in the store");
    std::fs::write(person.jar(), jar).unwrap();
    let again = person.ask(&callback, &[]);
    let location = again.header("location").unwrap();
    assert!(location.starts_with(inner.idp.ready["issuer"].as_str().unwrap()), "used before: it begins anew: {location}");
}

#[test]
fn an_attempt_that_took_too_long_begins_again_by_itself() {
    let inner = Inner::start("{ idle: 30m, absolute: 1h }");
    let person = Person::new(&inner.origin);
    let callback = person.to_callback(&inner.url("/.doorward/sign-in/idp?return_to=%2Fkept"), "ada");
    inner.pass(16);
    // The provider moves with the clock; it still knows the person.
    inner.idp.tell("/clock", &json!({ "skew_seconds": 16 * 60 }));
    let walk = person.walk(&callback);
    assert!(walk.hops.iter().any(|hop| hop.contains("/auth?")), "{:#?}", walk.hops);
    let walk = if walk.url.contains("/interaction/") { person.log_in(&walk, "ada") } else { walk };
    assert_eq!((walk.answer.status, walk.url), (200, inner.url("/kept")), "{:#?}", walk.hops);
}

#[test]
fn waiting_after_wrong_passwords_ends() {
    let inner = Inner::start("{ idle: 30m, absolute: 1h }");
    let person = Person::new(&inner.origin);
    let token = field(&person.ask(&inner.url("/.doorward/sign-in"), &[]).text(), "token");
    let try_it = || {
        let fields = [("token", token.as_str()), ("user", "nobody"), ("password", "wrong password")];
        person.post(&inner.url("/.doorward/sign-in/local"), &fields, &[]).status
    };
    let tries: Vec<u16> = std::iter::repeat_with(try_it).take(6).collect();
    assert_eq!(tries, [401, 401, 401, 401, 401, 429]);
    inner.pass(14);
    assert_eq!(try_it(), 429);
    inner.pass(2);
    assert_eq!(try_it(), 401);
}
