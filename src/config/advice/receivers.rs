//! Advice on receivers of events and telemetry.
//!
//! Refuses to be silent about a plain HTTP that was asked for, because whoever reads the file next may not have asked for it.

use url::Url;

use crate::config::sink::Kind;
use crate::config::{Config, Path, Problems, is_loopback};

pub(super) fn advise(config: &Config, advice: &mut Problems) {
    let sinks = Path::from("audit").key("sinks");
    for (index, sink) in config.audit.sinks.iter().enumerate() {
        let Some((key, kind)) = sink.kind() else { continue };
        let typed = match kind {
            Kind::Webhook(typed) => typed.plain_http.then_some(&typed.url),
            Kind::SplunkHec(typed) => typed.plain_http.then_some(&typed.url),
            Kind::Datadog(typed) => typed.url.as_ref().filter(|_| typed.plain_http),
            Kind::Otlp(typed) => typed.plain_http.then_some(&typed.url),
            Kind::Sentinel(_) | Kind::Syslog(_) | Kind::File(_) | Kind::Stdout => None,
        };
        unencrypted(typed, "events", &sinks.item(index).key(key), advice);
    }
    if let Some(typed) = &config.telemetry.otlp {
        let address = typed.plain_http.then_some(&typed.endpoint);
        unencrypted(address, "traces and metrics", &Path::from("telemetry").key("otlp"), advice);
    }
}

/// `what` is sent to an address to which plain HTTP is allowed, if there is one.
fn unencrypted(address: Option<&String>, what: &str, path: &Path, advice: &mut Problems) {
    let Some(Ok(url)) = address.map(|address| Url::parse(address)) else { return };
    if url.scheme() == "http" && !is_loopback(&url) {
        let host = url.host_str().unwrap_or_default();
        let message = format!("{what}, and the secret that is sent with them, travel unencrypted to `{host}`");
        advice.add(
            path.key("plain_http"),
            message,
            "write `https://…`, unless everything between here and there is trusted with both",
        );
    }
}
