//! A sink that was understood: what it gets, in which form, and the way there.
//!
//! Refuses nothing itself; a sink with a problem is never planned.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::filter::Filter;
use super::mapping::Mapping;
use super::transport::{Most, Outgoing, Transport};
use crate::audit::{Entry, ocsf};
use crate::clock::SharedClock;
use crate::config::sink::{Format, Sink};
use crate::config::{Path, Problems};

/// A sink that was understood.
#[derive(Clone, Debug)]
pub struct Planned {
    pub(super) typed: Sink,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    filter: Filter,
    mapping: Mapping,
}

/// Understands `sinks`, or says what is wrong with them.
pub fn compile(sinks: &[Sink], clock: &SharedClock, problems: &mut Problems) -> Vec<Planned> {
    let at = Path::from("audit").key("sinks");
    let planned = sinks.iter().enumerate().map(|(index, sink)| {
        let path = at.item(index);
        let filter = Filter::compile(&sink.only, &path.key("only"), problems);
        let transport = super::open(sink, &path, clock, problems)?;
        Some(Planned { typed: sink.clone(), transport, filter, mapping: Mapping::new(&sink.fields) })
    });
    planned.flatten().collect()
}

impl Planned {
    #[must_use]
    pub fn id(&self) -> &str {
        self.typed.id.as_str()
    }

    /// The event as it is sent; `None`: it is not for this sink.
    pub(super) fn outgoing(&self, entry: &Entry) -> Option<Outgoing> {
        if !self.filter.takes(entry) {
            return None;
        }
        let body = match self.typed.format {
            Format::Ocsf => ocsf::render(entry),
            Format::Doorward => own_form(entry),
        };
        Some(Outgoing {
            id: entry.id.clone(),
            at: entry.at,
            chain: entry.chain.clone(),
            link: entry.link,
            kind: entry.kind.clone(),
            severity: entry.severity(),
            body: self.mapping.apply(body),
        })
    }

    /// What one batch may hold: as much as the receiver takes and the configuration wants.
    pub(super) fn most(&self) -> Most {
        let most = self.transport.most();
        let events = usize::try_from(self.typed.batch.events).unwrap_or(usize::MAX);
        Most { events: most.events.min(events).max(1), bytes: most.bytes }
    }
}

fn own_form(entry: &Entry) -> Map<String, Value> {
    match serde_json::to_value(entry) {
        Ok(Value::Object(body)) => body,
        // An entry is a structure of texts and numbers, which is always an object.
        _ => Map::new(),
    }
}
