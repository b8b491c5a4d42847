//! The two ways to an application in HTTP/1.1, ours for requests without a body and the engine's for all others, keep the same
//! rules; and what a server says for one request never answers another.
//!
//! A `Connection` that names a field sends a request the engine's way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Door, PATIENCE, curl, eventually, part};

/// What a lying server does once it has read a request.
#[derive(Clone, Copy)]
enum Step {
    Say(&'static str),
    Wait(u64),
    /// Keeps the connection and says nothing more, whatever comes.
    Hang,
    Close,
}
use Step::{Close, Hang, Say, Wait};

/// By path: what is said to it. All other paths are answered with themselves.
const LIES: &[(&str, &[Step])] = &[
    ("/length", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: a\r\nX-Own: b\r\n\r\nok")]),
    (
        "/pieces",
        &[Say("HTTP/1.1 200 OK\r\nConte"), Wait(50), Say("nt-Length: 4\r\n\r\no"), Wait(50), Say("k"), Wait(50), Say("ok")],
    ),
    (
        "/chunked",
        &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), Wait(50), Say("3;x=y\r\nabc\r\n0\r\n\r\n")],
    ),
    (
        "/trailers",
        &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n")],
    ),
    ("/both", &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n2\r\nok\r\n0\r\n\r\n")]),
    ("/until-close", &[Say("HTTP/1.1 200 OK\r\n\r\nall"), Wait(50), Say(" of it"), Close]),
    ("/old", &[Say("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), Close]),
    ("/old-until-close", &[Say("HTTP/1.0 200 OK\r\n\r\nok"), Close]),
    ("/close", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"), Close]),
    (
        "/hop",
        &[Say(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\nProxy-Connection: a\r\nServer: s\r\n\r\nok",
        )],
    ),
    ("/cookie", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: __Host-doorward=x\r\nSet-Cookie: a=b\r\n\r\nok")]),
    (
        "/interim",
        &[Say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Wait(50), Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
    ),
    (
        "/interims",
        &[Say(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )],
    ),
    ("/interim-only", &[Say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Close]),
    ("/interim-then-nothing", &[Say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Hang]),
    ("/upgraded-unasked", &[Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u{1}")]),
    ("/204", &[Say("HTTP/1.1 204 No Content\r\n\r\n")]),
    ("/304", &[Say("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n")]),
    ("/204-and-body", &[Say("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok")]),
    ("/empty", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]),
    ("/no-reason", &[Say("HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno")]),
    ("/garbage", &[Say("no answer at all\r\n\r\n"), Close]),
    ("/bad-field", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n: a\r\n\r\nok"), Close]),
    ("/bad-length", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok"), Close]),
    ("/two-lengths", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"), Close]),
    ("/same-lengths", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")]),
    ("/bad-chunk", &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"), Close]),
    ("/no-answer", &[Close]),
    ("/half-head", &[Say("HTTP/1.1 200 OK\r\nContent-"), Close]),
    ("/half-body", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Close]),
    ("/half-body-later", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Wait(50), Close]),
    ("/half-chunk", &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"), Close]),
    ("/no-last-chunk", &[Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), Close]),
    ("/silent", &[Hang]),
    ("/silent-head", &[Say("HTTP/1.1 200 OK\r\nContent-"), Hang]),
    ("/silent-body", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Hang]),
    ("/head-and-body", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]),
    ("/more", &[Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")]),
    (
        "/more-chunks",
        &[Say(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen",
        )],
    ),
    (
        "/later",
        &[
            Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            Wait(50),
            Say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"),
        ],
    ),
    (
        "/204-later",
        &[Say("HTTP/1.1 204 No Content\r\n\r\n"), Wait(50), Say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")],
    ),
    (
        "/slow-body",
        &[
            Say("HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\nbegun"),
            Wait(400),
            Say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"),
        ],
    ),
    ("/slow-head", &[Wait(400), Say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")]),
];

/// Serves [`LIES`].
fn liar() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            std::thread::spawn(move || lie(&connection));
        }
    });
    address
}

/// Until the other end has gone.
fn lie(mut connection: &TcpStream) {
    connection.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(connection).lines();
    while let Some(Ok(first)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let path = first.split(' ').nth(1).unwrap_or_default();
        let Some((_, steps)) = LIES.iter().find(|(lie, _)| *lie == path) else {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
            if connection.write_all(answer.as_bytes()).is_err() {
                return;
            }
            continue;
        };
        for step in *steps {
            match step {
                Say(text) if connection.write_all(text.as_bytes()).is_err() => return,
                Say(_) => {}
                // The pace of the server is what is tested.
                Wait(millis) => std::thread::sleep(Duration::from_millis(*millis)),
                Hang => while lines.next().is_some_and(|line| line.is_ok()) {},
                Close => return,
            }
        }
    }
}

/// How long a server may be silent where that is not what is tested: a busy machine takes its time.
const PATIENT: &str = "20s";

fn door(upstream: &str, patience: &str) -> Door {
    let configuration = format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: 'http://{upstream}', timeouts: {{ first_byte: {patience}, idle: {patience} }} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
logging: {{ format: json }}
routes: [{{ path: /**, access: public }}]
"
    );
    Door::serve(&configuration, |_| ())
}

/// What one way makes of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// What the client gets, and what is written down.
    Whole { status: u16, headers: Vec<(String, String)>, body: String, line: Vec<Value> },
    /// The client is told so by the connection's end; how much it got before depends on the moment.
    BrokenOff,
}

fn outcome(door: &Door, path: &str, arguments: &[&str]) -> Outcome {
    let Answer { status, mut headers, body, error } =
        curl(&[arguments, &[&format!("http://{}{path}", door.listener(0))]].concat());
    if !error.is_empty() {
        return Outcome::BrokenOff;
    }
    let id = headers.iter().find(|(name, _)| name == "x-request-id").map(|(_, id)| id.clone()).unwrap();
    let line: Value = eventually("the request has its line", || {
        let said = door.process.said();
        said.lines()
            .find(|line| line.contains(&id) && line.contains("\"decision\""))
            .and_then(|line| serde_json::from_str(line).ok())
    });
    headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    let body = String::from_utf8(body).unwrap().replace(&id, "ID");
    let line = ["decision", "reason", "status", "bytes_out", "upstream", "route"].map(|name| line[name].clone()).to_vec();
    Outcome::Whole { status, headers, body, line }
}

#[test]
fn whatever_a_server_answers_becomes_the_same_on_both_ways() {
    let door = door(&liar().to_string(), "2s");
    let compare = |path: &str| {
        for method in ["GET", "HEAD", "POST"] {
            // curl is told of HEAD in a way of its own.
            let asking: &[&str] = if method == "HEAD" { &["--head"] } else { &["-X", method] };
            let short = outcome(&door, path, asking);
            let engines = outcome(&door, path, &[asking, &["-H", "Connection: x-named"]].concat());
            assert_eq!(short, engines, "{method} {path}");
        }
    };
    // What is waited for to its deadline is waited for together.
    let (silent, others): (Vec<_>, Vec<_>) = LIES.iter().partition(|(_, steps)| steps.iter().any(|step| matches!(step, Hang)));
    std::thread::scope(|scope| {
        for (path, _) in silent {
            scope.spawn(|| compare(path));
        }
        for (path, _) in others {
            compare(path);
        }
    });
    for (path, expected) in [
        ("/until-close", 200),
        ("/interim", 200),
        ("/silent", 504),
        ("/garbage", 502),
        ("/upgraded-unasked", 502),
        ("/half-head", 502),
    ] {
        let outcome = outcome(&door, path, &[]);
        assert!(matches!(outcome, Outcome::Whole { status, .. } if status == expected), "{path}: {outcome:?}");
    }
    for path in ["/half-body", "/half-body-later", "/half-chunk", "/no-last-chunk", "/bad-chunk", "/silent-body"] {
        assert_eq!(outcome(&door, path, &[]), Outcome::BrokenOff, "{path}");
    }
}

#[test]
fn what_was_read_of_an_answer_that_breaks_off_reaches_the_client_on_both_ways() {
    let door = door(&liar().to_string(), PATIENT);
    // The end is read together with what was before it, or alone.
    for path in ["/half-body", "/half-body-later"] {
        for fields in ["", "Connection: x-named\r\n"] {
            let mut client = TcpStream::connect(door.listener(0)).unwrap();
            write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            let whole = answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhalf");
            assert!(whole, "{path} {fields:?}: {answer:?}");
        }
    }
}

#[test]
fn what_a_server_has_said_of_a_body_does_not_wait_for_the_rest_on_either_way() {
    // Longer than a client here waits: only what is passed on at once arrives.
    let door = door(&liar().to_string(), "10m");
    for more in ["", "Connection: x-named\r\n"] {
        let mut client = Client::of(&door);
        client.send("GET", "/silent-body", more);
        let answer = client.until("half");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhalf"), "{more:?}: {answer:?}");
    }
}

#[test]
fn whatever_a_request_carries_arrives_the_same_on_both_ways() {
    let upstream = part("echo", &[]);
    let door = door(&format!("127.0.0.1:{}", upstream.port()), PATIENT);
    let seen = |arguments: &[&str]| {
        let address = format!("http://{}/a?b=c", door.listener(0));
        let answer = curl(&[arguments, &[&address]].concat()).json();
        let pairs: Vec<Value> = answer["raw_headers"].as_array().unwrap().clone();
        let mut fields: Vec<(String, String)> = if pairs.first().is_some_and(Value::is_array) {
            pairs.iter().map(|pair| (pair[0].to_string().to_lowercase(), pair[1].to_string())).collect()
        } else {
            pairs.chunks(2).map(|pair| (pair[0].to_string().to_lowercase(), pair[1].to_string())).collect()
        };
        fields.retain(|(name, _)| !matches!(name.as_str(), "\"x-request-id\"" | "\"traceparent\""));
        fields.sort();
        (answer["method"].clone(), answer["url"].clone(), answer["http_version"].clone(), fields)
    };
    for fields in [
        &[][..],
        &["TE: trailers", "Trailer: X-End", "Keep-Alive: timeout=9", "Proxy-Connection: a", "HTTP2-Settings: AAMAAABk"],
        &["Proxy-Authorization: Basic YTpi", "Proxy-Authenticate: Basic", "Authorization: Basic YTpi"],
        &["X-Twice: a", "X-Twice: b", "Cookie: a=b; __Host-doorward=x; c=d", "X-Forwarded-User: root", "X_Forwarded_User: root"],
        &["Expect: 100-continue", "Range: bytes=0-1", "If-None-Match: \"a\"", "Accept-Encoding: gzip"],
    ] {
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["-H", *field]).collect();
        for method in ["GET", "DELETE", "OPTIONS", "POST"] {
            arguments.extend(["-X", method]);
            let short = seen(&arguments);
            assert_eq!(
                short,
                seen(&[&arguments[..], &["-H", "Connection: x-named", "-H", "X-Named: gone"]].concat()),
                "{method} {fields:?}"
            );
            assert!(!format!("{short:?}").contains("root"), "{short:?}");
        }
    }
}

/// A client's connection that asks again and again.
struct Client(TcpStream);

impl Client {
    fn of(door: &Door) -> Self {
        let tcp = TcpStream::connect(door.listener(0)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(tcp)
    }

    fn send(&mut self, method: &str, path: &str, more: &str) {
        self.0.write_all(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n").as_bytes()).unwrap();
    }

    /// What comes until the answer holds `end`.
    fn until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&heard).contains(end) && self.0.read(&mut byte).is_ok_and(|read| read == 1) {
            heard.push(byte[0]);
        }
        String::from_utf8(heard).unwrap()
    }
}

#[test]
fn what_was_said_for_one_request_never_answers_another() {
    let door = door(&liar().to_string(), PATIENT);
    let own = |client: &mut Client, turn: usize, about: &str| {
        let path = format!("/own/{turn}");
        client.send("GET", &path, "");
        let answer = client.until(&path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&path), "{about}: {answer}");
        assert!(!answer.contains("stolen"), "{about}: {answer}");
    };
    for more in ["", "Connection: x-named\r\n"] {
        for (method, path, end) in [
            ("GET", "/more", "\r\n\r\nok"),
            ("GET", "/more-chunks", "0\r\n\r\n"),
            ("GET", "/later", "\r\n\r\nok"),
            ("GET", "/204-later", "\r\n\r\n"),
            ("GET", "/204-and-body", "\r\n\r\n"),
            ("HEAD", "/head-and-body", "\r\n\r\n"),
            ("HEAD", "/later", "\r\n\r\n"),
            ("GET", "/interims", "\r\n\r\nok"),
        ] {
            // One connection is served by one thread, and so from one pool.
            let mut client = Client::of(&door);
            own(&mut client, 0, path);
            client.send(method, path, more);
            let answer = client.until(end);
            assert!(!answer.contains("stolen"), "{method} {path}: {answer}");
            // Until the server has said what it was not asked for.
            std::thread::sleep(Duration::from_millis(150));
            for turn in 1..4 {
                own(&mut client, turn, path);
            }
        }
    }
}

#[test]
fn what_a_client_did_not_wait_for_answers_nobody_else() {
    let door = door(&liar().to_string(), "2s");
    for more in ["", "Connection: x-named\r\n"] {
        for (path, begun) in [("/slow-body", "begun"), ("/slow-head", "")] {
            // At least one on each thread. The engine keeps the beginning of a body back until there is more or no end of it in sight.
            std::thread::scope(|scope| {
                for _ in 0..32 {
                    scope.spawn(|| {
                        let mut client = Client::of(&door);
                        client.send("GET", path, more);
                        client.until(begun);
                    });
                }
            });
            for wait in [0, 500] {
                std::thread::sleep(Duration::from_millis(wait));
                for turn in 0..32 {
                    let mut client = Client::of(&door);
                    let own = format!("/own/{turn}");
                    client.send("GET", &own, "");
                    let answer = client.until(&own);
                    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&own), "{path}: {answer}");
                }
            }
        }
    }
}
