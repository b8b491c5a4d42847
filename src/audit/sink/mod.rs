//! Delivery: every event to every sink that wants it, at least once and in the order of its chain.
//!
//! Refuses to be on a request's path: the audit table is what waits, and tasks of their own read it.

mod again;
mod answer;
mod attempt;
mod backoff;
mod batch;
mod cursor;
mod datadog;
mod delivery;
mod engine;
mod entra;
mod file;
mod filter;
mod http;
mod letter;
mod mapping;
mod meter;
mod otlp;
mod planned;
mod sentinel;
mod splunk;
mod stdout;
mod syslog;
pub mod transport;
mod webhook;

use std::sync::Arc;

pub use cursor::{Cursor, Cursors};
pub use delivery::Delivery;
pub use letter::Letter;
pub use meter::Fare;
pub use planned::{Planned, compile};

use transport::Transport;

use crate::clock::SharedClock;
use crate::config::sink::{Kind, Sink};
use crate::config::{Path, Problems};
use crate::http_client::HttpClientError;

/// The way to the receiver that `sink`, which stands at `path`, describes. One line for each kind; nothing is connected to yet.
fn open(sink: &Sink, path: &Path, clock: &SharedClock, problems: &mut Problems) -> Option<Arc<dyn Transport>> {
    let (key, kind) = sink.kind()?;
    match kind {
        Kind::Syslog(typed) => reached(syslog::Syslog::new(typed, sink), path, key, problems),
        Kind::Otlp(typed) => reached(otlp::Otlp::new(typed, sink, Arc::clone(clock)), path, key, problems),
        Kind::File(typed) => Some(Arc::new(file::Lines::new(typed, Arc::clone(clock)))),
        Kind::Stdout => Some(Arc::new(stdout::Stdout::default())),
        Kind::Webhook(typed) => reached(webhook::Webhook::new(typed, sink, Arc::clone(clock)), path, key, problems),
        Kind::SplunkHec(typed) => reached(splunk::Splunk::new(typed, sink), path, key, problems),
        Kind::Sentinel(typed) => reached(sentinel::Sentinel::new(typed, sink, Arc::clone(clock)), path, key, problems),
        Kind::Datadog(typed) => reached(datadog::Datadog::new(typed, sink, Arc::clone(clock)), path, key, problems),
    }
}

/// A receiver by HTTP, or what about it is wrong.
fn reached<T: Transport + 'static>(
    opened: Result<T, HttpClientError>,
    path: &Path,
    kind: &str,
    problems: &mut Problems,
) -> Option<Arc<dyn Transport>> {
    let (at, hint) = match &opened {
        // The review has told of it.
        Err(HttpClientError::NotAUrl(_) | HttpClientError::NotHttps(_)) => return None,
        Ok(_) => (path.clone(), ""),
        Err(HttpClientError::Authorities { .. }) => (path.key("ca"), "name a PEM file with the receiver's authorities"),
        Err(HttpClientError::Certificate { .. }) => (path.key("client_certificate"), "name a certificate and its key in PEM"),
        Err(HttpClientError::Inside(_)) => {
            (path.key(kind).key("url"), "write `private_addresses: true` if it is meant to be there")
        }
        Err(_) => (path.key(kind), "check its address and certificates"),
    };
    opened.map_err(|error| problems.add(at, error.to_string(), hint)).ok().map(|transport| Arc::new(transport) as _)
}
