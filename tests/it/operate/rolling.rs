//! Three replicas as `config/three-replicas.yaml` has them, restarted one after another while people work.

use std::path::Path;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::{TenantId, User, UserId};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{metric, operations};
use crate::support::session::just_begun;
use crate::support::valkey::ValkeyServer;
use crate::support::{Door, Part, eventually, free_port, part, part_at_port};

const DOORS: usize = 3;
const PEOPLE: usize = 6;
const HOST: &str = "app.example.com";

/// An example, with what differs here.
#[track_caller]
fn example(name: &str, changes: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in {name}");
        text.replace(from, to)
    })
}

struct House {
    doors: Vec<Door>,
    balancer: Part,
    folder: tempfile::TempDir,
    /// The fields of each of the people.
    people: Vec<Value>,
    _others: (Part, Part, Part, ValkeyServer),
}

impl House {
    fn new() -> Self {
        let (database, upstream, sockets) = (part_at_port("postgres", &[]), part("echo", &[]), part("ws-server", &[]));
        let sessions = ValkeyServer::start();
        let folder = tempfile::TempDir::new().unwrap();
        let provider = "\
connections:
  - id: company
    oidc:
      issuer: https://login.example.com/realms/company
      client_id: app
      client_secret: { file: /etc/doorward/oidc-secret }
";
        let routes = format!(
            "connections: [{{ id: local, password: {{}} }}]\nroutes:\n  - {{ path: /ws, upstream: {{ url: 'http://127.0.0.1:{}' }} }}\n",
            sockets.port()
        );
        let addresses: Vec<(u16, u16)> = (0..DOORS).map(|_| (free_port(), free_port())).collect();
        let doors: Vec<Door> = addresses
            .iter()
            .map(|(port, operations)| {
                let listener = format!("127.0.0.1:{port}");
                let configuration = example(
                    "three-replicas.yaml",
                    &[
                        ("0.0.0.0:8080", &listener),
                        ("0.0.0.0:9901", &format!("127.0.0.1:{operations}")),
                        ("10.0.0.10/32", "127.0.0.1/32"),
                        ("http://127.0.0.1:3000", &format!("http://127.0.0.1:{}", upstream.port())),
                        (
                            "postgres://doorward@db.example.com:5432/doorward",
                            &format!("'{}'", database.ready["url"].as_str().unwrap()),
                        ),
                        ("  password: { file: /etc/doorward/db-password }\n", ""),
                        ("rediss://doorward@sessions.example.com:6379/0", &sessions.url()),
                        ("    password: { file: /etc/doorward/session-server-password }\n", ""),
                        ("    ca: /etc/doorward/session-server-ca.crt\n", ""),
                        ("{ file: /etc/doorward/secret }", "0123456789abcdef0123456789abcdef"),
                        (provider, &routes),
                        ("/var/lib/doorward/events", "{folder}/events"),
                        ("delay: 3s", "delay: 2s"),
                    ],
                );
                Door::serve(&configuration, |_| {})
            })
            .collect();
        let balancer = balancer(folder.path(), &addresses);
        let people = sign_in(&doors[0]);
        Self { doors, balancer, folder, people, _others: (database, upstream, sockets, sessions) }
    }

    fn visitors(&self) -> Part {
        let url = format!("https://127.0.0.1:{}", self.balancer.port());
        let ca = self.folder.path().join("app.crt");
        let people = json!(self.people).to_string();
        part("visitors", &["--url", &url, "--ca", ca.to_str().unwrap(), "--host", HOST, "--people", &people])
    }
}

/// HAProxy as the example has it.
fn balancer(folder: &Path, addresses: &[(u16, u16)]) -> Part {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let pem = folder.join("app.pem");
    std::fs::write(&pem, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("app.crt"), made.cert.pem()).unwrap();
    let port = free_port();
    let places: Vec<String> = addresses.iter().map(|(port, check)| format!("127.0.0.1:{port} port {check}")).collect();
    let configuration = example(
        "three-replicas.haproxy.cfg",
        &[
            ("bind :443", &format!("bind 127.0.0.1:{port}")),
            ("/etc/haproxy/app.pem", pem.to_str().unwrap()),
            ("10.0.0.11:8080 port 9901", &places[0]),
            ("10.0.0.12:8080 port 9901", &places[1]),
            ("10.0.0.13:8080 port 9901", &places[2]),
        ],
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, configuration).unwrap();
    part("balancer", &["--port", &port.to_string(), "--file", file.to_str().unwrap()])
}

/// People with sessions, and one program.
fn sign_in(door: &Door) -> Vec<Value> {
    let config = doorward::config::load(&door.config()).unwrap().config;
    let clock: SharedClock = Arc::new(SystemClock);
    let sessions = Runtime::new().unwrap().block_on(async {
        let memory = Memory::open(&config, &clock).await.unwrap();
        let mut all = Vec::new();
        for number in 0..PEOPLE - 1 {
            let name = format!("person-{number}");
            let user = person(&name);
            memory.directory.create_user(&user).await.unwrap();
            let value = format!("{number:0<43}");
            memory.sessions.create(&just_begun(user.id, &name, &value)).await.unwrap();
            all.push(json!({ "Cookie": format!("__Host-doorward={value}") }));
        }
        all
    });
    let key = door.command(&["key", "create", "--name", "program"]);
    let program = json!({ "X-Api-Key": key["secret"] });
    sessions.into_iter().chain([program]).collect()
}

fn person(name: &str) -> User {
    let now = SystemClock.now();
    User {
        id: UserId(uuid::Uuid::new_v4()),
        tenant: TenantId::default(),
        user_name: name.to_owned(),
        email: None,
        name: None,
        active: true,
        groups: Vec::new(),
        directory_groups: Vec::new(),
        provisioned_by: None,
        roles: Vec::new(),
        link: None,
        password_hash: None,
        created_at: now,
        updated_at: now,
    }
}

#[test]
fn replicas_are_restarted_one_after_another_and_nobody_notices_but_websockets_that_come_back() {
    let mut house = House::new();
    let visitors = house.visitors();
    let so_far = || visitors.control("GET", "/so-far");
    let count = |told: &Value, what: &str| told[what].as_u64().unwrap();
    eventually("everybody is at work", || {
        let told = so_far();
        (count(&told, "open") == PEOPLE as u64 && told["answers"]["200"].as_u64() > Some(50)).then_some(())
    });
    for door in &mut house.doors {
        door.process.signal("TERM");
        eventually("it says that it is not ready", || (operations(door, "/readyz").status == 503).then_some(()));
        assert_eq!(door.process.wait(), Some(0), "{}", door.process.said());
        door.begin_again();
        eventually("requests come to it again", || {
            let series = "doorward_requests_total{route=\"otherwise\",decision=\"allowed\",status=\"2xx\"}";
            (metric(door, series) > Some(20.0)).then_some(())
        });
    }
    eventually("everybody has a WebSocket again", || (count(&so_far(), "open") == PEOPLE as u64).then_some(()));
    let told = so_far();
    assert_eq!(told["failures"], json!([]), "{told}");
    let statuses: Vec<&String> = told["answers"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200"], "{told}");
    let codes: Vec<&String> = told["closes"].as_object().unwrap().keys().collect();
    assert_eq!(codes, ["1001"], "{told}");
    // Each of them was at some replica when that was restarted.
    assert!(told["closes"]["1001"].as_u64() >= Some(PEOPLE as u64), "{told}");
    assert!(count(&told, "opened") >= 2 * PEOPLE as u64, "{told}");
    eventually("each of them is heard", || (count(&so_far(), "echoes") == count(&told, "opened")).then_some(()));
}
