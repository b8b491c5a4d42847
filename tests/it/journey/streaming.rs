//! Bodies of any size and answers that never end: nothing is kept, nothing is held back, nothing is cut short unnoticed.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::Part;
use crate::support::{Door, PATIENCE, Process, Stopwatch, curl, part};

/// A door with TLS and a plain listener before `upstream`; every path is public.
#[track_caller]
fn door(upstream: &str) -> Door {
    let configuration = format!(
        "\
version: 1
public_url: https://localhost:1
listeners:
  - {{ address: 127.0.0.1:0 }}
  - {{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: '{{folder}}/cert.pem', key: '{{folder}}/key.pem' }}] }} }}
upstream: {{ url: '{upstream}' }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
routes: [{{ path: /**, access: public }}]
logging: {{ access: false }}
"
    );
    Door::serve(&configuration, |folder| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    })
}

fn plain(door: &Door, path: &str) -> String {
    format!("http://{}{path}", door.listener(0))
}

/// Host and port of the encrypted listener.
fn secure(door: &Door) -> String {
    door.listener(1).replace("127.0.0.1", "localhost")
}

fn ca(door: &Door) -> String {
    door.folder().join("cert.pem").to_str().unwrap().to_owned()
}

fn echo(arguments: &[&str]) -> (Part, Door) {
    let upstream = part("echo", arguments);
    let scheme = if arguments.contains(&"--h2c") { "h2c" } else { "http" };
    let door = door(&format!("{scheme}://127.0.0.1:{}", upstream.port()));
    (upstream, door)
}

/// The most memory the process has had resident, in bytes (proc(5)).
fn peak_memory(door: &Door) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", door.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

const GIB: u64 = 1 << 30;
/// What a transfer of any size may add to the resident memory.
const ROOM: u64 = 48 << 20;

#[test]
fn a_gibibyte_up_and_a_gibibyte_down_cost_no_memory() {
    let (_upstream, door) = echo(&[]);
    assert_eq!(curl(&[&plain(&door, "/warm")]).status, 200);
    let before = peak_memory(&door);
    let up = format!("head -c {GIB} /dev/zero | curl --silent --show-error --max-time 120 -T - {}", plain(&door, "/up"));
    let output = Command::new("sh").args(["-c", &up]).output().unwrap();
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?} {}", door.process.said()));
    assert_eq!(seen["body"]["length"], GIB);
    let down = plain(&door, &format!("/bytes?n={GIB}"));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "120", "-o", "/dev/null", "-w", "%{size_download}", &down])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), GIB.to_string(), "{output:?}");
    let grown = peak_memory(&door) - before;
    assert!(grown < ROOM, "{} MiB", grown >> 20);
}

#[test]
fn a_reader_that_is_slow_does_not_make_the_door_hoard() {
    let (upstream, door) = echo(&[]);
    assert_eq!(curl(&[&plain(&door, "/warm")]).status, 200);
    let before = peak_memory(&door);
    let url = format!("https://{}/bytes?n={GIB}", secure(&door));
    for version in ["--http1.1", "--http2"] {
        let arguments =
            [version, "--silent", "--cacert", &ca(&door), "--limit-rate", "1M", "--max-time", "2", "-o", "/dev/null", &url];
        let status = Command::new("curl").args(arguments).status().unwrap();
        assert_eq!(status.code(), Some(28), "{version}: it is still reading after two seconds");
    }
    let grown = peak_memory(&door) - before;
    assert!(grown < ROOM, "{} MiB", grown >> 20);
    drop(upstream);
}

#[test]
fn an_event_arrives_while_the_stream_goes_on() {
    let (_upstream, door) = echo(&[]);
    let secure = format!("https://{}/sse?every=100&count=0", secure(&door));
    for (version, url) in [("--http1.1", &plain(&door, "/sse?every=100&count=0")), ("--http1.1", &secure), ("--http2", &secure)] {
        let begun = Stopwatch::start();
        let client = Process::start(Command::new("curl").args(["--silent", "-N", version, "--cacert", &ca(&door), url]));
        for expected in ["id: 0", "data: {\"n\":0}", "", "id: 1"] {
            assert_eq!(client.line(PATIENCE).unwrap(), expected, "{version} {url}");
        }
        begun.within(Duration::from_secs(3));
    }
}

/// Runs the real gRPC client; all its lines.
#[track_caller]
fn grpc(door: &Door, arguments: &[&str]) -> Vec<Value> {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/grpc-client.mjs");
    let output =
        Command::new("node").arg(script).args(["--target", &secure(door), "--ca", &ca(door)]).args(arguments).output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn grpc_of_every_kind_passes_with_its_trailers() {
    let upstream = part("grpc-server", &[]);
    let door = door(&format!("h2c://127.0.0.1:{}", upstream.port()));
    for (call, messages) in [
        (vec!["say", "hello"], 1),
        (vec!["count", "3"], 3),
        (vec!["collect", "a", "b", "c"], 1),
        (vec!["chat", "a", "b"], 2),
        (vec!["--bytes", "100000", "count", "5"], 5),
    ] {
        let told = grpc(&door, &call);
        let status = told.last().unwrap();
        assert_eq!((&status["name"], &status["messages"]), (&"OK".into(), &messages.into()), "{call:?}: {told:?}");
        assert!(status["trailers"]["x-door-count"].is_string(), "{call:?}: {status}");
        if call[0] == "say" {
            assert!(told.iter().any(|line| line["metadata"]["x-door-initial"] == "yes"), "{call:?}: {told:?}");
        }
    }
    let told = grpc(&door, &["fail", "7", "not today"]);
    assert_eq!(told.last().unwrap()["code"], 7, "{told:?}");
    assert_eq!(told.last().unwrap()["details"], "not today");
}

#[test]
fn a_grpc_caller_that_goes_away_is_told_to_the_server() {
    let upstream = part("grpc-server", &[]);
    let door = door(&format!("h2c://127.0.0.1:{}", upstream.port()));
    let told = grpc(&door, &["--stop", "2", "--every", "20", "count", "0"]);
    assert_eq!(told.last().unwrap()["name"], "CANCELLED", "{told:?}");
    let event = upstream.process.json_line();
    assert_eq!(event["event"], "cancelled", "{event}");
}

#[test]
fn a_websocket_carries_both_ways() {
    let upstream = part("ws-server", &[]);
    let door = door(&format!("http://127.0.0.1:{}", upstream.port()));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/ws-client.mjs");
    let address = format!("wss://{}/live?x=1", secure(&door));
    let long = "x".repeat(100_000);
    let output = Command::new("node")
        .arg(script)
        .args([&address, "--ca", &ca(&door), "--protocol", "chat", "--send", "hello", "--send", &long, "--frames", "3"])
        .output()
        .unwrap();
    let told: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<&str> = told.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(messages.len(), 3, "{told:?}");
    assert!(messages[0].contains("/live?x=1"), "{}", messages[0]);
    assert_eq!((messages[1], messages[2] == long), ("hello", true));
    assert_eq!(told.last().unwrap()["code"], 1000, "{told:?}");
    assert_eq!(upstream.process.json_line()["code"], 1000, "the close travels too");
}

#[test]
fn a_stream_may_be_silent_for_longer_than_its_head_may_take() {
    let upstream = part("ws-server", &[]);
    let door = door(&format!("http://127.0.0.1:{}', timeouts: {{ first_byte: 300ms }}, host: 'keep", upstream.port()));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/ws-client.mjs");
    let address = format!("ws://{}/?push=1000", door.listener(0));
    let output = Command::new("node").arg(script).args([&address, "--frames", "2"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("push 1") && told.trim_end().ends_with("\"frames\":2}"), "{told}");
}

#[test]
fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let (upstream, door) = echo(&[]);
    let upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"];
    let mut arguments = upgrade.to_vec();
    let (first, second) = (plain(&door, "/status?code=403"), plain(&door, "/after"));
    arguments.extend(["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "--http1.1", &first]);
    assert_eq!(curl(&arguments).status, 403);
    assert_eq!(curl(&["--http1.1", &second]).status, 200);
    assert_eq!(upstream.control("GET", "/requests").as_array().unwrap().len(), 2);
}

#[test]
fn what_follows_an_upgrade_request_waits_for_the_101() {
    use std::io::{Read as _, Write as _};
    let upstream = part("raw-recorder", &[]);
    let door = door(&format!("http://127.0.0.1:{}", upstream.port()));
    let mut client = std::net::TcpStream::connect(door.listener(0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let upgrade = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(upgrade.as_bytes()).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let _ = client.read_to_end(&mut Vec::new());
    let recorded = upstream.control("GET", "/connections").to_string();
    assert!(recorded.contains("/live") && !recorded.contains("smuggled"), "{recorded}");
}

#[test]
fn an_upgrade_to_h2c_is_not_passed_on() {
    let (upstream, door) = echo(&[]);
    let url = plain(&door, "/");
    let upgrade =
        ["-H", "Connection: Upgrade, HTTP2-Settings", "-H", "Upgrade: h2c", "-H", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"];
    let answer = curl(&[&["--http1.1"], &upgrade[..], &[url.as_str()]].concat());
    assert_eq!((answer.status, answer.error.as_str()), (200, ""), "an ordinary request, {}", answer.text());
    let seen = upstream.control("GET", "/requests").to_string().to_ascii_lowercase();
    assert!(!seen.contains("h2c") && !seen.contains("http2-settings") && !seen.contains("\"upgrade"), "{seen}");
}

#[test]
fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    let (_upstream, door) = echo(&[]);
    for (version, base) in
        [("--http1.1", format!("http://{}", door.listener(0))), ("--http2", format!("https://{}", secure(&door)))]
    {
        let at = |path: &str| format!("{base}{path}");
        let trust = ["--cacert".to_owned(), ca(&door)];
        let ask = |arguments: &[&str]| {
            let mut all = vec![version, trust[0].as_str(), trust[1].as_str()];
            all.extend(arguments);
            curl(&all)
        };
        let head = ask(&["--head", &at("/bytes?n=1000000")]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{version} {head:?}");
        for code in [204, 304] {
            let answer = ask(&[&at(&format!("/status?code={code}"))]);
            assert_eq!((answer.status, answer.body.len(), answer.error.as_str()), (code, 0, ""), "{version}");
        }
        assert_eq!(ask(&[&at("/after")]).status, 200);
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_application() {
    let (_upstream, door) = echo(&[]);
    let begun = Stopwatch::start();
    let answer = curl(&["-H", "Expect: 100-continue", "--expect100-timeout", "10", "-d", "waited", &plain(&door, "/up")]);
    assert_eq!((answer.status, &answer.json()["body"]["length"]), (200, &6.into()));
    begun.within(Duration::from_secs(8));
}

#[test]
fn early_hints_pass() {
    let interim = "HTTP/1.1 103 Early Hints\\r\\nLink: </a.css>; rel=preload\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok";
    let upstream = part("raw-recorder", &["--answer", interim]);
    let door = door(&format!("http://127.0.0.1:{}", upstream.port()));
    let output = Command::new("curl").args(["--silent", "--include", "--http1.1", &plain(&door, "/")]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("HTTP/1.1 103") && text.contains("rel=preload") && text.ends_with("ok"), "{text}");
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let (_upstream, door) = echo(&[]);
    for (version, url) in [("--http1.1", plain(&door, "/cut")), ("--http2", format!("https://{}/cut", secure(&door)))] {
        let answer = curl(&[version, "--cacert", &ca(&door), &url]);
        assert!(!answer.error.is_empty(), "{version}: {answer:?}");
    }
}

#[test]
fn an_early_answer_does_not_let_the_rest_of_the_body_pass_for_a_request() {
    let (upstream, door) = echo(&[]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50_000);
    let file = door.folder().join("body");
    std::fs::write(&file, smuggled).unwrap();
    let body = format!("@{}", file.display());
    for _ in 0..3 {
        let answer = curl(&["--http1.1", "-H", "Expect:", "--data-binary", &body, &plain(&door, "/early?status=413")]);
        assert_eq!(answer.status, 413, "{}", answer.error);
        assert_eq!(curl(&[&plain(&door, "/after")]).status, 200);
    }
    let requests = upstream.control("GET", "/requests").to_string();
    assert!(!requests.contains("smuggled"), "the body was read as a request");
}

#[test]
fn large_response_heads_pass() {
    let (_upstream, door) = echo(&[]);
    let value = "v".repeat(7000);
    let path = format!("/headers?x-one={value}");
    let answer = curl(&[&plain(&door, &path)]);
    assert_eq!((answer.status, answer.header("x-one").map(str::len)), (200, Some(7000)), "{}", answer.error);
}

#[test]
fn trailers_of_http1_end_at_the_door_and_the_body_is_whole() {
    let (_upstream, door) = echo(&[]);
    let answer = curl(&["--http1.1", "-d", "body", &plain(&door, "/trailers")]);
    assert_eq!((answer.status, answer.error.as_str()), (200, ""));
    assert_eq!(answer.json()["body"]["length"], 4);
    assert!(!answer.text().contains("x-echo-trailer:"));
}

#[test]
fn a_client_that_leaves_lets_go_of_the_application() {
    let upstream = part("ws-server", &[]);
    let door = door(&format!("http://127.0.0.1:{}", upstream.port()));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/ws-client.mjs");
    let client = Process::start(Command::new("node").arg(script).arg(format!("ws://{}/?push=20", door.listener(0))));
    assert_eq!(client.json_line()["event"], "upgrade");
    drop(client);
    assert_eq!(upstream.process.json_line()["event"], "closed");
}
