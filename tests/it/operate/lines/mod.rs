//! Audit events as lines and records at real receivers: rsyslog, syslog-ng, OpenTelemetry's own classes, files.

mod door;
mod file;
mod otlp;
mod syslog;
mod syslog_ng;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::audit::Severity;
use doorward::audit::sink::compile;
use doorward::audit::sink::transport::{Outgoing, SendError, Transport};
use doorward::clock::{SharedClock, SystemClock, Timestamp};
use doorward::config::Problems;
use doorward::config::sink::Sink;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::PATIENCE;

/// A way to a receiver, and what drives it.
struct Way {
    runtime: Runtime,
    transport: Arc<dyn Transport>,
}

impl Way {
    /// As a sink is configured.
    #[track_caller]
    fn open(typed: Value) -> Self {
        Self { runtime: Runtime::new().unwrap(), transport: Self::planned(typed).unwrap() }
    }

    /// The same without what drives it; `None`: the review is to tell of a problem.
    #[track_caller]
    fn planned(typed: Value) -> Option<Arc<dyn Transport>> {
        let sink: Sink = serde_json::from_value(typed).unwrap();
        let (clock, mut problems): (SharedClock, _) = (Arc::new(SystemClock), Problems::default());
        let planned = compile(&[sink], &clock, &mut problems).pop();
        assert!(problems.is_empty(), "{problems:?}");
        Some(planned?.transport)
    }

    /// One try, with so much patience.
    fn try_within(&self, patience: Duration, batch: &[Outgoing]) -> Result<(), SendError> {
        self.runtime.block_on(async {
            let sent = tokio::time::timeout(patience, self.transport.send(batch)).await;
            sent.unwrap_or_else(|_| Err(SendError::later("it took too long")))
        })
    }

    fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        self.try_within(PATIENCE, batch)
    }

    /// As delivery does it: until it is taken.
    #[track_caller]
    fn deliver(&self, batch: &[Outgoing]) {
        let begun = Instant::now();
        while let Err(error) = self.try_within(Duration::from_secs(5), batch) {
            assert!(matches!(error, SendError::Later { .. }) && begun.elapsed() < PATIENCE, "{error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Why it was not taken, and that it may be later.
    #[track_caller]
    fn waits(&self, batch: &[Outgoing]) -> String {
        match self.send(batch) {
            Err(SendError::Later { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }
}

/// The event with this place in its chain.
fn event(link: i64) -> Outgoing {
    let Value::Object(body) = json!({ "link": link, "who": "José \"]\\\n", "deep": { "list": [1, 2.5, true, null, "x"] } })
    else {
        unreachable!()
    };
    Outgoing {
        id: format!("event-{link}"),
        at: Timestamp::from_millis(1_795_320_000_000 + link),
        chain: "replica-1".to_owned(),
        link,
        kind: "sign_in".to_owned(),
        severity: Severity::Warning,
        body,
    }
}

fn events(links: std::ops::RangeInclusive<i64>) -> Vec<Outgoing> {
    links.map(event).collect()
}

/// A private authority: `ca.pem`, and what it issues, in a folder.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn found(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key) }
    }

    /// Writes `NAME.pem` and `NAME.key`, valid until the end of that year.
    fn issue(&self, folder: &Path, name: &str, year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    }
}
