//! Sinks for audit events.
//!
//! Refuses two sinks of one name, because what was delivered is remembered by it, and secrets that can be guessed.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use super::{address, lines, vendors};
use crate::config::shown::shown;
use crate::config::sink::{Kind, Sink, Webhook};
use crate::config::{Config, Path, Problems, Span};
use crate::crypto::Secret;

/// What `timeout` and `batch.wait` may be at most.
const LONGEST: Span = Span::seconds(60);
/// What the sink writes itself.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let at = Path::from("audit").key("sinks");
    if config.store.is_none() && !config.audit.sinks.is_empty() {
        let message = "nothing can be delivered for certain: there is no store to keep it in until it is";
        problems.add(at.clone(), message, "configure `store`");
    }
    let mut ids = HashMap::new();
    for (index, sink) in config.audit.sinks.iter().enumerate() {
        let path = at.item(index);
        if let Some(first) = ids.insert(&sink.id, path.clone()) {
            problems.add(path.key("id"), format!("the id `{}` is used twice", sink.id), format!("`{first}` has it"));
        }
        super::not_zero(path.key("timeout"), sink.timeout, problems);
        for (path, span) in [(path.key("timeout"), sink.timeout), (path.key("batch").key("wait"), sink.batch.wait)] {
            if span > LONGEST {
                problems.add(path, "nobody should wait for so long", "at most `60s`");
            }
        }
        fields(sink, &path.key("fields"), problems);
        kind(sink, &path, problems);
    }
}

fn kind(sink: &Sink, path: &Path, problems: &mut Problems) {
    match sink.kinds().as_slice() {
        [(key, kind)] => of_kind(*kind, sink, path, &path.key(key), problems),
        [] => problems.add(path.clone(), "the sink does not say what receives it", "add one of the kinds, such as `webhook`"),
        [(first, _), .., (second, _)] => {
            problems.add(path.clone(), format!("`{first}` and `{second}` are both given"), "make two sinks of it");
        }
    }
}

/// One line for each kind.
fn of_kind(kind: Kind<'_>, sink: &Sink, at: &Path, path: &Path, problems: &mut Problems) {
    match kind {
        Kind::Webhook(typed) => webhook(typed, path, problems),
        Kind::SplunkHec(typed) => vendors::splunk(typed, path, problems),
        Kind::Sentinel(typed) => vendors::sentinel(typed, path, problems),
        Kind::Datadog(typed) => vendors::datadog(typed, path, problems),
        Kind::Syslog(typed) => lines::syslog(typed, sink, at, path, problems),
        Kind::Otlp(typed) => lines::otlp(typed, path, problems),
        Kind::File(typed) => lines::file(typed, path, problems),
        Kind::Stdout => {}
    }
}

fn fields(sink: &Sink, path: &Path, problems: &mut Problems) {
    let names = sink.fields.drop.iter().chain(sink.fields.add.keys());
    let names = names.chain(sink.fields.rename.iter().flat_map(|(from, to)| [from, to]));
    for name in names.filter(|name| name.split('.').any(str::is_empty)) {
        let message = format!("`{}` names no field", shown(name));
        problems.add(path.clone(), message, "write a name, or names with dots between them as `metadata.uid`");
    }
}

fn webhook(typed: &Webhook, path: &Path, problems: &mut Problems) {
    address::receiver(path.key("url"), &typed.url, typed.plain_http, problems);
    signing_secret(&typed.secret, path.key("secret"), problems);
    if let Some(former) = &typed.former_secret {
        signing_secret(former, path.key("former_secret"), problems);
    }
    headers(typed.headers.iter(), &OWN_HEADERS, &path.key("headers"), problems);
}

/// Headers that are sent besides a transport's `own`.
pub(super) fn headers<'h>(
    typed: impl Iterator<Item = (&'h String, &'h Secret)>,
    own: &[&str],
    path: &Path,
    problems: &mut Problems,
) {
    for (name, value) in typed {
        let path = path.key(name);
        match HeaderName::try_from(name) {
            Ok(known) if own.contains(&known.as_str()) => {
                problems.add(path.clone(), format!("`{known}` is written by the sink itself"), "leave it out");
            }
            Ok(_) => {}
            Err(_) => {
                problems.add(path.clone(), format!("`{}` is not a header's name", shown(name)), "write one such as `X-Team`");
            }
        }
        if HeaderValue::try_from(value.expose()).is_err() {
            problems.add(path, "the value cannot be sent in a header", "leave out line breaks and control characters");
        }
    }
}

/// Standard Webhooks: 24 to 64 bytes behind `whsec_`.
fn signing_secret(secret: &Secret, path: Path, problems: &mut Problems) {
    let strong = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).is_ok_and(|key| (24..=64).contains(&key.len())),
        None => secret.expose().len() >= super::SECRET_KEY_BYTES,
    };
    if !strong {
        let hint = "`echo whsec_$(head -c 32 /dev/urandom | base64)` makes one";
        problems.add(path, "the secret is neither `whsec_` and base64 of 24 to 64 bytes nor text of at least 32 bytes", hint);
    }
}
