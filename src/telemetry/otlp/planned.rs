//! A receiver that was understood: where it is, how it is reached, and what it is told of us.
//!
//! Refuses nothing that the review has not; files that cannot be read are told here, because only here they are read.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use url::Url;

use super::resource;
use crate::config::telemetry::OtlpReceiver;
use crate::config::{Config, Path, Problems};
use crate::http_client::{HttpClient, HttpClientError, Reach};

const SIGNALS: [&str; 3] = ["/v1/logs", "/v1/traces", "/v1/metrics"];

/// A receiver that was understood.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Where traces go, if they do.
    pub(super) traces: Option<Url>,
    /// Where metrics go, and how often.
    pub(super) metrics: Option<(Url, Duration)>,
    pub(super) client: HttpClient,
    /// None is printed.
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    pub(super) resource: Resource,
}

/// Understands where telemetry is sent, or says what is wrong with it; `None` also where it is sent nowhere.
pub fn compile(config: &Config, problems: &mut Problems) -> Option<Planned> {
    let typed = config.telemetry.otlp.as_ref()?;
    let path = Path::from("telemetry").key("otlp");
    let planned = plan(typed, config);
    let (at, hint) = match &planned {
        // The review has told of it.
        Err(HttpClientError::NotAUrl(_) | HttpClientError::NotHttps(_)) => return None,
        Ok(_) => (path, ""),
        Err(HttpClientError::Authorities { .. }) => (path.key("ca"), "name a PEM file with the receiver's authorities"),
        Err(HttpClientError::Certificate { .. }) => (path.key("client_certificate"), "name a certificate and its key in PEM"),
        Err(_) => (path, "check its address and certificates"),
    };
    planned.map_err(|error| problems.add(at, error.to_string(), hint)).ok()
}

fn plan(typed: &OtlpReceiver, config: &Config) -> Result<Planned, HttpClientError> {
    let at = |path: &str| signal_address(&typed.endpoint, path).ok_or_else(|| HttpClientError::NotAUrl(typed.endpoint.clone()));
    let (traces, metrics) = (at("v1/traces")?, at("v1/metrics")?);
    let reach = Reach {
        authorities: typed.ca.as_deref(),
        certificate: typed.client_certificate.as_ref(),
        timeout: typed.timeout.0,
        plain_http: typed.plain_http,
        ..Reach::default()
    };
    Ok(Planned {
        client: HttpClient::within(&traces, &reach)?,
        traces: typed.traces.then_some(traces),
        metrics: typed.metrics.then_some((metrics, typed.interval.0)),
        headers: typed.headers.iter().filter_map(|(name, value)| field(name, value.expose())).collect(),
        gzip: typed.gzip,
        resource: resource::of(typed, &config.audit),
    })
}

/// The review has seen that it is one.
fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name).ok()?, value))
}

/// Where a signal of this path, such as `v1/logs`, is taken at a receiver's address: below it, whether that ends in a slash or not (OTLP
/// specification, "Endpoint URLs for OTLP/HTTP"). An address of one of the signals is that of the receiver, too.
#[must_use]
pub fn signal_address(address: &str, path: &str) -> Option<Url> {
    let mut url = Url::parse(address).ok()?;
    let typed = url.path().trim_end_matches('/');
    let base = SIGNALS.iter().find_map(|signal| typed.strip_suffix(signal)).unwrap_or(typed);
    let path = format!("{base}/{path}");
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_are_added_to_the_address() {
        for (typed, expected) in [
            ("https://collector.example:4318", "https://collector.example:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://collector.example/otlp", "https://collector.example/otlp/v1/traces"),
            ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
            ("https://collector.example/v1/traces", "https://collector.example/v1/traces"),
            ("https://collector.example/otlp/v1/logs/", "https://collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(signal_address(typed, "v1/traces").map(String::from).as_deref(), Some(expected));
        }
    }
}
