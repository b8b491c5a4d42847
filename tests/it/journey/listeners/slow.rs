//! Clients that take their time: heads, handshakes, idle connections.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Authority, Stage, ask, to_the_end};
use crate::support::{PATIENCE, Stopwatch};

/// Spans of a second are over within three.
#[track_caller]
fn soon(begun: &Stopwatch) {
    begun.within(Duration::from_secs(3));
    assert!(begun.by_the_clock() > Duration::from_millis(700), "{:?}", begun.by_the_clock());
}

#[test]
fn a_slow_head_gets_408_however_it_trickles() {
    let stage = Stage::set("{ address: 127.0.0.1:0 }", "limits: { header_timeout: 1s }", |_| {});
    let begun = Stopwatch::start();
    let mut tcp = stage.tcp();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nX-Slow: ").unwrap();
    let mut trickle = tcp.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        let dripping = Instant::now();
        // Each byte must not begin the span anew. Ends when the door has closed.
        while dripping.elapsed() < PATIENCE && trickle.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let answer = to_the_end(&mut tcp);
    soon(&begun);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    drip.join().unwrap();

    let begun = Stopwatch::start();
    assert_eq!(to_the_end(&mut stage.tcp()), "", "who says nothing gets no answer");
    soon(&begun);
    assert_eq!(stage.arrived(), 0);
}

#[test]
fn a_slow_handshake_is_cut() {
    let listener = "{ address: 127.0.0.1:0, tls: { certificates: [{ cert: app.pem, key: app.key }] } }";
    let stage = Stage::set(listener, "limits: { handshake_timeout: 1s }", |folder| {
        let authority = Authority::new();
        fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
        authority.issue(folder, "app", &["app.test"]);
    });
    // Nothing, and the beginning of a ClientHello.
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let begun = Stopwatch::start();
        let mut tcp = stage.tcp();
        tcp.write_all(beginning).unwrap();
        assert_eq!(to_the_end(&mut tcp), "");
        soon(&begun);
    }
    assert_eq!(stage.https("app.test", &[]).status, 200);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let stage = Stage::set("{ address: 127.0.0.1:0 }", "limits: { keep_alive: 1s }", |_| {});
    let mut tcp = stage.tcp();
    let begun = Instant::now();
    // An answer that takes longer than the span, because a connection that waits for its answer is not idle.
    assert!(ask(&mut tcp, "/slow?ms=1500").starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert!(ask(&mut tcp, "/again").starts_with("HTTP/1.1 200 "));
    let begun = Stopwatch::start();
    assert_eq!(to_the_end(&mut tcp), "");
    soon(&begun);
    assert_eq!(stage.arrived(), 2);
}

/// Whether or not its first bytes had to be waited for, which is a matter of luck: so there are several.
#[test]
fn an_http2_connection_lives_on_when_the_time_for_its_first_bytes_is_over() {
    let listener = "{ address: 127.0.0.1:0, tls: { certificates: [{ cert: app.pem, key: app.key }] } }";
    let stage = Stage::set(listener, "limits: { header_timeout: 1s }", |folder| {
        let authority = Authority::new();
        fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
        authority.issue(folder, "app", &["app.test"]);
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let answer = stage.https("app.test", &["--http2", "--request-target", "/slow?ms=2500"]);
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
}
