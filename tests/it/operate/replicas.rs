//! Three replicas on one PostgreSQL behind HAProxy: a deactivation by SCIM under load, and what fails meanwhile.
//!
//! `DOORWARD_TRIES=200 cargo test --test it operate::replicas -- --nocapture` says how long it takes until nobody lets the person in any more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::model::{Session, TenantId};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::session::just_begun;
use crate::support::{Door, PATIENCE, Part, Stopwatch, curl, eventually, free_port, part, part_at_port};

/// What the product promises.
const WITHIN: Duration = Duration::from_secs(1);
const DOORS: usize = 3;

struct House {
    runtime: Runtime,
    memory: Memory,
    doors: Vec<Door>,
    ports: Vec<u16>,
    balancer: Part,
    database: Part,
    /// Of the directory's client.
    token: String,
    _upstream: Part,
}

/// Somebody whom a directory provisions, with a session, by its cookie.
struct Guest {
    id: String,
    cookie: String,
}

impl House {
    fn new() -> Self {
        let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
        let ports: Vec<u16> = (0..DOORS).map(|_| free_port()).collect();
        let url = database.ready["url"].as_str().unwrap();
        let doors: Vec<Door> = ports
            .iter()
            .map(|port| {
                let configuration = format!(
                    "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
                     operations: {{ address: 127.0.0.1:0 }}\nupstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: '{url}' }}\n\
                     secret_key: 0123456789abcdef0123456789abcdef\nconnections: [{{ id: local, password: {{}} }}]\n",
                    upstream.port()
                );
                Door::serve(&configuration, |_| {})
            })
            .collect();
        let servers = json!(ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>()).to_string();
        let balancer = part_at_port("haproxy", &["--servers", &servers]);
        let runtime = Runtime::new().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let config = doorward::config::load(&doors[0].config()).unwrap().config;
        let memory = runtime.block_on(Memory::open(&config, &clock)).unwrap();
        let made = doors[0].command(&["scim-token", "create", "--connection", "local"]);
        let token = made["secret"].as_str().unwrap().to_owned();
        Self { runtime, memory, doors, ports, balancer, database, token, _upstream: upstream }
    }

    /// As a directory's client asks, at whichever replica the balancer chooses; again, as clients do, while none can do it.
    #[track_caller]
    fn provision(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/.doorward/scim/v2{path}", self.balancer.port());
        let (line, body) = (format!("Authorization: Bearer {}", self.token), body.to_string());
        let ask = || curl(&["-X", method, "-H", &line, "-H", "Host: localhost:1", "--data-binary", &body, &url]);
        eventually("a replica does it", || Some(ask()).filter(|answer| (200..300).contains(&answer.status))).json()
    }

    fn guest(&self) -> Guest {
        let (name, value) = (Uuid::new_v4().to_string(), format!("{:0<43}", Uuid::new_v4().simple()));
        let id = self.provision("POST", "/Users", &json!({ "userName": name }))["id"].as_str().unwrap().to_owned();
        let session = just_begun(id.parse().unwrap(), &name, &value);
        self.runtime.block_on(self.memory.sessions.create(&session)).unwrap();
        Guest { id, cookie: format!("__Host-doorward={value}") }
    }

    fn deactivate(&self, guest: &Guest) {
        let operation = json!({ "op": "replace", "path": "active", "value": false });
        let told = self.provision("PATCH", &format!("/Users/{}", guest.id), &json!({ "Operations": [operation] }));
        assert_eq!(told["active"], false, "{told}");
    }

    fn everywhere(&self) -> impl Iterator<Item = u16> {
        self.ports.clone().into_iter()
    }
}

