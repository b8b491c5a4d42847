//! The stylesheet and the script, under names that change with their content so that they can be kept for ever.
//!
//! Refuses every other name: nothing is read from a disk.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::crypto::Digest;

const STYLE: &str = include_str!("style.css");

static NAME: LazyLock<String> = LazyLock::new(|| format!("doorward-{}.css", &Digest::of(STYLE.as_bytes()).to_hex()[..16]));

const PASSKEY: &str = include_str!("passkey.js");

static PASSKEY_NAME: LazyLock<String> =
    LazyLock::new(|| format!("passkey-{}.js", &Digest::of(PASSKEY.as_bytes()).to_hex()[..16]));

/// The file name of the script that asks browsers for passkeys.
pub(super) fn passkey_name() -> &'static str {
    &PASSKEY_NAME
}

/// The stylesheet's file name.
pub(super) fn stylesheet_name() -> &'static str {
    &NAME
}

/// Answers with the asset of this name.
pub async fn serve(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        name if name == stylesheet_name() => ("text/css; charset=utf-8", STYLE),
        name if name == passkey_name() => ("text/javascript; charset=utf-8", PASSKEY),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
