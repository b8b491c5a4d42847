//! The leg to the application: protocols, trust, several servers, time limits.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Door, Stopwatch, curl, eventually, free_port, part};

/// A door with these upstreams; every path is public.
#[track_caller]
fn door(upstream: &str, routes: &str) -> Door {
    let configuration = format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {upstream}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
routes:
{routes}
  - {{ path: /**, access: public }}
"
    );
    Door::serve(&configuration, |_| ())
}

fn url(door: &Door, path: &str) -> String {
    format!("http://{}{path}", door.listener(0))
}

/// Authorities and what they signed, as files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key for `name`.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let at = |kind: &str| self.folder.path().join(format!("{name}.{kind}.pem"));
        std::fs::write(at("cert"), certificate.pem()).unwrap();
        std::fs::write(at("key"), key.serialize_pem()).unwrap();
        (at("cert"), at("key"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_upstreams_authority_and_the_doors_certificate_are_checked() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let (cert, key) = right.sign("app.internal");
    let (door_cert, door_key) = right.sign("door.internal");
    let upstream = part("echo", &["--cert", text(&cert), "--key", text(&key), "--client-ca", text(&right.ca())]);
    let tls = |ca: &Authority| {
        format!(
            "tls: {{ ca: '{}', server_name: app.internal, cert: '{}', key: '{}' }}",
            text(&ca.ca()),
            text(&door_cert),
            text(&door_key)
        )
    };
    let at = format!("url: https://127.0.0.1:{}", upstream.port());
    let routes = format!("  - {{ path: /wrong/**, access: public, upstream: {{ {at}, {} }} }}", tls(&wrong));
    let door = door(&format!("{{ {at}, {} }}", tls(&right)), &routes);
    let answer = curl(&[&url(&door, "/")]);
    assert_eq!(answer.status, 200, "{} {}", answer.text(), door.process.said());
    assert!(answer.json()["client_certificate"].to_string().contains("door.internal"), "{}", answer.text());
    // Each core keeps connections of its own, so a few requests go by before one is used again.
    let numbers: HashSet<u64> = (0..24).map(|_| curl(&[&url(&door, "/")]).json()["connection"].as_u64().unwrap()).collect();
    assert!(numbers.len() < 24, "connections are used again: {numbers:?}");
    // Connections of the right authority are idle now; the wrong one must not get to use them.
    for _ in 0..12 {
        assert_eq!(curl(&[&url(&door, "/wrong/")]).status, 502);
    }
}

/// By the short way (GET, HTTP/1.1), by the engine's (a body, HTTP/2), and when the first server takes no connection.
#[test]
fn the_secrets_of_an_upstream_take_the_place_of_whatever_a_client_sends() {
    let (http1, h2c, dead) = (part("echo", &[]), part("echo", &["--h2c"]), free_port());
    let secrets = "headers: { X-Legacy-Key: legacy-s3cret }, basic: { username: front-door, password: pw }";
    for method in ["GET", "POST"] {
        let upstream = format!(
            "{{ urls: ['http://127.0.0.1:{dead}', 'http://127.0.0.1:{}'], {secrets} }}\noperations: {{ address: 127.0.0.1:0 }}",
            http1.port()
        );
        let routes =
            format!("  - {{ path: /h2c/**, access: public, upstream: {{ url: 'h2c://127.0.0.1:{}', {secrets} }} }}", h2c.port());
        let door = door(&upstream, &routes);
        // The first request goes to the server that is not there.
        for path in ["/", "/", "/h2c/"] {
            let url = url(&door, path);
            let mut arguments = vec!["-X", method, "-H", "X-Legacy-Key: mine", "-H", "x-legacy-key: mine"];
            arguments.extend(["-H", "Authorization: Basic bWluZTptaW5l"]);
            arguments.extend(if method == "POST" { &["-d", "body"][..] } else { &[] });
            arguments.push(&url);
            let seen = curl(&arguments).json();
            let values = |wanted: &str| -> Vec<String> {
                let pairs = seen["raw_headers"].as_array().unwrap_or_else(|| panic!("{seen}")).iter();
                let named = pairs.filter(|pair| pair[0].as_str().unwrap().replace('_', "-").eq_ignore_ascii_case(wanted));
                named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(values("x-legacy-key"), ["legacy-s3cret"], "{method} {path}");
            assert_eq!(values("authorization"), ["Basic ZnJvbnQtZG9vcjpwdw=="], "{method} {path}");
        }
        let metrics = curl(&[&format!("{}/metrics", door.text("operations"))]).text();
        let missed =
            metrics.lines().find(|line| line.starts_with("doorward_upstream_connect_errors_total{upstream=\"default\"}"));
        assert!(missed.is_some_and(|line| !line.ends_with(" 0")), "there was a second try: {missed:?}");
    }
}

#[test]
fn http2_without_tls_a_unix_socket_and_a_name_are_reached() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("app.sock");
    let (h2c, unix, named) = (part("echo", &["--h2c"]), part("echo", &["--unix", text(&socket)]), part("echo", &[]));
    let routes = format!(
        "  - {{ path: /h2c/**, access: public, upstream: {{ url: h2c://127.0.0.1:{} }} }}\n  \
         - {{ path: /unix/**, access: public, upstream: {{ url: 'unix:{}', host: rewrite }} }}",
        h2c.port(),
        text(&socket)
    );
    let door = door(&format!("{{ url: 'http://localhost:{}', host: rewrite }}", named.port()), &routes);
    let seen = |path: &str| {
        let answer = curl(&["-d", "body", &url(&door, path)]);
        assert_eq!(answer.status, 200, "{path}: {} {}", answer.text(), door.process.said());
        answer.json()
    };
    assert_eq!((&seen("/h2c/a")["http_version"], &seen("/h2c/a")["body"]["length"]), (&json!("2.0"), &json!(4)));
    assert_eq!(curl(&[&url(&door, "/h2c/b")]).json()["http_version"], "2.0", "also without a body");
    assert_eq!(seen("/unix/a")["body"]["length"], 4);
    assert_eq!(curl(&[&url(&door, "/unix/b")]).json()["http_version"], "1.1");
    let host = format!("localhost:{}", named.port());
    assert!(seen("/named")["raw_headers"].to_string().contains(&host), "the host is the upstream's own");
    assert!(ready_of(&unix).is_some());
}

fn ready_of(part: &crate::support::process::Part) -> Option<&str> {
    part.ready["unix"].as_str()
}

#[test]
fn an_upstream_that_is_down_is_502_and_one_that_is_slow_504() {
    let upstream = part("echo", &[]);
    let dead = free_port();
    let routes = format!("  - {{ path: /dead/**, access: public, upstream: {{ url: 'http://127.0.0.1:{dead}' }} }}");
    let door = door(&format!("{{ url: 'http://127.0.0.1:{}', timeouts: {{ first_byte: 2s }} }}", upstream.port()), &routes);
    for (path, expected) in [("/dead/", 502), ("/reset", 502), ("/hang", 504), ("/slow?ms=20000", 504)] {
        let begun = Stopwatch::start();
        let answer = curl(&[&url(&door, path)]);
        assert_eq!(answer.status, expected, "{path}: {}", door.process.said());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        begun.within(Duration::from_secs(5));
    }
    assert_eq!(curl(&[&url(&door, "/slow?ms=100")]).status, 200);
}

#[test]
fn a_slow_upload_is_no_late_answer() {
    for (scheme, arguments) in [("http", &[][..]), ("h2c", &["--h2c"][..])] {
        let upstream = part("echo", arguments);
        let timeouts = "timeouts: { first_byte: 1500ms, idle: 1500ms }";
        let door = door(&format!("{{ url: '{scheme}://127.0.0.1:{}', {timeouts} }}", upstream.port()), "");
        let seen = upload_slowly(&url(&door, "/up"));
        assert_eq!(seen["body"]["length"], 8000, "{scheme}: {seen}");
    }
}

#[test]
fn an_answer_to_a_body_is_as_late_over_http2_as_over_http1() {
    let upstream = part("echo", &["--h2c"]);
    let door = door(&format!("{{ url: 'h2c://127.0.0.1:{}', timeouts: {{ first_byte: 2s }} }}", upstream.port()), "");
    for path in ["/hang", "/slow?ms=20000"] {
        let begun = Stopwatch::start();
        assert_eq!(curl(&["-d", "body", &url(&door, path)]).status, 504, "{path}: {}", door.process.said());
        begun.within(Duration::from_secs(6));
    }
    for _ in 0..12 {
        let answer = curl(&["-d", "body", &url(&door, "/slow?ms=50")]);
        assert_eq!(answer.status, 200, "the next one is not cut: {}", door.process.said());
    }
}

#[test]
fn a_new_deadline_holds_for_the_next_request_whatever_connection_waits() {
    let upstream = part("echo", &[]);
    let of =
        |first_byte: &str| format!("{{ url: 'http://127.0.0.1:{}', timeouts: {{ first_byte: {first_byte} }} }}", upstream.port());
    let door = door(&of("60s"), "");
    // Each core keeps connections of its own.
    for _ in 0..16 {
        assert_eq!(curl(&["-d", "body", &url(&door, "/")]).status, 200);
        assert_eq!(curl(&[&url(&door, "/")]).status, 200);
    }
    let text = std::fs::read_to_string(door.config()).unwrap();
    std::fs::write(door.config(), text.replace("first_byte: 60s", "first_byte: 400ms")).unwrap();
    eventually("the new deadline holds", || {
        (curl(&["--max-time", "2", "-d", "body", &url(&door, "/slow?ms=1500")]).status == 504).then_some(())
    });
    for turn in 0..8 {
        for arguments in [&["-d", "body"][..], &[]] {
            let begun = Stopwatch::start();
            let address = url(&door, "/slow?ms=8000");
            let answer = curl(&[arguments, &[address.as_str()]].concat());
            assert_eq!(answer.status, 504, "{turn}, {arguments:?}: {}", door.process.said());
            begun.within(Duration::from_secs(6));
        }
    }
}

/// Sends 8000 bytes in more than two seconds, and returns what the echo says.
fn upload_slowly(url: &str) -> serde_json::Value {
    let mut upload = Command::new("curl")
        // Over HTTP/2 the application's 100 is not passed on, which curl would wait for.
        .args(["--silent", "--show-error", "--max-time", "20", "-H", "Expect:", "-T", "-", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = upload.stdin.take().unwrap();
    for _ in 0..8 {
        // Whoever is refused hangs up; what was said then tells why.
        if stdin.write_all(&[b'x'; 1000]).and_then(|()| stdin.flush()).is_err() {
            break;
        }
        // The pace of the client is what is tested.
        std::thread::sleep(Duration::from_millis(300));
    }
    drop(stdin);
    let output = upload.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_server_that_refuses_connections_is_passed_over_whatever_the_method() {
    let upstream = part("echo", &["--name", "alive"]);
    let dead = free_port();
    let door = door(&format!("{{ urls: ['http://127.0.0.1:{dead}', 'http://127.0.0.1:{}'] }}", upstream.port()), "");
    for _ in 0..6 {
        assert_eq!(curl(&[&url(&door, "/")]).json()["upstream"], "alive");
        assert_eq!(curl(&["-d", "a=1", &url(&door, "/")]).json()["body"]["length"], 3);
    }
}

#[test]
fn what_was_sent_is_not_sent_again() {
    let (one, two) = (part("echo", &[]), part("echo", &[]));
    let door = door(&format!("{{ urls: ['http://127.0.0.1:{}', 'http://127.0.0.1:{}'] }}", one.port(), two.port()), "");
    assert_eq!(curl(&["-d", "pay=1", &url(&door, "/reset")]).status, 502);
    let arrived = || [&one, &two].map(|part| part.control("GET", "/requests").as_array().unwrap().len()).iter().sum::<usize>();
    assert_eq!(arrived(), 1, "a request with a body reaches one server");
}

/// A server that says `answer` to each request, and closes a connection after `each` of them without having said so.
fn server(answer: &'static [u8], each: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            connection.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                for _ in 0..each {
                    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                    if connection.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_connection_that_the_server_closed_costs_no_request() {
    let address = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 3);
    let door = door(&format!("{{ url: 'http://{address}' }}"), "");
    for turn in 0..20 {
        assert_eq!(curl(&[&url(&door, "/")]).status, 200, "{turn}: {}", door.process.said());
    }
}

#[test]
fn requests_go_round_and_leave_out_a_server_whose_checks_fail() {
    let (one, two) = (part("echo", &["--name", "one"]), part("echo", &["--name", "two"]));
    let health = "health: { path: /health, interval: 50ms, failures: 2, successes: 2 }";
    let urls = format!("urls: ['http://127.0.0.1:{}', 'http://127.0.0.1:{}']", one.port(), two.port());
    let door = door(&format!("{{ {urls}, {health} }}"), "");
    let answering = || {
        let mut names: Vec<String> =
            (0..6).map(|_| curl(&[&url(&door, "/")]).json()["upstream"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(answering(), ["one", "two"], "both are well before the first request");
    one.tell("/health", &json!({ "status": 503 }));
    eventually("the unwell server is left out", || (answering() == ["two"]).then_some(()));
    one.tell("/health", &json!({ "status": 200 }));
    eventually("the server that is well again takes part", || (answering() == ["one", "two"]).then_some(()));
}

#[test]
fn the_least_busy_server_is_asked() {
    let (one, two) = (part("echo", &["--name", "one"]), part("echo", &["--name", "two"]));
    let urls = format!("urls: ['http://127.0.0.1:{}', 'http://127.0.0.1:{}']", one.port(), two.port());
    let door = door(&format!("{{ {urls}, balance: least_requests }}"), "");
    let slow = url(&door, "/slow?ms=4000");
    let mut busy = Command::new("curl").args(["--silent", &slow]).stdout(Stdio::piped()).spawn().unwrap();
    let count = |part: &crate::support::process::Part| part.control("GET", "/requests").as_array().unwrap().len();
    eventually("one server is busy", || (count(&one) + count(&two) == 1).then_some(()));
    let free = if count(&one) == 1 { "two" } else { "one" };
    for _ in 0..5 {
        assert_eq!(curl(&[&url(&door, "/")]).json()["upstream"], free);
    }
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn the_systems_authorities_are_read_when_needed_and_never_a_panic() {
    let right = Authority::new();
    let (cert, key) = right.sign("localhost");
    let upstream = part("echo", &["--cert", text(&cert), "--key", text(&key)]);
    let folder = TempDir::new().unwrap();
    let start = |url: &str, authorities: &Path| {
        let file = folder.path().join("doorward.yaml");
        let configuration = format!(
            "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstream: {{ url: '{url}' }}\n\
             store: {{ url: 'sqlite:{}/doorward.db' }}\nsecret_key: 0123456789abcdef0123456789abcdef\n\
             routes: [{{ path: /**, access: public }}]\n",
            folder.path().display()
        );
        std::fs::write(&file, configuration).unwrap();
        let mut command = crate::support::door::doorward(&["serve", "--json", "--config"]);
        command.arg(&file).env("SSL_CERT_FILE", authorities).env("SSL_CERT_DIR", "/nonexistent");
        crate::support::Process::start(&mut command)
    };
    let https = format!("https://localhost:{}", upstream.port());
    let door = start(&https, &right.ca());
    let ready = door.json_line();
    let answer = curl(&[&format!("http://{}/", ready["listeners"][0].as_str().unwrap())]);
    assert_eq!(answer.status, 200, "{} {}", answer.text(), door.said());
    drop(door);
    let mut door = start(&https, Path::new("/nonexistent"));
    assert_eq!(door.wait(), Some(78), "{}", door.said());
    assert!(door.said().contains("authorities") && !door.said().contains("panicked"), "{}", door.said());
    let door = start("http://127.0.0.1:1", Path::new("/nonexistent"));
    assert!(door.json_line()["listeners"].is_array(), "{}", door.said());
}