/// The status of one request, on a connection of its own; 0 where none came.
fn ask(port: u16, path: &str, cookie: &str) -> u16 {
    let asked = || -> std::io::Result<Vec<u8>> {
        let mut stream = begin(port, path, cookie)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().unwrap_or_default();
    let status = answer.split(|byte| *byte == b' ').nth(1).and_then(|text| std::str::from_utf8(text).ok());
    status.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn begin(port: u16, path: &str, cookie: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:1\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// Asks without a pause until it is told to stop.
struct Press {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU32>,
    thread: thread::JoinHandle<Told>,
}

/// What somebody who asks again and again was told.
#[derive(Default)]
struct Told {
    /// When the last answer came that let them in.
    accepted: Option<Stopwatch>,
    /// The statuses of all other answers.
    other: Vec<u16>,
}

impl Press {
    fn start(port: u16, cookie: String) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&served));
        let thread = thread::spawn(move || {
            let mut told = Told::default();
            while !stopped.load(Ordering::SeqCst) {
                match ask(port, "/", &cookie) {
                    200 => {
                        told.accepted = Some(Stopwatch::start());
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    other => told.other.push(other),
                }
            }
            told
        });
        Self { stop, served, thread }
    }

    fn is_under_way(&self) -> bool {
        self.served.load(Ordering::SeqCst) > 10
    }

    /// Waits until they were served once more.
    fn is_served(&self) {
        let before = self.served.load(Ordering::SeqCst);
        eventually("the bystander is served", || (self.served.load(Ordering::SeqCst) > before + 3).then_some(()));
    }

    fn end(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Reads an event stream to its end; when that was.
fn watch(port: u16, cookie: &str) -> thread::JoinHandle<Stopwatch> {
    let mut stream = begin(port, "/sse?every=20&count=0", cookie).unwrap();
    let mut head = [0; 512];
    let length = stream.read(&mut head).unwrap();
    assert!(String::from_utf8_lossy(&head[..length]).starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..length]));
    thread::spawn(move || {
        let mut some = [0; 4096];
        while matches!(stream.read(&mut some), Ok(1..)) {}
        Stopwatch::start()
    })
}

#[expect(clippy::disallowed_methods, reason = "whoever measures says how often")]
fn tries() -> u32 {
    std::env::var("DOORWARD_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// The 99th of a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[test]
fn a_deactivation_under_load_is_known_to_every_replica_within_a_second() {
    let house = House::new();
    let port = house.balancer.port();
    let (mut requests, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..tries() {
        let guest = house.guest();
        let live: Vec<_> = (0..DOORS).map(|_| watch(port, &guest.cookie)).collect();
        let pressing: Vec<_> = (0..4).map(|_| Press::start(port, guest.cookie.clone())).collect();
        eventually("under load", || pressing.iter().all(Press::is_under_way).then_some(()));
        eventually("known to every replica", || {
            house.everywhere().all(|door| ask(door, "/", &guest.cookie) == 200).then_some(())
        });
        let begun = Stopwatch::start();
        house.deactivate(&guest);
        let ends: Vec<Duration> = live.into_iter().map(|stream| begun.until(&stream.join().unwrap())).collect();
        eventually("nobody lets them in", || house.everywhere().all(|door| ask(door, "/", &guest.cookie) == 401).then_some(()));
        let last = pressing.into_iter().map(|press| begun.until(&press.end().accepted.unwrap())).max();
        requests.push(last.unwrap());
        streams.push(ends.into_iter().max().unwrap());
    }
    let median = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    println!("until the last answer that let them in: median {:?}, p99 {:?}", median(&requests), p99(requests.clone()));
    println!("until the last stream was cut: median {:?}, p99 {:?}", median(&streams), p99(streams.clone()));
    assert!(p99(requests) < WITHIN);
    assert!(p99(streams) < WITHIN);
}

#[test]
fn nobody_revoked_gets_in_and_nobody_valid_is_signed_out_whatever_fails() {
    let mut house = House::new();
    let port = house.balancer.port();
    // Whatever fails, they are never told that they are not let in.
    let bystander = Press::start(port, house.guest().cookie);
    let is_out = |house: &House, guest: &Guest| {
        let since = Stopwatch::start();
        for door in house.everywhere() {
            while ask(door, "/", &guest.cookie) == 200 {
                since.within(WITHIN);
            }
        }
    };
    let known_everywhere = |house: &House, guest: &Guest| {
        eventually("known everywhere", || house.everywhere().all(|door| ask(door, "/", &guest.cookie) == 200).then_some(()));
    };

    // Those that listen are cut off, and what is announced meanwhile is told to nobody.
    let unheard = house.guest();
    known_everywhere(&house, &unheard);
    run(&house, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()");
    house.deactivate(&unheard);
    is_out(&house, &unheard);
    bystander.is_served();

    // A replica dies, and knows when it comes back.
    let missed = house.guest();
    known_everywhere(&house, &missed);
    house.doors[1].process.signal("KILL");
    assert_eq!(house.doors[1].process.wait(), None);
    house.deactivate(&missed);
    assert_ne!(ask(house.ports[0], "/", &missed.cookie), 0);
    eventually("the others know", || [0, 2].iter().all(|door| ask(house.ports[*door], "/", &missed.cookie) == 401).then_some(()));
    house.doors[1].begin_again();
    assert_eq!(ask(house.ports[1], "/", &missed.cookie), 401);
    bystander.is_served();

    // The database dies as if the power failed, and comes back.
    let known = house.guest();
    known_everywhere(&house, &known);
    for round in 0..2 {
        assert_eq!(house.database.tell("/stop", &json!({ "softly": round == 0 })).status, 200);
        let (revoked, valid) = (&[401, 503], &[200, 503]);
        thread::scope(|scope| {
            for door in house.everywhere() {
                for (guest, expected) in [(&unheard, revoked), (&missed, revoked), (&known, valid)] {
                    let cookie = guest.cookie.as_str();
                    scope.spawn(move || {
                        let told = ask(door, "/", cookie);
                        assert!(expected.contains(&told), "they were told {told}, not one of {expected:?}");
                    });
                }
            }
        });
        eventually("each says that it hears nothing", || house.doors.iter().all(|door| ready(door).0 == 503).then_some(()));
        assert!(ready(&house.doors[0]).1.contains("change_feed"), "{}", ready(&house.doors[0]).1);
        assert_eq!(house.database.tell("/start", &json!({})).status, 200);
        eventually("each is ready again", || house.doors.iter().all(|door| ready(door).0 == 200).then_some(()));
        known_everywhere(&house, &known);
        bystander.is_served();
    }
    house.deactivate(&known);
    is_out(&house, &known);
    let told = bystander.end().other;
    let other: Vec<_> = told.iter().filter(|status| ![0, 502, 503, 504].contains(*status)).collect();
    assert!(other.is_empty(), "somebody valid was told {other:?}");
}

fn run(house: &House, statement: &'static str) {
    let url = house.database.ready["url"].as_str().unwrap();
    house.runtime.block_on(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    });
}

fn ready(door: &Door) -> (u16, String) {
    let answer = curl(&[&format!("http://{}/readyz", door.text("operations"))]);
    (answer.status, answer.text())
}

#[test]
fn a_copied_store_lets_the_same_people_and_programs_in() {
    let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
    let configuration = |store: &str| {
        format!(
            "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstream: {{ url: http://127.0.0.1:{} }}\n\
             store: {{ {store} }}\nsecret_key: 0123456789abcdef0123456789abcdef\nconnections: [{{ id: local, password: {{}} }}]\n",
            upstream.port()
        )
    };
    let mut door = Door::serve(&configuration("url: 'sqlite:{folder}/doorward.db'"), |_| {});
    assert!(door.command(&["user", "create", "--name", "ada"])["password"].is_string());
    let key = door.command(&["key", "create", "--name", "copied", "--owner", "ada"]);
    let before = door.command(&["audit", "list"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    let status = |door: &Door, header: &str| curl(&["-H", header, &format!("http://{}/", door.listener(0))]).status;
    assert_eq!(status(&door, &key), 200);
    let session = {
        let clock: SharedClock = Arc::new(SystemClock);
        let config = doorward::config::load(&door.config()).unwrap().config;
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let memory = Memory::open(&config, &clock).await.unwrap();
            let ada = memory.directory.user_by_name(&TenantId::default(), "ada").await.unwrap().unwrap();
            let value = "s".repeat(43);
            let amr = vec!["pwd".to_owned()];
            let sealed = Some(vec![0, 1, 255]);
            let session = Session { amr, sealed_tokens: sealed, tokens_version: 3, ..just_begun(ada.id, "copied", &value) };
            memory.sessions.create(&session).await.unwrap();
            format!("Cookie: __Host-doorward={value}")
        })
    };
    assert_eq!(status(&door, &session), 200);
    door.process.signal("TERM");
    assert_eq!(door.process.wait(), Some(0), "{}", door.process.said());

    let from = format!("sqlite:{}", door.folder().join("doorward.db").display());
    let (port, password) = (database.port(), database.ready["password"].as_str().unwrap());
    let file = door.folder().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let to = format!("postgres://doorward@127.0.0.1:{port}/postgres");
    let copy = || {
        let arguments = ["store", "copy", "--json", "--from", &from, "--to", &to, "--password-file", file.to_str().unwrap()];
        crate::support::doorward(&arguments).output().unwrap()
    };
    let copied = copy();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let counts: Value = serde_json::from_slice(&copied.stdout).unwrap();
    assert_eq!((&counts["users"], &counts["programs"], &counts["sessions"]), (&json!(1), &json!(1), &json!(1)), "{counts}");
    let again = copy();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"), "{}", String::from_utf8_lossy(&again.stderr));

    let moved = Door::serve(&configuration(&format!("url: '{to}', password: {{ file: '{}' }}", file.display())), |_| {});
    assert_eq!(status(&moved, &key), 200);
    assert_eq!(status(&moved, &session), 200);
    assert_eq!(moved.command(&["audit", "list"]), before, "the trail goes on where it was, in its order");
    moved.command(&["user", "deactivate", "ada"]);
    eventually("the owner's key is dead", || (status(&moved, &key) == 401 && status(&moved, &session) == 401).then_some(()));
    let after = moved.command(&["audit", "list"]);
    let numbers: Vec<_> = after.as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert!(numbers.len() > before.as_array().unwrap().len() && numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}
