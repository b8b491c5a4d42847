//! Sessions that end by themselves, in the trail.

use std::sync::Arc;
use std::time::Duration;

use doorward::app::memory::Memory;
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::{Session, UserId};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{configuration, secret};
use crate::support::session::just_begun;
use crate::support::{Door, eventually};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_session_that_ends_by_itself_is_told_once_whoever_finds_it() {
    let mut door = Door::serve(&configuration(9, "connections: [{ id: local, password: {} }]\nsessions: { idle: 1h }\n"), secret);
    let runtime = Runtime::new().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&door.config()).unwrap().config;
    let memory = runtime.block_on(Memory::open(&config, &clock)).unwrap();
    let (ada, now) = (UserId(Uuid::new_v4()), SystemClock.now());
    let ago = |minutes: u32| now.before(MINUTE * minutes);
    let made = |handle: &str| Session { created_at: ago(200), ..just_begun(ada, handle, handle) };
    for session in [
        Session { expires_at: ago(10), last_seen_at: ago(30), ..made("over") },
        Session { last_seen_at: ago(90), ..made("idle") },
        Session { last_seen_at: ago(30), ..made("live") },
        Session { expires_at: ago(10), revoked_at: Some(ago(20)), ..made("ended") },
    ] {
        runtime.block_on(memory.sessions.create(&session)).unwrap();
    }
    for _ in 0..2 {
        door.restart();
        let events = eventually("both are told", || Some(door.events("session_expired")).filter(|events| events.len() >= 2));
        let mut told: Vec<_> =
            events.iter().map(|event| (event["session"].as_str().unwrap(), event["reason"].as_str().unwrap())).collect();
        told.sort_unstable();
        assert_eq!(told, [("idle", "idle"), ("over", "absolute")]);
        for event in &events {
            assert_eq!((&event["target"], &event["outcome"]), (&json!(ada.to_string()), &json!("success")));
            let ended = if event["session"] == "over" { ago(10) } else { ago(30) };
            assert_eq!(event["details"], json!({ "ended_at": ended.to_string(), "connection": "local" }));
        }
    }
    let alarms = door.command(&["audit", "list", "--severity", "notice", "--kind", "session_expired"]);
    assert_eq!(alarms, json!([]), "it happens all day");
}
