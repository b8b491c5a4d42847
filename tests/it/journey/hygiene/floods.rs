//! Floods of HTTP/2 frames: the connection that sends them ends or waits, memory stays, and others are answered meanwhile.

use std::time::Duration;

use super::wire::Stage;
use crate::support::h2::{CONTINUATION, DATA, END_HEADERS, End, HEADERS, Http2, PING, RST_STREAM, SETTINGS, block, frame};
use crate::support::part;

/// What a flood may add to the resident memory, in bytes.
const ROOM: u64 = 24 << 20;

/// The most memory the door has had resident, in bytes (proc(5)).
fn peak(stage: &Stage) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.door.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Another guest gets an answer.
#[track_caller]
fn another_is_answered(stage: &Stage) {
    assert_eq!(stage.http2(&[]).ask("@GET /another"), End::Answer(200));
}

/// Runs a flood against a warm door and sees that it costs no memory and nobody else.
#[track_caller]
fn endure(stage: &Stage, flood: impl FnOnce(&Stage)) {
    for _ in 0..20 {
        another_is_answered(stage);
    }
    let before = peak(stage);
    flood(stage);
    another_is_answered(stage);
    let grown = peak(stage) - before;
    assert!(grown < ROOM, "{} MiB", grown >> 20);
}

#[test]
fn d1_streams_opened_and_reset_again_and_again_end_the_connection() {
    endure(&Stage::set(""), |stage| {
        let mut connection = stage.http2(&[]);
        let mut last = 0;
        for _ in 0..20 {
            let mut bytes = Vec::new();
            for _ in 0..100 {
                let (stream, request) = connection.request("@GET /reset");
                bytes.extend(request);
                bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                last = stream;
            }
            connection.write(&bytes);
        }
        let end = connection.end_of(last + 2);
        assert!(matches!(end, End::Away(_) | End::HungUp), "after 2,000 resets: {end:?}");
    });
}

/// A request that is reset again after `wait`; what its reset says is that it is cancelled.
fn given_up<S: std::io::Read + std::io::Write>(connection: &mut Http2<S>, wait: Duration) -> u32 {
    let stream = connection.send("@GET /hang");
    // Not a wait for something: this is the pace of the attack.
    std::thread::sleep(wait);
    connection.write(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    stream
}

#[test]
fn d1_streams_reset_at_a_pace_end_the_connection_before_the_application_is_worn_out() {
    let stage = Stage::before(part("echo", &[]), "");
    endure(&stage, |stage| {
        let mut connection = stage.http2(&[]);
        let mut last = 0;
        for _ in 0..1500 {
            last = given_up(&mut connection, Duration::from_millis(2));
        }
        let end = connection.end_of(last + 2);
        assert!(matches!(end, End::Away(_) | End::HungUp), "after 1,500 resets: {end:?}");
        let reached = stage.seen("/hang");
        assert!((400..700).contains(&reached), "{reached} of 1,500 reached the application");
    });
}

#[test]
fn d1_a_client_that_waits_or_gives_up_now_and_then_is_not_cut() {
    let stage = Stage::before(part("echo", &[]), "");
    let mut patient = stage.http2(&[]);
    for _ in 0..6 {
        let streams: Vec<u32> = (0..100).map(|_| patient.send("@GET /hang")).collect();
        // Longer than what counts as hardly waited.
        std::thread::sleep(Duration::from_millis(1200));
        for stream in streams {
            patient.write(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        assert_eq!(patient.ask("@GET /still"), End::Answer(200));
    }
    let mut fickle = stage.http2(&[]);
    for turn in 0..600 {
        // Without a body: this client opens no window again.
        assert_eq!(fickle.ask("@HEAD /asked"), End::Answer(200), "{turn}");
        // For each that it gives up it waits for more than one.
        if turn % 12 != 0 {
            given_up(&mut fickle, Duration::from_millis(1));
        }
    }
    assert_eq!(stage.seen("/hang"), 600 + 550);
}

#[test]
fn d2_streams_that_the_door_must_reset_again_and_again_end_the_connection() {
    endure(&Stage::set(""), |stage| {
        let mut connection = stage.http2(&[]);
        let mut last = 0;
        for _ in 0..1000 {
            let (stream, request) = connection.request("@GET /mine¶connection = close");
            connection.write(&request);
            last = stream;
        }
        let end = connection.end_of(last + 2);
        assert!(matches!(end, End::Away(_) | End::HungUp), "after 1,000 mistakes: {end:?}");
    });
}

#[test]
fn d3_a_header_block_without_end_ends_the_connection() {
    endure(&Stage::set(""), |stage| {
        for piece in [block("x = y").repeat(2000), vec![], block("x = y")] {
            let mut connection = stage.http2(&[]);
            connection.write(&frame(HEADERS, 0, 1, &block("@GET /")));
            let more = frame(CONTINUATION, 0, 1, &piece);
            for _ in 0..10_000 {
                if connection.over {
                    break;
                }
                connection.write(&more);
            }
            let end = connection.end_of(1);
            assert!(matches!(end, End::Away(_) | End::HungUp | End::Reset(_)), "{} bytes each: {end:?}", piece.len());
        }
        assert_eq!(stage.arrived().matches("GET / HTTP").count(), 0, "the request was never complete");
    });
}

#[test]
fn d4_floods_of_pings_settings_and_empty_data_cost_nothing() {
    endure(&Stage::set(""), |stage| {
        for one in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]), frame(DATA, 0, 1, &[])] {
            let mut connection = stage.http2(&[]);
            connection.write(&frame(HEADERS, END_HEADERS, 1, &block("@POST /flood")));
            let many = one.repeat(1000);
            for _ in 0..200 {
                if connection.over {
                    break;
                }
                connection.write(&many);
            }
            another_is_answered(stage);
        }
    });
}

#[test]
fn d5_readers_without_a_window_do_not_make_the_door_hoard() {
    let stage = Stage::before(part("echo", &[]), "");
    endure(&stage, |stage| {
        let mut connection = stage.http2(&[(4, 0)]);
        let streams: Vec<u32> = (0..20).map(|_| connection.send(&format!("@GET /bytes?n={}", 200 << 20))).collect();
        connection.head_of(streams[0]);
        // What the door would take of four gigabytes, it takes while others are served.
        for _ in 0..60 {
            another_is_answered(stage);
        }
    });
}
