//! Where traces and metrics are sent.
//!
//! Refuses a part of the requests that is none, and an address that leads to neither traces nor metrics.

use super::sinks::headers;
use super::{address, lines};
use crate::config::telemetry::OtlpReceiver;
use crate::config::{Config, Path, Problems, Span};

/// What `timeout` may be at most.
const LONGEST: Span = Span::seconds(60);
/// What `interval` may be at least.
const SHORTEST: Span = Span::seconds(1);

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let path = Path::from("telemetry").key("otlp");
    if let Some(typed) = &config.telemetry.otlp {
        receiver(typed, &path, problems);
    }
}

fn receiver(typed: &OtlpReceiver, path: &Path, problems: &mut Problems) {
    address::receiver(path.key("endpoint"), &typed.endpoint, typed.plain_http, problems);
    if typed.endpoint.contains('?') {
        problems.add(
            path.key("endpoint"),
            "a query has no place here",
            "`/v1/traces` and `/v1/metrics` are added to the address",
        );
    }
    headers(typed.headers.iter(), &lines::OWN_HEADERS, &path.key("headers"), problems);
    super::not_zero(path.key("timeout"), typed.timeout, problems);
    if typed.timeout > LONGEST {
        problems.add(path.key("timeout"), "nobody should wait for so long", "at most `60s`");
    }
    if typed.interval < SHORTEST {
        problems.add(path.key("interval"), "nobody reads so fast", "at least `1s`");
    }
    if !(0.0..=1.0).contains(&typed.sample) {
        let message = format!("`{}` is not a part of the requests", typed.sample);
        problems.add(path.key("sample"), message, "write a number from 0 to 1");
    }
    if !typed.traces && !typed.metrics {
        problems.add(path.clone(), "neither traces nor metrics are sent", "leave `otlp` out");
    }
    for name in typed.attributes.keys().filter(|name| name.is_empty() || *name == "service.name") {
        let hint = "`service` is the service's name; others are named as in `deployment.environment.name`";
        problems.add(path.key("attributes"), format!("`{name}` has no place here"), hint);
    }
}
