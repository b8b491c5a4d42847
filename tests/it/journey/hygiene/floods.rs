//! Floods of HTTP/2 frames: the connection that sends them ends or waits, memory stays, and others are answered meanwhile.

use std::time::Duration;

use super::wire::Stage;
use crate::support::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, HEADERS, Http2, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
    frame,
};
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

/// Processor time that the door has used (proc(5)).
fn processor_time(stage: &Stage) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stage.door.process.id())).unwrap();
    let ticks = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
    // Hundredths of a second (sysconf(3), USER_HZ).
    Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
}

#[test]
fn d4_floods_of_frames_that_ask_for_nothing_cost_no_memory_and_little_time() {
    let floods: [(&str, Vec<u8>); 8] = [
        ("ping", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("table size", frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])),
        ("empty data", frame(DATA, 0, 1, &[])),
        ("priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("priority of streams that never were", frame(PRIORITY, 0, 0x00ff_ffff, &[0, 0, 0, 3, 16])),
        ("window of a stream", frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ("window of the connection", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
    ];
    endure(&Stage::set(""), |stage| {
        for (name, one) in &floods {
            let before = processor_time(stage);
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
            let spent = processor_time(stage).saturating_sub(before);
            // Unoptimised, a frame takes a few microseconds.
            assert!(spent < Duration::from_secs(8), "200,000 × {name}: {spent:?}");
        }
    });
}

/// A block that puts one field into the table of HPACK and then names it again and again, one byte each (RFC 7541 §6.2.1, §6.1).
fn bomb(name: &str, value: usize, times: usize) -> Vec<u8> {
    let mut bytes = block("@GET /bomb");
    bytes.push(0x40);
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend(name.as_bytes());
    // An integer of two or three bytes behind a prefix of seven bits (RFC 7541 §5.1).
    let rest = value - 127;
    bytes.extend([127, u8::try_from(rest % 128 + 128).unwrap(), u8::try_from(rest / 128).unwrap()]);
    bytes.extend(vec![b'a'; value]);
    // 62 is the newest field of the table.
    bytes.extend(vec![0xbe; times]);
    bytes
}

#[test]
fn d7_a_header_that_grows_when_it_is_unpacked_is_refused_and_costs_no_memory() {
    endure(&Stage::set(""), |stage| {
        for (name, block) in [
            ("one large field sixty megabytes' worth", bomb("x-large", 3900, 12_000)),
            ("crumbs of a cookie", bomb("cookie", 128, 16_000)),
        ] {
            let before = processor_time(stage);
            let mut connection = stage.http2(&[]);
            for turn in 0..40 {
                let stream = 2 * turn + 1;
                connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
                let end = connection.end_of(stream);
                assert!(matches!(end, End::Answer(431) | End::Reset(_) | End::Away(_) | End::HungUp), "{name}: {end:?}");
                if connection.over {
                    break;
                }
            }
            let spent = processor_time(stage).saturating_sub(before);
            assert!(spent < Duration::from_secs(8), "{name}: {spent:?}");
        }
        assert_eq!(stage.arrived().matches("/bomb").count(), 0);
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
