//! Break-glass: the provider is gone, the store is locked, and a named administrator gets in, loudly.

use std::os::unix::fs::FileExt as _;
use std::process::Command;

use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::house::{House, Person, Plan, field, received};
use super::mfa::App;
use crate::support::stream::client;
use crate::support::{Answer, Stopwatch, Stream, doorward, eventually, part, python_part};

const SETTINGS: &str = "  - { path: /vault/**, mfa: true }\nsign_in: { require_sso: true, break_glass_file: break-glass }\n";

fn house() -> House {
    House::with(Plan { settings: SETTINGS, ..Plan::default() })
}

/// Makes an account and waits until the door knows it.
#[track_caller]
fn account(house: &House, arguments: &[&str]) -> (Value, App) {
    let reloads = || house.door.process.said().matches("the configuration was reloaded").count();
    let before = reloads();
    let mut all = vec!["user", "break-glass", "ops@acme.example"];
    all.extend(arguments);
    let made = house.door.command(&all);
    eventually("the door has read the file", || (reloads() > before).then_some(()));
    let app = App::new(made["totp_secret"].as_str().unwrap());
    (made, app)
}

#[track_caller]
fn enter(house: &House, person: &Person, address: &str, password: &str, code: &str) -> Answer {
    let page = person.ask(&house.url("/.doorward/break-glass"), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let fields = [("token", &*field(&page.text(), "token")), ("user", address), ("password", password), ("code", code)];
    person.post(&house.url("/.doorward/break-glass"), &fields, &[])
}

/// Somebody else who holds the store's write lock until it is dropped.
struct Lock {
    runtime: tokio::runtime::Runtime,
    connection: Option<SqliteConnection>,
}

impl Lock {
    fn hold(house: &House) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = SqliteConnectOptions::new().filename(house.door.folder().join("doorward.db"));
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
            connection
        });
        Self { runtime, connection: Some(connection) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

fn successes(house: &House) -> Vec<Value> {
    house.events("break_glass_used").into_iter().filter(|event| event["outcome"] == "success").collect()
}

#[test]
fn m10_an_administrator_gets_in_without_provider_or_store_and_the_alarm_is_not_lost() {
    let house = house();
    let (made, mut app) = account(&house, &[]);
    let password = made["password"].as_str().unwrap();
    let (person, _) = house.signed_in("bob", "/");
    house.idp.process.signal("KILL");
    let lock = Lock::hold(&house);
    let usual = house.person().walk(&house.url("/data")).answer.status;
    assert!([0, 503].contains(&usual), "the usual way leads to no answer: {usual}");

    let code = app.code();
    let done = enter(&house, &person, " OPS@acme.example", password, &code);
    assert_eq!((done.status, done.header("location")), (303, Some(house.url("/").as_str())), "{}", done.text());
    let cookie =
        done.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("__Host-doorward=s.")).unwrap();
    assert!(cookie.1.contains("Max-Age=3600"), "an hour at most: {}", cookie.1);
    let echo = person.ask(&house.url("/admin/x"), &[]);
    assert_eq!(echo.status, 200, "{}", echo.text());
    let echo = echo.json();
    let headers = ["x-doorward-role", "x-doorward-email"].map(|name| received(&echo, name).map(str::to_owned));
    assert_eq!(headers, [Some("admin".to_owned()), Some("ops@acme.example".to_owned())]);
    assert_eq!(person.ask(&house.url("/vault/x"), &[]).status, 200, "with a second factor");
    assert_eq!(person.session().json()["connection"], "break-glass");

    assert_eq!(enter(&house, &house.person(), "ops@acme.example", password, &code).status, 401, "the same code again");
    let said = house.door.process.said();
    assert!(
        said.lines().any(|line| line.contains("ERROR") && line.contains("break_glass_used") && line.contains("success")),
        "{said}"
    );
    assert!(!said.contains(password) && !said.contains(&code), "no secret in the log");
    let spool = house.door.folder().join("break-glass.spool");
    assert!(std::fs::metadata(&spool).unwrap().len() > 0, "it waits on the disk");

    let out = person.ask(&house.url("/.doorward/sign-out"), &[]).text();
    let left = person.post(&house.url("/.doorward/sign-out"), &[("token", &field(&out, "token"))], &[]);
    assert_eq!((left.status, person.cookie("__Host-doorward")), (303, None), "signing out works, too");

    drop(lock);
    let events = eventually("the trail has the alarm", || Some(successes(&house)).filter(|events| !events.is_empty()));
    assert_eq!((events.len(), &events[0]["target"]), (1, &json!("ops@acme.example")));
    assert_eq!((&events[0]["details"]["severity"], &events[0]["details"]["waited_on_disk"]), (&json!("critical"), &json!(true)));
    eventually("nothing waits any more", || (std::fs::metadata(&spool).unwrap().len() == 0).then_some(()));
    assert_eq!(house.events("break_glass_changed").len(), 1, "the account's making is an alarm, too");
}

