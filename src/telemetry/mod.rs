//! What the program tells those who run it: meters, probes, the access line, its own log.
//!
//! Refuses to slow a request or to know a secret: counting is an atomic addition, writing happens on a thread of its own, and values
//! that look like secrets are masked before they are handed over.

mod access;
mod exposition;
mod families;
mod hex;
mod mask;
mod metrics;
mod otlp;
mod outcome;
mod process;
mod request_id;
mod tally;
mod trace_context;
mod writer;

pub mod log;
pub mod operations;

pub use access::{AccessLine, AccessLog, Server};
pub use families::{Sample, SampleKind};
pub use mask::path as masked_path;
pub use metrics::{
    AuthnMeter, CacheMeter, ConnectionMeter, Metrics, OpenConnection, OtlpMeter, ReloadMeter, RouteMeter, UpstreamMeter,
};
pub use otlp::{Export, Planned as PlannedExport, Tracer, compile as compile_export, signal_address};
pub use outcome::Decision;
pub use request_id::{RequestId, RequestIds};
pub use tally::{Durations, Level, Tally};
pub use trace_context::{TRACEPARENT, TRACESTATE, TraceContext};
pub use writer::LineWriter;

use std::io::Write;
use std::sync::Arc;

use crate::config::{Config, Logging};

/// What outlives a reload: the meters, the names of requests, the thread that writes access lines.
#[derive(Debug)]
pub struct Telemetry {
    pub metrics: Arc<Metrics>,
    pub ids: RequestIds,
    /// To a receiver by OTLP.
    pub export: Export,
    lines: Arc<LineWriter>,
}

/// Telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(transparent)]
    Randomness(#[from] crate::crypto::random::NoRandomness),
    #[error("no thread for access lines")]
    Thread(#[from] std::io::Error),
}

impl Telemetry {
    /// Begins, with access lines going to `out`.
    ///
    /// # Errors
    /// When the operating system gives no randomness or no thread.
    pub fn start(out: impl Write + Send + 'static) -> Result<Self, TelemetryError> {
        let metrics = Arc::new(Metrics::default());
        let lines = Arc::new(LineWriter::start(out, Arc::clone(&metrics))?);
        let export = Export::new(Arc::clone(&metrics));
        Ok(Self { metrics, ids: RequestIds::new()?, export, lines })
    }

    /// Where access lines go under this configuration; `None`: nowhere.
    #[must_use]
    pub fn access_log(&self, logging: &Logging) -> Option<AccessLog> {
        logging.access.then(|| AccessLog::new(logging.format, Arc::clone(&self.lines)))
    }

    /// What decides which requests are recorded under this configuration; `None`: none is.
    #[must_use]
    pub fn tracer(&self, config: &Config) -> Option<Tracer> {
        Tracer::new(config, &self.metrics.otlp.spans)
    }

    /// Writes what waits to be written.
    pub fn close(&self) {
        self.lines.close();
    }
}
