//! What is refused a thousand times a second is in the trail, each once and in order, whatever happens to the store and to the door.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{configuration, metric, secret};
use crate::support::disk::limit_files;
use crate::support::store::locked;
use crate::support::{Door, PATIENCE, curl, eventually, part, part_at_port};

const CONNECTIONS: usize = 8;
/// As many as come in a minute, a thousand each second.
const MINUTE: usize = 60_000;
/// Nobody is let in there, and no store is asked why.
pub(super) const CLOSED: &str = "  - { path: /closed/**, access: deny }\n";

/// The ids of the requests that were answered, in their order, for each connection.
pub(super) type Answered = Vec<Vec<String>>;

/// Sends `count` requests that are refused, over several connections; fewer, if the door goes away.
pub(super) fn refused(door: &Door, count: usize) -> Answered {
    refused_at(door.listener(0), count)
}

pub(super) fn refused_at(address: &str, count: usize) -> Answered {
    std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(move || refused_on_one(address, count / CONNECTIONS))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

fn refused_on_one(address: &str, count: usize) -> Vec<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut ids = Vec::new();
    for _ in 0..count {
        if stream.write_all(b"GET /closed/door HTTP/1.1\r\nHost: localhost:1\r\n\r\n").is_err() {
            break;
        }
        let Some(id) = answer(&mut answers) else { break };
        ids.push(id);
    }
    ids
}

/// The id in a whole answer.
pub(super) fn answer(answers: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut id, mut length) = (None, 0);
    for place in 0.. {
        let mut line = String::new();
        if answers.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        assert!(place > 0 || line.contains(" 403"), "{line}");
        match line.split_once(": ") {
            Some(("x-request-id", value)) => id = Some(value.to_owned()),
            Some(("content-length", value)) => length = value.parse().unwrap(),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).ok()?;
    id
}

/// The requests of the trail's refusals, the oldest first.
fn recorded(door: &Door) -> Vec<String> {
    let listed = door.command(&["audit", "list", "--kind", "access_denied", "--limit", "1000000"]);
    listed.as_array().unwrap().iter().map(|event| event["request_id"].as_str().unwrap().to_owned()).collect()
}

/// Each of `answered` is in the trail once, and in its order.
#[track_caller]
pub(super) fn is_recorded(door: &Door, answered: &Answered) {
    let count: usize = answered.iter().map(Vec::len).sum();
    let trail = eventually("everything is in the trail", || {
        let waits = metric(door, "doorward_audit_events_waiting").unwrap_or(1.0) > 0.0;
        (!waits).then(|| recorded(door)).filter(|trail| trail.len() >= count)
    });
    let places: BTreeMap<&str, usize> = trail.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    assert_eq!(places.len(), trail.len(), "none is there twice");
    for ids in answered {
        let found: Vec<usize> = ids.iter().filter_map(|id| places.get(id.as_str()).copied()).collect();
        assert_eq!(found.len(), ids.len(), "none is missing");
        assert!(found.is_sorted(), "the order of a connection is the trail's");
    }
    assert_eq!(metric(door, "doorward_audit_events_lost_total"), Some(0.0));
}

#[test]
fn refusals_of_a_minute_without_a_store_follow_in_order_and_once_as_soon_as_it_is_back() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), CLOSED), secret);
    let answered = locked(door.folder(), || {
        let answered = refused(&door, MINUTE);
        let kept = metric(&door, "doorward_audit_events_waiting").unwrap();
        assert!(kept >= 50_000.0, "they wait on the disk: {kept}");
        answered
    });
    assert_eq!(answered.iter().map(Vec::len).sum::<usize>(), MINUTE);
    is_recorded(&door, &answered);
}

#[test]
fn the_same_holds_of_a_database_that_is_gone() {
    let (upstream, database) = (part("echo", &[]), part_at_port("postgres", &[]));
    let url = database.ready["url"].as_str().unwrap();
    let configuration = configuration(upstream.port(), CLOSED).replace("sqlite:{folder}/doorward.db", url)
        + "audit: { journal: '{folder}/events' }\n";
    let door = Door::serve(&configuration, secret);
    assert_eq!(database.tell("/stop", &json!({})).status, 200);
    let answered = refused(&door, MINUTE / 4);
    assert_eq!(database.tell("/start", &json!({})).status, 200);
    assert_eq!(answered.iter().map(Vec::len).sum::<usize>(), MINUTE / 4);
    is_recorded(&door, &answered);
}

