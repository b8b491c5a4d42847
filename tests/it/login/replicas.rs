//! Several doors on one store with one clock that stands still, and a provider whose clock follows: the same wiring as the real binary,
//! within this process.

use std::sync::Arc;
use std::time::Duration;

use doorward::app::memory::Memory;
use doorward::app::reload;
use doorward::app::run::{self, Running};
use doorward::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use doorward::telemetry::Telemetry;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::house::Person;
use crate::support::process::Part;
use crate::support::{Answer, free_port, part, part_at_port, store};

pub(super) struct Replicas {
    runtime: Runtime,
    doors: Vec<Option<Running>>,
    ports: Vec<u16>,
    clock: Arc<ManualClock>,
    passed: u64,
    pub(super) folder: TempDir,
    _upstream: Part,
    pub(super) idp: Part,
    /// PostgreSQL, where the doors' store is not a file.
    database: Option<Part>,
}

/// What keeps the doors' store.
#[derive(Clone, Copy, Default)]
pub(super) enum Engine {
    #[default]
    Sqlite,
    Postgres,
}

/// How the doors differ from the usual ones.
#[derive(Default)]
pub(super) struct Setting {
    /// Further lines of the connection's `oidc`.
    pub(super) oidc: &'static str,
    /// Further top-level lines.
    pub(super) settings: &'static str,
    /// Further arguments of the provider.
    pub(super) provider: &'static [&'static str],
    pub(super) on: Engine,
    /// Further keys of `store`, each after a comma.
    pub(super) store: String,
    /// Further keys of `sessions`, each after a comma.
    pub(super) sessions: &'static str,
}

impl Replicas {
    #[track_caller]
    pub(super) fn start(count: usize, setting: &Setting) -> Self {
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let origin = format!("http://127.0.0.1:{}", ports[0]);
        let client = json!([{
            "client_id": "doorward", "client_secret": "a-secret-of-some-length", "redirect_uris": [format!("{origin}/.doorward/callback/idp")],
        }]);
        let people = json!([person(&["Chess"])]);
        let (client, people) = (client.to_string(), people.to_string());
        let mut arguments = vec!["--clients", client.as_str(), "--users", people.as_str()];
        arguments.extend(setting.provider);
        let (upstream, idp) = (part("echo", &[]), part("oidc", &arguments));
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        let database = matches!(setting.on, Engine::Postgres).then(|| part_at_port("postgres", &[]));
        let store = match &database {
            Some(database) => database.ready["url"].as_str().unwrap().to_owned(),
            None => format!("sqlite:{}/doorward.db", folder.path().display()),
        };
        for (number, port) in ports.iter().enumerate() {
            let configuration = format!(
                "version: 1\npublic_url: {origin}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
                 upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: '{store}'{} }}\nsecret_key: {{ file: secret }}\n\
                 sessions: {{ idle: 20h, absolute: 48h, refresh: 10m{} }}\nroles: {{ ranked: [admin, viewer], default: viewer, \
                 groups: {{ Platform: admin }} }}\n{}\n\
                 connections:\n  - id: idp\n    oidc:\n      issuer: {}\n      client_id: doorward\n      \
                 client_secret: a-secret-of-some-length\n      scopes: [profile, email, groups]\n{}\n",
                upstream.port(),
                setting.store,
                setting.sessions,
                setting.settings,
                idp.ready["issuer"].as_str().unwrap(),
                setting.oidc,
            );
            std::fs::write(folder.path().join(format!("{number}.yaml")), configuration).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // The provider lives in the present, so the clock begins there.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let mut all = Self { runtime, doors: Vec::new(), ports, clock, passed: 0, folder, _upstream: upstream, idp, database };
        for number in 0..count {
            let door = all.open(number);
            all.doors.push(Some(door));
        }
        all
    }

    fn open(&self, number: usize) -> Running {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        let plan = reload::understand(&self.folder.path().join(format!("{number}.yaml"))).unwrap().0;
        self.runtime.block_on(async {
            let memory = Memory::open(&plan.config, &clock).await.unwrap();
            let telemetry = Arc::new(Telemetry::start(std::io::sink()).unwrap());
            run::start(plan, memory, telemetry, clock, Vec::new()).await.unwrap()
        })
    }

    /// Stops a door; what it does in the background is finished then.
    pub(super) fn stop(&mut self, number: usize) {
        if let Some(door) = self.doors[number].take() {
            self.runtime.block_on(door.drain());
        }
    }

    /// The version of the only session's tokens, as the store has it.
    #[track_caller]
    pub(super) fn version_of_tokens(&self) -> i64 {
        self.rows("SELECT max(tokens_version) FROM sessions")
    }

    /// The number that `query` finds in the store.
    #[track_caller]
    pub(super) fn rows(&self, query: &'static str) -> i64 {
        let Some(database) = &self.database else { return store::look(self.folder.path(), query) };
        self.runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(database.ready["url"].as_str().unwrap()).await.unwrap();
            sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
        })
    }

    /// Changes the store at the server as another program would, and announces it for each person.
    #[track_caller]
    pub(super) fn tell_of(&self, statement: &str) {
        let whole = format!(
            "BEGIN; {statement}; UPDATE change_counter SET newest = newest + (SELECT count(*) FROM users); \
             INSERT INTO changes SELECT newest + 1 - row_number() OVER (), 'user', id, 0 FROM users, change_counter; COMMIT"
        );
        self.runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(self.database().ready["url"].as_str().unwrap()).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(whole)).execute(&mut connection).await.unwrap();
        });
    }

    /// An address of the door with this number. Cookies do not tell ports apart, so a browser is at home at each.
    pub(super) fn at(&self, number: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[number])
    }

    #[track_caller]
    pub(super) fn signed_in(&self) -> Person {
        let person = Person::new(&self.at(0, ""));
        let walk = person.sign_in(&self.at(0, "/"), "ada");
        assert_eq!(walk.answer.status, 200, "{} {}", walk.url, walk.answer.text());
        person
    }

    /// `/.doorward/session` at the door with this number.
    #[track_caller]
    pub(super) fn session(&self, number: usize, person: &Person) -> Answer {
        person.ask(&self.at(number, "/.doorward/session"), &["-H", "Accept: application/json"])
    }

    /// PostgreSQL, where that keeps the store.
    pub(super) fn database(&self) -> &Part {
        self.database.as_ref().unwrap()
    }

    /// Lets minutes pass, here and at the provider.
    pub(super) fn pass(&mut self, minutes: u64) {
        self.pass_seconds(minutes * 60);
    }

    pub(super) fn pass_seconds(&mut self, seconds: u64) {
        self.passed += seconds;
        self.clock.advance(Duration::from_secs(seconds));
        self.idp.tell("/clock", &json!({ "skew_seconds": self.passed }));
    }

    /// How often the provider's token endpoint was asked.
    pub(super) fn asked_for_tokens(&self) -> usize {
        let requests = self.idp.control("GET", "/requests");
        requests.as_array().unwrap().iter().filter(|request| request["url"] == "/token").count()
    }
}

/// Ada, with these groups.
pub(super) fn person(groups: &[&str]) -> Value {
    json!({ "sub": "ada", "password": "pw", "email": "ada@acme.example", "email_verified": true, "name": "Ada", "groups": groups })
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for number in 0..self.doors.len() {
            self.stop(number);
        }
    }
}
