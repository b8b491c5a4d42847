//! Streams that are under way when their owner loses the right to them: a WebSocket, an event stream and gRPC calls that the server or
//! only the client goes on with, each with the real counterpart on both sides, must end within a second, and nobody else's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::{SessionHandle, TenantId};
use serde_json::{Value, json};

use crate::support::process::Part;
use crate::support::session::just_begun;
use crate::support::stream::{WITHIN, client};
use crate::support::{Door, PATIENCE, Stopwatch, Stream, curl, eventually, part};

struct House {
    door: Door,
    parts: [Part; 3],
}

/// A credential as a header of a request.
struct Header(&'static str, String);

impl House {
    fn new() -> Self {
        let parts = [part("echo", &[]), part("ws-server", &[]), part("grpc-server", &[])];
        let [echo, ws, grpc] = &parts;
        let door = Door::serve(
            &format!(
                "\
version: 1
public_url: http://localhost:1
listeners:
  - {{ address: 127.0.0.1:0 }}
  - {{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: cert.pem, key: key.pem }}] }} }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
connections: [{{ id: local, password: {{}} }}]
logging: {{ format: json }}
own_keys: {{}}
token_endpoint: {{}}
routes:
  - {{ path: /live, upstream: {{ url: http://127.0.0.1:{} }} }}
  - {{ path: /door.Door/**, upstream: {{ url: h2c://127.0.0.1:{} }} }}
",
                echo.port(),
                ws.port(),
                grpc.port()
            ),
            |folder| {
                let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
                std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
                std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            },
        );
        Self { door, parts }
    }

    /// Runs `work` on the door's store, as another process.
    fn memory<T>(&self, work: impl AsyncFnOnce(Memory) -> T) -> T {
        let clock: SharedClock = Arc::new(SystemClock);
        let config = doorward::config::load(&self.door.config()).unwrap().config;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { work(Memory::open(&config, &clock).await.unwrap()).await })
    }

    fn person(&self, name: &str) {
        let output = self.door.command(&["user", "create", "--name", name]);
        assert!(output["password"].is_string(), "{output}");
    }

    /// A session of `name`, as its cookie; and its handle.
    fn session(&self, name: &str, id: &str) -> (Header, String) {
        let (handle, value) = (format!("handle{id}"), id.repeat(43));
        self.memory(async |memory| {
            let user = memory.directory.user_by_name(&TenantId::default(), name).await.unwrap().unwrap();
            memory.sessions.create(&just_begun(user.id, &handle, &value)).await.unwrap();
        });
        (Header("Cookie", format!("__Host-doorward={value}")), handle)
    }

    fn key(&self, arguments: &[&str]) -> (Header, String) {
        let made = self.door.command(&[&["key", "create", "--name", "streams"], arguments].concat());
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name}: {made}")).to_owned();
        (Header("X-Api-Key", text("secret")), text("id"))
    }

    /// A key that the person with this session makes for themselves.
    fn own_key(&self, Header(name, cookie): &Header) -> Header {
        let (session, own) = (format!("{name}: {cookie}"), format!("http://{}/.doorward/keys", self.door.listener(0)));
        let json = "Content-Type: application/json";
        let made = curl(&["-H", &session, "-H", json, "-d", "{\"name\":\"streams\"}", &own]);
        assert_eq!(made.status, 201, "{}", made.text());
        Header("X-Api-Key", made.json()["secret"].as_str().unwrap().to_owned())
    }

    /// A client, and a token that it was given.
    fn token(&self) -> (Header, String) {
        let made = self.door.command(&["client", "create", "--name", "streams"]);
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let given = curl(&["-d", &form, &format!("http://{}/.doorward/token", self.door.listener(0))]).json();
        (Header("Authorization", format!("Bearer {}", given["access_token"].as_str().unwrap())), id.to_owned())
    }

    /// One stream of each kind, all of them flowing.
    fn streams(&self, credential: &Header) -> [Stream; 4] {
        let Header(name, value) = credential;
        let line = format!("{name}: {value}");
        let plain = self.door.listener(0);
        let secure = self.door.listener(1).replace("127.0.0.1", "localhost");
        let ca = self.door.folder().join("cert.pem");
        let mut socket = client("ws-client.mjs");
        socket.args([&format!("ws://{plain}/live?push=50"), "--header", &line]);
        let mut events = Command::new("curl");
        events.args(["--silent", "-N", "-H", &line, &format!("http://{plain}/sse?every=50&count=0")]);
        let metadata = json!({ name.to_ascii_lowercase(): value }).to_string();
        let call = |kind: &str| {
            let mut call = client("grpc-client.mjs");
            call.args(["--target", &secure, "--metadata", &metadata, "--every", "50", "--ca"]).arg(&ca).args([kind, "0"]);
            call
        };
        [("websocket", socket), ("events", events), ("grpc", call("count")), ("grpc", call("hold"))]
            .map(|(name, mut command)| Stream::start(name, &mut command))
    }
}

#[test]
fn the_end_of_a_session_ends_its_streams_within_a_second_and_no_others() {
    let house = House::new();
    house.person("ada");
    let ((first, handle), (second, _)) = (house.session("ada", "A"), house.session("ada", "B"));
    let (ended, kept) = (house.streams(&first), house.streams(&second));
    let since = house.memory(async |memory| {
        let (since, now) = (Stopwatch::start(), SystemClock.now());
        assert!(memory.sessions.end(&SessionHandle(handle), now).await.unwrap());
        since
    });
    for stream in &ended {
        stream.ends(since);
    }
    for stream in &kept {
        stream.goes_on();
    }
}

#[test]
fn a_stream_over_http2_that_is_ended_from_here_has_its_access_line_all_the_same() {
    let house = House::new();
    let (Header(name, value), id) = house.key(&[]);
    let address = format!("https://{}/sse?every=50&count=0", house.door.listener(1).replace("127.0.0.1", "localhost"));
    let ca = house.door.folder().join("cert.pem");
    let streams = ["GET", "POST"].map(|method| {
        let mut events = Command::new("curl");
        events.args(["--silent", "-N", "--http2", "-H", &format!("{name}: {value}"), "--cacert"]).arg(&ca).arg(&address);
        events.args(if method == "POST" { &["--data", "twelve bytes"][..] } else { &[] });
        Stream::start("events", &mut events)
    });
    house.door.command(&["key", "revoke", &id]);
    let since = Stopwatch::start();
    for stream in &streams {
        stream.ends(since);
    }
    let mut lines = eventually("both lines are written", || {
        let said = house.door.process.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<Value> = lines.filter(|line| line["path"] == "/sse").collect();
        (lines.len() == 2).then_some(lines)
    });
    lines.sort_by_key(|line| line["method"].to_string());
    for (line, method) in lines.iter().zip(["GET", "POST"]) {
        let told = ["method", "http", "status", "decision", "credential"].map(|name| &line[name]);
        assert_eq!(told, [&json!(method), &json!("2"), &json!(200), &json!("allowed"), &json!("api_key")], "{line}");
        assert!(line["bytes_out"].as_u64().unwrap() > 20 && line["host"].as_str().unwrap().starts_with("localhost:"), "{line}");
    }
}

#[test]
fn a_request_that_is_ended_before_it_was_asked_in_full_has_its_access_line_all_the_same() {
    let house = House::new();
    let (key, id) = house.key(&[]);
    let [_, _, _, call] = house.streams(&key);
    // An upload without end, of which the application has seen the beginning.
    let mut upload = TcpStream::connect(house.door.listener(0)).unwrap();
    upload.set_read_timeout(Some(PATIENCE)).unwrap();
    let Header(name, value) = key;
    write!(upload, "PUT /held HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n")
        .unwrap();
    eventually("it has begun to arrive", || {
        let seen = house.parts[0].control("GET", "/requests");
        seen.as_array().unwrap().iter().any(|request| request["url"] == "/held").then_some(())
    });
    house.door.command(&["key", "revoke", &id]);
    let since = Stopwatch::start();
    let mut told = Vec::new();
    // Reset or closed: both say that it is over.
    let _ = upload.read_to_end(&mut told);
    since.within(WITHIN);
    assert_eq!(String::from_utf8(told).unwrap(), "", "there is no answer to half a request");
    call.ends(since);
    for (path, method, http) in [("/held", "PUT", "1.1"), ("/door.Door/Collect", "POST", "2")] {
        let line = eventually("the line is written", || {
            let said = house.door.process.said();
            said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["path"] == path)
        });
        let told = ["method", "http", "status", "decision", "credential"].map(|name| &line[name]);
        assert_eq!(told, [&json!(method), &json!(http), &json!(0), &json!("allowed"), &json!("api_key")], "{line}");
        assert!(line["bytes_in"].as_u64().unwrap() >= 4, "{line}");
    }
}

#[test]
fn a_person_who_is_deactivated_loses_the_streams_of_sessions_and_keys_and_one_who_is_updated_none() {
    let house = House::new();
    for name in ["ada", "bob"] {
        house.person(name);
    }
    let (session, _) = house.session("ada", "A");
    let (key, _) = house.key(&["--owner", "ada"]);
    let own = house.own_key(&session);
    let (other, _) = house.session("bob", "B");
    let of_ada = [house.streams(&session), house.streams(&key), house.streams(&own)];
    let of_bob = house.streams(&other);
    let change = async |memory: &Memory, active: bool| {
        let user = memory.directory.user_by_name(&TenantId::default(), "ada").await.unwrap().unwrap();
        let user = doorward::model::User { active, groups: vec!["Engineering".to_owned()], ..user };
        memory.directory.update_user(&user).await.unwrap();
    };
    house.memory(async |memory| change(&memory, true).await);
    for stream in of_ada.iter().flatten() {
        stream.goes_on();
    }
    house.memory(async |memory| change(&memory, false).await);
    let since = Stopwatch::start();
    for stream in of_ada.iter().flatten() {
        stream.ends(since);
    }
    for stream in &of_bob {
        stream.goes_on();
    }
}

#[test]
fn a_revoked_key_or_client_loses_its_streams_and_a_rotated_one_does_not() {
    let house = House::new();
    let ((revoked, id), (rotated, other)) = (house.key(&[]), house.key(&[]));
    let (ended, kept) = (house.streams(&revoked), house.streams(&rotated));
    let ((token, client), (others, _)) = (house.token(), house.token());
    let (of_token, of_others) = (house.streams(&token), house.streams(&others));
    house.door.command(&["client", "revoke", &client]);
    let since = Stopwatch::start();
    for stream in &of_token {
        stream.ends(since);
    }
    for stream in &of_others {
        stream.goes_on();
    }
    house.door.command(&["key", "rotate", &other]);
    house.door.command(&["key", "revoke", &id]);
    let since = Stopwatch::start();
    for stream in &ended {
        stream.ends(since);
    }
    for stream in &kept {
        stream.goes_on();
    }
}
