//! The server in trouble: killed without warning while people sign in and keys are made; its store locked by another program, or
//! without room to grow.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::support::door::doorward;
use crate::support::{Answer, Process, curl};

const ROUNDS: u64 = 4;
/// Sessions, and keys, that are acknowledged before a round's kill.
const ENOUGH: usize = 2;

/// What a running demo said of itself.
struct Demo(Value);

/// A demo in a folder that outlives it.
fn start(folder: &Path) -> (Process, Demo) {
    let mut command = doorward(&["demo", "--json", "--listen", "127.0.0.1:0", "--folder"]);
    let process = Process::start(command.arg(folder));
    let ready = process.json_line();
    (process, Demo(ready))
}

impl Demo {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        let url = format!("{}{path}", self.text("url"));
        curl(&[&["--cacert", self.text("ca"), "--max-time", "10"], arguments, &[&url]].concat())
    }

    fn hello(&self, header: &str) -> u16 {
        self.curl("/hello", &["-H", header]).status
    }

    /// The session's cookie of a person who has just signed in; `None` when the server no longer answers.
    fn sign_in(&self) -> Option<String> {
        let answer = self.try_sign_in()?;
        assert!(matches!(answer.status, 0 | 303), "{}: {}", answer.status, answer.text());
        let session = answer.headers.iter().find(|(_, value)| value.starts_with("__Host-doorward="))?;
        Some(format!("Cookie: {}", session.1.split(';').next()?))
    }

    /// What the server says to the right password; `None` if it did not even give the form.
    fn try_sign_in(&self) -> Option<Answer> {
        let page = self.curl("/.doorward/sign-in/local", &[]);
        let token = between(&page.text(), "name=\"token\" value=\"", "\"")?;
        let form = page.headers.iter().find(|(name, _)| name == "set-cookie").map(|(_, value)| value.clone())?;
        let (form, _) = form.split_once(';')?;
        let typed = [("token", token.as_str()), ("user", self.text("user")), ("password", self.text("password"))];
        let fields: Vec<String> = typed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments =
            vec!["-H".to_owned(), format!("Cookie: {form}"), "-H".to_owned(), format!("Origin: {}", self.text("url"))];
        arguments.extend(fields.into_iter().flat_map(|field| ["--data-urlencode".to_owned(), field]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Some(self.curl("/.doorward/sign-in/local", &arguments))
    }

    /// The header that presents a new key; `None` if the command did not acknowledge it.
    fn new_key(&self) -> Option<String> {
        self.new_key_by(&mut doorward(&[]))
    }

    /// The same, by a way of running the binary.
    fn new_key_by(&self, command: &mut Command) -> Option<String> {
        let command = command.args(["key", "create", "--name", "x", "--role", "viewer", "--json", "--config"]);
        let output = command.arg(self.text("config")).output().unwrap();
        let key: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(format!("X-Api-Key: {}", key["secret"].as_str()?))
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    Some(text.split_once(before)?.1.split_once(after)?.0.to_owned())
}

#[test]
fn no_acknowledged_session_or_key_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    let (mut process, mut demo) = start(folder.path());
    for round in 0..ROUNDS {
        let (over, counts) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        let until_over = |count: &AtomicUsize, next: &dyn Fn() -> Option<String>| {
            let mut made = Vec::new();
            while !over.load(Ordering::Relaxed) {
                made.extend(next());
                count.store(made.len(), Ordering::Relaxed);
            }
            made
        };
        acknowledged.extend(std::thread::scope(|scope| {
            let sessions = scope.spawn(|| until_over(&counts[0], &|| demo.sign_in()));
            let keys = scope.spawn(|| until_over(&counts[1], &|| demo.new_key()));
            let begun = Instant::now();
            // A busy machine gets little done in a fixed time; whether it was enough is asked in the end.
            while counts.iter().any(|count| count.load(Ordering::Relaxed) < ENOUGH) && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // Not a wait for something: the kill has to come in the middle of the work, each time at another moment.
            std::thread::sleep(Duration::from_millis(300 + 131 * round));
            process.signal("KILL");
            over.store(true, Ordering::Relaxed);
            [sessions.join().unwrap(), keys.join().unwrap()].concat()
        }));
        assert_eq!(process.wait(), None, "killed by the signal");
        (process, demo) = start(folder.path());
        for header in &acknowledged {
            let kind = header.split(['=', ' ']).next().unwrap();
            assert_eq!(demo.hello(header), 200, "round {round}: a {kind} is lost");
        }
    }
    let sessions = acknowledged.iter().filter(|header| header.starts_with("Cookie")).count();
    let least = ENOUGH * usize::try_from(ROUNDS).unwrap();
    assert!(sessions >= least && acknowledged.len() >= sessions + least, "{sessions} sessions of {}", acknowledged.len());
}

#[test]
fn a_locked_store_is_503_to_who_signs_in_nothing_to_who_is_known_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, demo) = start(folder.path());
    let session = demo.sign_in().unwrap();
    let key = format!("X-Api-Key: {}", demo.text("api_key"));
    assert_eq!(demo.hello(&session), 200);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut other = runtime.block_on(SqliteConnectOptions::new().filename(folder.path().join("doorward.db")).connect()).unwrap();
    runtime.block_on(sqlx::query("BEGIN EXCLUSIVE").execute(&mut other)).unwrap();
    let refused = demo.try_sign_in().unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!((demo.hello(&session), demo.hello(&key)), (200, 200), "what only reads goes on, known or not");
    assert_eq!(demo.new_key(), None);

    runtime.block_on(sqlx::query("ROLLBACK").execute(&mut other)).unwrap();
    assert_eq!(demo.hello(&demo.sign_in().unwrap()), 200);
    assert_eq!(demo.hello(&demo.new_key().unwrap()), 200);
}

/// Lets no file of the process grow or be written; the disk of a test cannot be filled without being root. `None`: lets them again.
fn limit_files(process: &Process, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let done = Command::new("prlimit").args([&format!("--pid={}", process.id()), &format!("--fsize={limit}:unlimited")]).status();
    assert!(done.unwrap().success());
}

#[test]
fn a_store_without_room_is_503_to_who_signs_in_nothing_to_who_is_known_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, demo) = start(folder.path());
    let key = format!("X-Api-Key: {}", demo.text("api_key"));
    let mut acknowledged = vec![demo.sign_in().unwrap(), demo.new_key().unwrap()];

    limit_files(&process, Some(0));
    for _ in 0..3 {
        let refused = demo.try_sign_in().unwrap();
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());
        assert!(!refused.headers.iter().any(|(_, value)| value.starts_with("__Host-doorward=")), "no session is promised");
        // The key was never presented before the disk was full.
        assert!(acknowledged.iter().chain([&key]).all(|header| demo.hello(header) == 200), "what only reads goes on");
    }
    let limited = &mut Command::new("prlimit");
    assert_eq!(demo.new_key_by(limited.arg("--fsize=0").arg(env!("CARGO_BIN_EXE_doorward"))), None);

    limit_files(&process, None);
    acknowledged.push(demo.sign_in().unwrap());
    acknowledged.push(demo.new_key().unwrap());
    assert!(acknowledged.iter().all(|header| demo.hello(header) == 200));
    process.signal("KILL");
    process.wait();
    let (_process, demo) = start(folder.path());
    for header in &acknowledged {
        assert_eq!(demo.hello(header), 200, "lost: {}", header.split(['=', ' ']).next().unwrap());
    }
}
