//! The audit trail on its way to a receiver by webhook, through the running door: nothing lost, order kept, twice only by the same id.

mod bounds;
mod certificates;
mod chosen;
mod inside;
mod replicas;
mod through_failures;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::audit::{Event, Kind, Outcome};
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::TenantId;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{configuration, secret};
use crate::support::{Door, Part, eventually, part, python_part};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A running door with sinks, and the store beside it, as a command of the same machine has it.
struct House {
    door: Door,
    memory: Memory,
    runtime: Runtime,
    _upstream: Part,
}

impl House {
    /// `sinks`: items of the list.
    fn new(sinks: &str, prepare: impl FnOnce(&std::path::Path)) -> Self {
        let upstream = part("echo", &[]);
        let door = Door::serve(&configuration(upstream.port(), &audit(sinks)), |folder| {
            secret(folder);
            prepare(folder);
        });
        let runtime = Runtime::new().unwrap();
        let memory = memory_of(&door, &runtime);
        Self { door, memory, runtime, _upstream: upstream }
    }

    /// Records `events` as a command of this machine does.
    fn record(&self, events: Vec<Event>) {
        self.runtime.block_on(self.memory.trail.append(events)).unwrap();
    }

    /// Where a sink is, once that is so far as `fits` wants.
    #[track_caller]
    fn standing(&self, sink: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually("the sink is so far", || {
            let listed = self.door.command(&["audit", "sinks"]);
            listed.as_array().unwrap().iter().find(|standing| standing["sink"] == sink && fits(standing)).cloned()
        })
    }

    /// Until the sink has what there is.
    #[track_caller]
    fn delivered(&self, sink: &str) -> Value {
        self.standing(sink, |standing| standing["state"] == "delivered")
    }
}

fn audit(sinks: &str) -> String {
    format!("audit:\n  source: here\n  sinks:\n{sinks}")
}

fn memory_of(door: &Door, runtime: &Runtime) -> Memory {
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&door.config()).unwrap().config;
    runtime.block_on(Memory::open(&config, &clock)).unwrap()
}

/// A receiver at a port that it keeps.
fn siem(port: u16, more: &[&str]) -> Part {
    python_part("siem", &[&["--port", &port.to_string(), "--secret", SECRET], more].concat())
}

fn event(target: &str) -> Event {
    let mut event = Event::new(SystemClock.now(), Kind::AccessDenied, Outcome::Failure, &TenantId::default());
    event.target = Some(target.to_owned());
    event
}

/// What a receiver was given, over all its lives: (chain, link, id) in the order of arrival.
#[derive(Default)]
pub(super) struct Seen(pub(super) Vec<(String, i64, String)>);

impl Seen {
    fn add(&mut self, siem: &Part) {
        let seen: Vec<(String, i64, String)> = serde_json::from_value(siem.control("GET", "/seen")).unwrap();
        self.0.extend(seen);
    }

    /// Each link of `chain` but `missing`, up to `last`, came first in order; what came again was the same event. Says how often something
    /// came again.
    #[track_caller]
    pub(super) fn is_whole(&self, chain: &str, last: i64, missing: &[i64]) -> usize {
        let mut known = BTreeMap::new();
        let mut order = Vec::new();
        let mut again = 0;
        for (_, link, id) in self.0.iter().filter(|(its, _, _)| its == chain) {
            match known.insert(*link, id) {
                None => order.push(*link),
                Some(first) => {
                    again += 1;
                    assert_eq!(first, id, "link {link} of {chain} is two events");
                }
            }
        }
        assert!(order.is_sorted(), "{chain}: {:?}", order.windows(2).filter(|two| two[0] > two[1]).collect::<Vec<_>>());
        let wanted: BTreeSet<i64> = (1..=last).filter(|link| !missing.contains(link)).collect();
        let lost: Vec<_> = wanted.iter().filter(|link| !known.contains_key(link)).collect();
        assert!(lost.is_empty(), "{chain}: {} lost: {lost:?}", lost.len());
        again
    }
}

fn knobs(siem: &Part, knobs: &Value) {
    assert_eq!(siem.tell("/knobs", knobs).status, 200);
}

fn well(siem: &Part) {
    knobs(siem, &json!({}));
}