#[test]
fn a_store_whose_file_is_gone_is_no_obstacle_either() {
    let house = house();
    let (made, mut app) = account(&house, &[]);
    let (folder, aside) = (house.door.folder(), house.door.folder().join("aside"));
    std::fs::create_dir(&aside).unwrap();
    let files = ["doorward.db", "doorward.db-wal", "doorward.db-shm"];
    for file in files {
        std::fs::rename(folder.join(file), aside.join(file)).unwrap();
    }
    house.idp.process.signal("KILL");
    let person = house.person();
    let done = enter(&house, &person, "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(person.ask(&house.url("/admin/x"), &[]).status, 200);
    assert!(house.door.process.said().contains("break_glass_used"));
    for file in files {
        std::fs::rename(aside.join(file), folder.join(file)).unwrap();
    }
    eventually("the trail has the alarm", || (successes(&house).len() == 1).then_some(()));
    let sessions = house.door.command(&["session", "list"]);
    assert!(sessions.as_array().unwrap().iter().any(|session| session["connection"] == "break-glass"), "{sessions}");
}

#[test]
fn wrong_tries_are_alarms_and_lock_and_nobody_learns_which_accounts_there_are() {
    let mut house = house();
    let (made, mut app) = account(&house, &[]);
    let password = made["password"].as_str().unwrap();
    let person = house.person();
    let plain = |answer: &Answer, name: &str| {
        let token = field(&answer.text(), "token");
        (answer.status, answer.text().replace(&token, "TOKEN").replace(name, "NAME"))
    };
    let tries = [("ops@acme.example", "wrong password", app.code()), ("ops@acme.example", password, "000000".to_owned())];
    let answers: Vec<_> = tries.iter().map(|(name, word, code)| plain(&enter(&house, &person, name, word, code), name)).collect();
    let unknown = plain(&enter(&house, &person, "nobody@acme.example", "wrong password", "000000"), "nobody@acme.example");
    assert_eq!((answers[0].0, &answers[0], &answers[1]), (401, &unknown, &unknown));
    let events = eventually("both are recorded", || Some(house.events("break_glass_used")).filter(|events| events.len() == 2));
    let mut reasons: Vec<&str> = events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["wrong_code", "wrong_password"]);
    for _ in 0..3 {
        assert_eq!(enter(&house, &person, "ops@acme.example", "wrong password", "000000").status, 401);
    }
    assert_eq!(enter(&house, &person, "Ops@acme.example", password, &app.code()).status, 429, "five wrong ones in a row");
    let alarm = eventually("the try at the locked account is an alarm, too", || {
        house.events("break_glass_used").into_iter().find(|event| event["reason"] == "locked")
    });
    assert_eq!((&alarm["details"]["locked"], &alarm["details"]["severity"]), (&json!(true), &json!("critical")));
    assert_eq!(house.person().session().status, 401);
    house.door.restart();
    assert_eq!(enter(&house, &person, "ops@acme.example", password, &app.code()).status, 429, "a restart forgets nothing");
    let elsewhere = house.person().from("127.0.0.2");
    assert_eq!(enter(&house, &elsewhere, "ops@acme.example", password, &app.code()).status, 303, "nobody locks it for all");
    assert_eq!(enter(&house, &person, "ops@acme.example", password, &app.code()).status, 429, "nor opens it for others");
}

