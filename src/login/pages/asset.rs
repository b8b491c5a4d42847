//! The stylesheet, under a name that changes with its content so that it can be kept for ever.
//!
//! Refuses every other name: nothing is read from a disk.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::crypto::Digest;

const STYLE: &str = include_str!("style.css");

static NAME: LazyLock<String> = LazyLock::new(|| format!("doorward-{}.css", &Digest::of(STYLE.as_bytes()).to_hex()[..16]));

/// The stylesheet's file name.
pub(super) fn stylesheet_name() -> &'static str {
    &NAME
}

/// Answers with the asset of this name.
pub async fn serve(Path(name): Path<String>) -> Response {
    if name != stylesheet_name() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
