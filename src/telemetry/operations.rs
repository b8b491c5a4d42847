//! The operations listener: probes and metrics, on an address of its own.
//!
//! Refuses to be reached through the front door, because what it says helps an attacker more than a guest.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::exposition::{self, CONTENT_TYPE};
use super::{Metrics, Sample, families};
use crate::listener::{self, Bounds};

/// Whoever probes and scrapes does so a few times a second. Each connection takes a descriptor, which the front door may need.
const BOUNDS: Bounds = Bounds { places: 128, share: 32, idle: Duration::from_secs(10) };

/// Something that is needed and not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// `store`, `keys`, `change_feed`, `upstream`, `draining`, `audit_sink`…
    pub what: &'static str,
    /// Which one, and how long or why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What only the rest of the program knows; asked at each probe and scrape.
#[async_trait]
pub trait Insight: Send + Sync {
    /// What keeps the program from serving well; nothing: it is ready.
    async fn missing(&self) -> Vec<Missing>;
    /// What is not well, though requests are served all the same.
    async fn impaired(&self) -> Vec<Missing>;
    /// Numbers that are not counted on the way but known somewhere. Those of one name stand next to each other.
    async fn samples(&self) -> Vec<Sample>;
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    insight: Arc<dyn Insight>,
}

#[derive(Serialize)]
struct Status {
    #[serde(rename = "status")]
    word: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
    /// What does not keep it from serving.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    impaired: Vec<Missing>,
}

/// Answers until the end of the process, so that probes hear "draining" rather than nothing.
pub async fn serve(socket: TcpListener, metrics: Arc<Metrics>, insight: Arc<dyn Insight>) {
    let pages = router(metrics, insight);
    listener::serve(socket, BOUNDS, pages, |stream| Box::pin(ready(Some(stream))), CancellationToken::new(), Duration::ZERO)
        .await;
}

/// The pages: `/livez`, `/readyz`, `/metrics`.
fn router(metrics: Arc<Metrics>, insight: Arc<dyn Insight>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared { metrics, insight })
}

/// The process runs and answers; nothing else is asked, so that a store that is down does not get it killed.
async fn livez() -> axum::Json<Status> {
    axum::Json(Status { word: "alive", missing: Vec::new(), impaired: Vec::new() })
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, axum::Json<Status>) {
    let missing = shared.insight.missing().await;
    let (code, word) =
        if missing.is_empty() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, axum::Json(Status { word, missing, impaired: shared.insight.impaired().await }))
}

async fn scrape(State(shared): State<Shared>) -> Response {
    let samples = shared.insight.samples().await;
    match exposition::text(families::read(&shared.metrics, samples)) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