#[test]
fn guesses_from_everywhere_lock_a_break_glass_account_where_it_may_be_used_from_everywhere() {
    let settings = "sign_in: { break_glass_file: break-glass }\nlimits: { failures_per_minute: 1000 }\n";
    let connections = "  - id: local\n    password: { lock_after: 1 }";
    let house = House::with(Plan { connections, settings, ..Plan::default() });
    let guess = |addresses: std::ops::Range<u8>| {
        let from = |last: u8| house.person().from(&format!("127.0.1.{last}"));
        addresses
            .map(|last| enter(&house, &from(last), "ops@acme.example", "wrong password", "000000").status)
            .collect::<Vec<_>>()
    };
    let (made, mut app) = account(&house, &["--network", "127.0.0.0/24"]);
    assert_eq!(guess(1..31), [401; 30], "from where it may not be used");
    let answer = enter(&house, &house.person(), "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(answer.status, 303, "{}", answer.text());
    let (made, mut app) = account(&house, &[]);
    assert_eq!(guess(101..121), [401; 20]);
    let locked = enter(&house, &house.person(), "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(locked.status, 429);
}

#[test]
fn an_account_counts_where_it_may_be_used_and_until_it_is_removed() {
    let house = house();
    let (made, mut app) = account(&house, &["--network", "192.0.2.0/24"]);
    let refused = enter(&house, &house.person(), "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(refused.status, 401, "from another network");
    let (made, mut app) = account(&house, &["--network", "127.0.0.0/8", "--role", "viewer"]);
    let person = house.person();
    let done = enter(&house, &person, "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(person.ask(&house.url("/admin/x"), &[]).status, 403, "the role it was given");
    let listed = house.door.command(&["user", "break-glass", "--list"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["roles"]), (1, &json!(["viewer"])), "one account of an address");
    assert!(!listed.to_string().contains("argon2") && listed[0].get("totp_secret").is_none(), "{listed}");
    let reloads = || house.door.process.said().matches("the configuration was reloaded").count();
    let before = reloads();
    house.door.command(&["user", "break-glass", "ops@acme.example", "--remove"]);
    eventually("the door has read the file", || (reloads() > before).then_some(()));
    let gone = enter(&house, &house.person(), "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(gone.status, 401);
    assert_eq!((person.session().status, person.ask(&house.url("/data"), &[]).status), (401, 303), "its session is over too");
}

#[test]
fn a_break_glass_administrator_administers_whatever_their_role_and_is_nobodys_to_administer() {
    let settings = "sign_in: { break_glass_file: break-glass }\nadmin_api: { roles: [editor] }\n";
    let house = House::with(Plan { settings, ..Plan::default() });
    let (made, mut app) = account(&house, &["--role", "viewer"]);
    let person = house.person();
    let done = enter(&house, &person, "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(done.status, 303, "{}", done.text());
    let ask = |method: &str, path: &str, body: &str| {
        let url = house.url(&format!("/.doorward/api/v1{path}"));
        person.ask(&url, &["-X", method, "-H", "Accept: application/json", "-H", "Content-Type: application/json", "-d", body])
    };
    let created = ask("POST", "/users", "{\"user_name\":\"carol\"}");
    assert_eq!(created.status, 201, "{}", created.text());
    let event = house.events("user_created").remove(0);
    assert_eq!((&event["credential"], &event["outcome"]), (&json!("session"), &json!("success")), "{event}");
    // The account is the file's: the directory knows nobody of that id, and no call ends or changes it.
    let subject = event["actor"].as_str().unwrap();
    assert!(!ask("GET", "/users", "").text().contains("ops@acme.example"));
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/deactivate"), ("POST", "/erase"), ("DELETE", "/sessions")] {
        let refused = ask(method, &format!("/users/{subject}{path}"), "");
        assert_eq!((refused.status, refused.json()["code"].as_str()), (404, Some("not_found")), "{method} {path}");
    }
    let given = ask("PUT", &format!("/roles/admin/users/{subject}"), "");
    assert_eq!(given.status, 404, "nor gives it a role: {}", given.text());
    assert_eq!(person.session().status, 200);
}

/// An event stream and a WebSocket of this person, both flowing.
#[track_caller]
fn streams(house: &House, person: &Person) -> [Stream; 2] {
    let session = format!("Cookie: __Host-doorward={}", person.cookie("__Host-doorward").unwrap());
    let mut events = Command::new("curl");
    events.args(["--silent", "-N", "--insecure", "--resolve", &format!("door.test:{}:127.0.0.1", house.port), "-H", &session]);
    events.arg(house.url("/sse?every=50&count=0"));
    let mut socket = client("ws-client.mjs");
    socket.arg(format!("wss://127.0.0.1:{}/live?push=50", house.port)).args(["--header", &session]);
    socket.args(["--header", &format!("Host: door.test:{}", house.port)]).env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    [("events", events), ("websocket", socket)].map(|(name, mut command)| Stream::start(name, &mut command))
}

#[test]
fn removing_a_break_glass_account_cuts_its_live_streams_and_nobody_elses() {
    let applications = part("ws-server", &[]);
    let settings = format!("  - {{ path: /live, upstream: {{ url: http://127.0.0.1:{} }} }}\n{SETTINGS}", applications.port());
    let house = House::with(Plan { settings: settings.leak(), ..Plan::default() });
    let (made, mut app) = account(&house, &[]);
    let administrator = house.person();
    let done = enter(&house, &administrator, "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(done.status, 303, "{}", done.text());
    let (bob, _) = house.signed_in("bob", "/");
    let (theirs, bobs) = (streams(&house, &administrator), streams(&house, &bob));
    let reloads = || house.door.process.said().matches("the configuration was reloaded").count();
    let before = reloads();
    // The store need not answer for it.
    let lock = Lock::hold(&house);
    let removal =
        doorward(&["user", "break-glass", "ops@acme.example", "--remove", "--config"]).arg(house.door.config()).output();
    assert!(removal.unwrap().status.success());
    eventually("the door has read the file", || (reloads() > before).then_some(()));
    let since = Stopwatch::start();
    for stream in &theirs {
        stream.ends(since);
    }
    drop(lock);
    for stream in &bobs {
        stream.goes_on();
    }
}

#[test]
fn provider_mail_and_store_may_all_be_down_at_once() {
    let mail = python_part("smtp", &["--tls", "none"]);
    let connections = format!(
        "  - id: email\n    magic_link: {{ from: door@acme.example, smtp: 'smtp://127.0.0.1:{}' }}\n    provision: jit",
        mail.port()
    );
    let settings = "  - { path: /vault/**, mfa: true }\nsign_in: { break_glass_file: break-glass }\n";
    let house = House::with(Plan { connections: connections.leak(), settings, ..Plan::default() });
    let (made, mut app) = account(&house, &[]);
    mail.process.signal("KILL");
    house.idp.process.signal("KILL");
    let person = house.person();
    let page = person.ask(&house.url("/.doorward/sign-in/email"), &[]).text();
    let fields = [("token", &*field(&page, "token")), ("return_to", "/"), ("email", "ops@acme.example")];
    assert_eq!(person.post(&house.url("/.doorward/magic-link/email"), &fields, &[]).status, 303);
    let letter = eventually("a letter is tried", || house.events("sign_in_link_sent").into_iter().next());
    assert_eq!(letter["reason"], "mail_server_unreachable", "nobody comes in by mail: {letter}");
    let _lock = Lock::hold(&house);
    let done = enter(&house, &person, "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!((done.status, done.header("location")), (303, Some(house.url("/").as_str())), "{}", done.text());
    assert_eq!(person.ask(&house.url("/vault/x"), &[]).status, 200);
}

#[test]
fn an_account_that_is_made_anew_ends_the_sessions_of_the_old_one() {
    let house = house();
    let (made, mut app) = account(&house, &[]);
    let old = house.person();
    assert_eq!(enter(&house, &old, "ops@acme.example", made["password"].as_str().unwrap(), &app.code()).status, 303);
    assert_eq!(old.session().status, 200);
    let (made, mut app) = account(&house, &[]);
    assert_eq!(old.session().status, 401, "whoever had the old password and app is out");
    let new = house.person();
    assert_eq!(enter(&house, &new, "ops@acme.example", made["password"].as_str().unwrap(), &app.code()).status, 303);
    assert_eq!(new.session().status, 200);
}

#[test]
fn a_browser_with_a_session_is_shown_the_way_in_while_the_store_is_down() {
    const LINK: &str = "href=\"/.doorward/break-glass\"";
    let cookie = format!("Cookie: __Host-doorward={}", "a".repeat(43));
    for (house, linked) in [(house(), true), (House::usual(), false)] {
        house.faults(&json!({ "/.well-known/openid-configuration": 503 }));
        let page = house.person().walk(&house.url("/data")).answer;
        assert_eq!((page.status, page.text().contains(LINK)), (503, linked), "the provider is gone: {}", page.text());
        // A database that is no database: every question to it fails.
        for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
            let file = house.door.folder().join(name);
            // In place: a file that is cut short under a door that has it mapped ends the door.
            if let Ok(file) = std::fs::OpenOptions::new().write(true).open(file) {
                file.write_all_at(&vec![0xff; 65536], 0).unwrap();
            }
        }
        for path in ["/.doorward/sign-in", "/data"] {
            let page = house.person().ask(&house.url(path), &["-H", &cookie]);
            assert_eq!((page.status, page.text().contains(LINK)), (503, linked), "{path}: {}", page.text());
        }
        let way_in = house.person().ask(&house.url("/.doorward/break-glass"), &["-H", &cookie]);
        assert_eq!(way_in.status, 200, "the same browser gets there");
    }
}

#[test]
fn a_file_that_doorward_did_not_seal_adds_nobody() {
    let house = house();
    let (made, mut app) = account(&house, &[]);
    let file = house.door.folder().join("break-glass");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.replacen('A', "B", 3)).unwrap();
    eventually("the file is refused", || house.door.process.said().contains("was not sealed with this").then_some(()));
    let done = enter(&house, &house.person(), "ops@acme.example", made["password"].as_str().unwrap(), &app.code());
    assert_eq!(done.status, 303, "the accounts of before stay in force: {}", done.text());
    let check = doorward(&["check", "--config"]).arg(house.door.config()).output().unwrap();
    let report = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(!check.status.success() && report.contains("was not sealed with this"), "{report}");
}
