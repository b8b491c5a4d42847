//! The separate listener for probes.
//!
//! Refuses to say more than an operator needs; it has no identity of its own, so keep it private.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::memory::Memory;

/// `/livez` and `/readyz`.
pub fn router(memory: Memory) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz)).with_state(memory)
}

async fn readyz(State(memory): State<Memory>) -> (StatusCode, Json<Value>) {
    match memory.directory.ping().await {
        Ok(()) => (StatusCode::OK, Json(json!({ "ready": true }))),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "missing": [error.to_string()] }))),
    }
}
