//! What a configuration says that cannot be meant, as far as its words show it.
//!
//! Refuses contradictions, because the part of one that is not followed is the part that somebody relied on. What needs more
//! than the words (files, patterns, roles) is compiled by the stage that it belongs to.

mod access;
mod address;
mod compatibility;
mod connections;
mod lines;
mod listeners;
mod paths;
mod programs;
mod saml;
mod sign_in;
mod sinks;
mod store;
mod telemetry;
mod tenants;
mod upstream;
mod vendors;

pub use address::is_loopback;

use std::time::Duration;

use super::file::{SOURCE, is_of_a_source};
use super::{Config, Path, Problems, Span};
use crate::crypto::Secret;

/// Fewer random bytes than this can be guessed.
const SECRET_KEY_BYTES: usize = 32;

/// Adds what cannot be meant in `config` to `problems`.
pub fn review(config: &Config, problems: &mut Problems) {
    address::public_url(&config.public_url, problems);
    paths::review(config, problems);
    compatibility::review(config, problems);
    listeners::review(config, problems);
    upstream::review(&config.upstream, &Path::from("upstream"), problems);
    secret_key(&config.secret_key, Path::from("secret_key"), problems);
    for (index, former) in config.former_secret_keys.iter().enumerate() {
        secret_key(former, Path::from("former_secret_keys").item(index), problems);
    }
    store::review(config, problems);
    sinks::review(config, problems);
    source(config.audit.source.as_deref(), problems);
    durations(config, problems);
    level(config, problems);
    telemetry::review(config, problems);
    connections::review(config, problems);
    sign_in::review(config, problems);
    tenants::review(config, problems);
    access::review(config, problems);
    programs::review(config, problems);
}

fn secret_key(key: &Secret, path: Path, problems: &mut Problems) {
    if key.expose().len() < SECRET_KEY_BYTES {
        let message = format!("`{}` is shorter than {SECRET_KEY_BYTES} bytes", path.as_str());
        problems.add(path, message, "`head -c 32 /dev/urandom | base64` makes one");
    }
}

fn source(name: Option<&str>, problems: &mut Problems) {
    let fit = |name: &str| (1..=SOURCE).contains(&name.len()) && name.chars().all(is_of_a_source);
    if let Some(name) = name.filter(|name| !fit(name)) {
        let message = format!("`{}` is not a name to write events under", super::shown::shown(name));
        let hint = format!("at most {SOURCE} letters, digits, `-`, `.` and `_`; each replica has its own");
        problems.add(Path::from("audit").key("source"), message, hint);
    }
}

fn durations(config: &Config, problems: &mut Problems) {
    let Config { sessions, limits, audit, .. } = config;
    let within = |section: &str, key: &str| Path::from(section).key(key);
    let spans = [
        (within("sessions", "idle"), sessions.idle),
        (within("sessions", "absolute"), sessions.absolute),
        (within("sessions", "refresh"), sessions.refresh),
        (within("limits", "header_timeout"), limits.header_timeout),
        (within("limits", "handshake_timeout"), limits.handshake_timeout),
        (within("limits", "keep_alive"), limits.keep_alive),
        (within("audit", "retention"), audit.retention),
        (within("audit", "alarms").key("window"), audit.alarms.window),
    ];
    for (path, span) in spans {
        not_zero(path, span, problems);
    }
    if sessions.idle > sessions.absolute {
        problems.add(
            within("sessions", "idle"),
            "a session would end by `absolute` before it can be `idle` that long",
            "make `idle` the shorter one",
        );
    }
}

fn not_zero(path: Path, span: Span, problems: &mut Problems) {
    if span.0 == Duration::ZERO {
        problems.add(path, "no time at all: nothing would ever succeed", "write a duration such as `30s`");
    }
}

fn level(config: &Config, problems: &mut Problems) {
    if tracing_subscriber::EnvFilter::builder().parse(&config.logging.level).is_err() {
        let message = format!("`{}` is not a log level", super::shown::shown(&config.logging.level));
        problems.add(
            Path::from("logging").key("level"),
            message,
            "write `error`, `warn`, `info`, `debug`, or `info,doorward=debug`",
        );
    }
}