#[test]
fn whoever_was_answered_is_in_the_trail_of_a_door_that_was_killed() {
    let upstream = part("echo", &[]);
    let mut door = Door::serve(&configuration(upstream.port(), CLOSED), secret);
    let mut answered = Vec::new();
    for round in 0..3 {
        let folder = door.folder().to_owned();
        // The second time the store takes everything meanwhile.
        let round_of = || {
            std::thread::scope(|scope| {
                let sending = scope.spawn(|| refused(&door, 100 * MINUTE));
                eventually("many are refused", || (waiting_or_recorded(&door) > 500.0).then_some(()));
                // Not a wait for something: the kill has to come in the middle of the work, each time at another moment.
                std::thread::sleep(Duration::from_millis(97 * (round + 1)));
                door.process.signal("KILL");
                sending.join().unwrap()
            })
        };
        let ids = if round == 1 { round_of() } else { locked(&folder, round_of) };
        assert!(ids.iter().map(Vec::len).sum::<usize>() > 500);
        answered.extend(ids);
        door.process.wait();
        door.begin_again();
    }
    is_recorded(&door, &answered);
    let said = door.process.said();
    assert!(!said.contains("lost"), "{said}");
}

fn waiting_or_recorded(door: &Door) -> f64 {
    let refused = "doorward_requests_total{route=\"/closed/**\",decision=\"denied\",status=\"4xx\"}";
    metric(door, refused).unwrap_or_default()
}

#[test]
fn without_room_for_the_store_changes_are_refused_and_refusals_wait_in_the_room_that_was_taken_before() {
    const ROOM: u64 = 1024 * 1024;
    let upstream = part("echo", &[]);
    let more = format!("{CLOSED}admin_api: {{ roles: [admin] }}\nroles: {{ ranked: [admin] }}\n");
    let door = Door::serve(&configuration(upstream.port(), &more), secret);
    let made = door.command(&["key", "create", "--name", "k", "--role", "admin"]);
    let key = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    let create = || {
        let url = format!("http://{}/.doorward/api/v1/keys", door.listener(0));
        curl(&["-H", &key, "-H", "Content-Type: application/json", "-d", "{\"name\":\"x\"}", &url]).status
    };
    assert_eq!(create(), 201);
    let log = door.folder().join("doorward.db-wal");
    let mut answered = Vec::new();
    eventually("the store's log is as large as the room", || {
        answered.extend(refused(&door, 80));
        (std::fs::metadata(&log).unwrap().len() >= ROOM).then_some(())
    });
    limit_files(&door.process, Some(ROOM));
    assert_eq!((create(), create()), (503, 503));
    answered.extend(refused(&door, 1000));
    let kept = metric(&door, "doorward_audit_events_waiting").unwrap();
    assert!(kept >= 1000.0, "{kept} wait");
    assert_eq!(create(), 503);
    limit_files(&door.process, None);
    is_recorded(&door, &answered);
    assert_eq!(create(), 201);
}

#[test]
fn the_journal_is_nobody_elses_to_read_and_empty_once_the_trail_has_everything() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), &format!("{CLOSED}audit: {{ journal_size: 2097152 }}\n")), secret);
    is_recorded(&door, &refused(&door, 40));
    let journal = door.folder().join("doorward.db-events");
    let about = std::fs::metadata(&journal).unwrap();
    assert_eq!((about.permissions().mode() & 0o777, about.len()), (0o600, 2_097_152));
    let left = || std::fs::read(&journal).unwrap().windows(6).any(|bytes| bytes == b"closed");
    eventually("nothing of what was refused is left in it", || (!left()).then_some(()));
    assert!(door.events("access_denied").iter().all(|event| event["reason"].is_string()), "what came back is whole");
}
