//! HTTP/2 requests whose bodies come slowly: the connection goes on, the stream is answered.

use std::time::Duration;

use super::wire::Stage;
use crate::support::h2::{DATA, END_HEADERS, END_STREAM, End, HEADERS, block, frame};
use crate::support::{Stopwatch, eventually, part};

const SHORT: &str = "limits: { body_timeout: 1s }\nlogging: { format: json }\n";

#[test]
fn d6_a_body_that_comes_too_slowly_over_http2_gets_408_however_it_trickles() {
    let stage = Stage::before(part("echo", &[]), SHORT);
    for (path, drops) in [("/silent", 1), ("/trickle", 15)] {
        let mut connection = stage.http2(&[]);
        let begun = Stopwatch::start();
        connection.write(&frame(HEADERS, END_HEADERS, 1, &block(&format!("@POST {path}"))));
        for _ in 0..drops {
            connection.write(&frame(DATA, 0, 1, b"a"));
            // Not a wait for something: a byte each tenth of a second must not begin the span anew.
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(connection.end_of(1), End::Answer(408), "{path}");
        begun.within(Duration::from_secs(4));
        let line = eventually("its line is written", || {
            let said = stage.door.process.said();
            said.lines().find(|line| line.contains(path)).map(str::to_owned)
        });
        assert!(line.contains(r#""reason":"body_timeout""#), "{line}");
    }
}

#[test]
fn d6_a_body_that_keeps_coming_over_http2_is_waited_for_and_so_is_the_answer() {
    let stage = Stage::before(part("echo", &[]), SHORT);
    let mut connection = stage.http2(&[]);
    connection.write(&frame(HEADERS, END_HEADERS, 1, &block("@POST /slow?ms=2500")));
    for _ in 0..10 {
        connection.write(&frame(DATA, 0, 1, &[b'a'; 500]));
        // Half a second for a second's worth of bytes.
        std::thread::sleep(Duration::from_millis(500));
    }
    connection.write(&frame(DATA, END_STREAM, 1, b"a"));
    assert_eq!(connection.end_of(1), End::Answer(200));
}

#[test]
fn d6_a_form_that_comes_too_slowly_over_http2_is_not_waited_for() {
    let stage = Stage::before(part("echo", &[]), &format!("{SHORT}connections: [{{ id: local, password: {{}} }}]\n"));
    let mut connection = stage.http2(&[]);
    let begun = Stopwatch::start();
    let form = "@POST /.doorward/sign-in/local¶content-type = application/x-www-form-urlencoded";
    connection.write(&frame(HEADERS, END_HEADERS, 1, &block(form)));
    connection.write(&frame(DATA, 0, 1, b"user=a"));
    let status = connection.end_of(1).status().unwrap();
    assert!((400..500).contains(&status), "{status}");
    begun.within(Duration::from_secs(4));
}
