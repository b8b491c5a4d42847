//! What the injector knows of itself: what it serves with, what it counted, what is missing.
//!
//! Refuses to be ready without a certificate that API servers trust, because a webhook that is called and fails stops every pod.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use rustls::ServerConfig;

use super::settings::Settings;
use crate::clock::{SharedClock, Timestamp};
use crate::telemetry::operations::{Insight, Missing};
use crate::telemetry::{Sample, SampleKind};

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: ArcSwap<Settings>,
    /// Empty until there is a certificate.
    pub(super) tls: ArcSwapOption<ServerConfig>,
    pub(super) stopping: AtomicBool,
    /// Why there is no certificate, or no newer one.
    trouble: Mutex<Option<String>>,
    /// When the certificate that is served ends; 0: there is none.
    ends: AtomicI64,
    renewals: AtomicU64,
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) clock: SharedClock,
}

impl State {
    pub(super) fn new(settings: Settings, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::from_pointee(settings),
            tls: ArcSwapOption::empty(),
            stopping: AtomicBool::new(false),
            trouble: Mutex::default(),
            ends: AtomicI64::new(0),
            renewals: AtomicU64::new(0),
            outcomes: Mutex::default(),
            clock,
        })
    }

    /// Serves new connections with this from now on.
    pub(super) fn serve_with(&self, tls: Arc<ServerConfig>, ends: Timestamp) {
        self.tls.store(Some(tls));
        self.ends.store(ends.millis(), Ordering::Relaxed);
        self.renewals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn has_trouble(&self, what: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    pub(super) fn count(&self, outcome: &'static str) {
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ends(&self) -> Timestamp {
        Timestamp::from_millis(self.ends.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Insight for State {
    async fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            missing.push(Missing { what: "draining", detail: None });
        }
        if self.ends() <= self.clock.now() {
            missing.push(Missing { what: "certificate", detail: self.trouble() });
        }
        missing
    }

    async fn impaired(&self) -> Vec<Missing> {
        self.trouble().into_iter().map(|detail| Missing { what: "certificate", detail: Some(detail) }).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point; counts this large do not occur")]
    async fn samples(&self) -> Vec<Sample> {
        let sample = |name, help, kind, labels, value| Sample { name, help, kind, labels, value };
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut samples: Vec<Sample> = outcomes
            .into_iter()
            .map(|(outcome, count)| {
                let labels = vec![("outcome", outcome.to_owned())];
                sample(
                    "inject_reviews",
                    "Admission reviews, by what became of the pod",
                    SampleKind::Counter,
                    labels,
                    count as f64,
                )
            })
            .collect();
        let ends = self.ends().seconds() as f64;
        let renewals = self.renewals.load(Ordering::Relaxed) as f64;
        samples.push(sample(
            "inject_certificate_expiry_timestamp_seconds",
            "When the webhook's certificate ends; 0: there is none",
            SampleKind::Gauge,
            Vec::new(),
            ends,
        ));
        samples.push(sample(
            "inject_certificates_taken_over",
            "Certificates that the webhook has begun to serve",
            SampleKind::Counter,
            Vec::new(),
            renewals,
        ));
        samples
    }
}
