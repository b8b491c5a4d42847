//! The running door sends the same events by every way, through its own end by -9 and that of a receiver.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::audit::{Event, Kind, Outcome};
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::TenantId;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::super::{configuration, secret};
use super::otlp::Receiver;
use super::syslog::Rsyslog;
use crate::support::{Door, PATIENCE, Part, curl, eventually, part};

/// A door with these sinks before an echo.
fn door(upstream: &Part, sinks: &[String]) -> Door {
    let sinks = sinks.join("\n    - ");
    Door::serve(&configuration(upstream.port(), &format!("audit:\n  source: here\n  sinks:\n    - {sinks}\n")), secret)
}

/// Records so many events, as a command of this machine does.
fn record(door: &Door, runtime: &Runtime, count: usize) {
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&door.config()).unwrap().config;
    let events = (0..count).map(|_| Event::new(SystemClock.now(), Kind::AccessDenied, Outcome::Failure, &TenantId::default()));
    let events = events.collect();
    runtime.block_on(async {
        let memory = Memory::open(&config, &clock).await.unwrap();
        memory.trail.append(events).await.unwrap();
    });
}

/// The first of each.
fn firsts(links: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut seen = HashSet::new();
    links.into_iter().filter(|link| seen.insert(*link)).collect()
}

fn link(line: &str) -> i64 {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    event["link"].as_i64().unwrap_or_else(|| panic!("{line}"))
}

fn in_file(path: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be under way.
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(link).collect()
}

#[test]
fn every_way_has_every_event_in_order_though_door_and_receiver_were_killed() {
    let (server, receiver, upstream) = (Rsyslog::start(2100, None), Receiver::start(&[]), part("echo", &[]));
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("audit.jsonl");
    let (tls, ca) = (server.part.ready["tls"].as_u64().unwrap(), server.folder().join("ca.pem"));
    let mut door = door(
        &upstream,
        &[
            format!("{{ id: syslog, from: beginning, syslog: {{ url: \"tls://localhost:{tls}\" }}, ca: {} }}", ca.display()),
            format!("{{ id: otel, from: beginning, otlp: {{ url: \"http://127.0.0.1:{}\" }} }}", receiver.0.port()),
            format!("{{ id: disk, from: beginning, format: doorward, file: {{ path: {} }} }}", file.display()),
        ],
    );
    let runtime = Runtime::new().unwrap();
    for round in 0..6 {
        record(&door, &runtime, 40);
        match round {
            1 => server.ask("/kill"),
            2 => {
                door.process.signal("KILL");
                door.process.wait();
                door.begin_again();
            }
            3 => server.ask("/start"),
            _ => {}
        }
    }
    let all: Vec<i64> = (1..=240).collect();
    eventually("the receiver of records has all", || (firsts(receiver.links()) == all).then_some(()));
    eventually("the file has all", || (firsts(in_file(&file)) == all).then_some(()));
    server.has_all_up_to(240);
}

#[test]
fn lines_on_standard_output_are_never_broken_by_those_of_requests() {
    let upstream = part("echo", &[]);
    let door = door(&upstream, &["{ id: console, from: beginning, format: doorward, stdout: {} }".to_owned()]);
    let runtime = Runtime::new().unwrap();
    for _ in 0..10 {
        record(&door, &runtime, 30);
        curl(&[&format!("http://{}/open/", door.listener(0))]);
    }
    let mut links = Vec::new();
    while links.len() < 300 {
        let line = door.process.line(PATIENCE).unwrap();
        let event: Option<Value> = serde_json::from_str(&line).ok();
        match event.as_ref().and_then(|event| event["link"].as_i64()) {
            Some(link) => links.push(link),
            // An access line, which is whole as well.
            None => assert!(line.contains("request_id") && !line.contains("\"link\""), "{line}"),
        }
    }
    assert_eq!(firsts(links), (1..=300).collect::<Vec<_>>());
}
