//! What the pages are made of beside their text: stylesheet, scripts, icon and logo, each under a name that changes with its content so that
//! it can be kept for ever.
//!
//! Refuses every other name: nothing is read from a disk while serving. A logo can do nothing but be seen: whoever opens it by its own
//! address gets it in a sandbox, because SVG can hold scripts.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::crypto::Digest;

const STYLE: &str = include_str!("style.css");
/// Carries the part of the address behind `#`, which no server sees, into the way back.
const FRAGMENT: &str = include_str!("fragment.js");
/// Asks browsers for passkeys.
const PASSKEY: &str = include_str!("passkey.js");

/// What browsers show on the tab. Without one of ours they would ask the application for `/favicon.ico`.
const ICON: &str = include_str!("icon.svg");

/// One file.
#[derive(Debug)]
struct Asset {
    kind: &'static str,
    bytes: Vec<u8>,
}

/// The files, by name.
#[derive(Debug, Default)]
pub(super) struct Assets {
    files: BTreeMap<String, Asset>,
}

impl Assets {
    /// The stylesheet, followed by `own` rules; its name.
    pub(super) fn style(&mut self, own: &str) -> String {
        self.add("css", "text/css; charset=utf-8", format!("{STYLE}{own}").into_bytes())
    }

    /// The script of pages with a way back; its name.
    pub(super) fn fragment(&mut self) -> String {
        self.add("js", "text/javascript; charset=utf-8", FRAGMENT.as_bytes().to_vec())
    }

    /// The script of pages about passkeys; its name.
    pub(super) fn passkey(&mut self) -> String {
        self.add("js", "text/javascript; charset=utf-8", PASSKEY.as_bytes().to_vec())
    }

    /// The icon of all pages; its name.
    pub(super) fn icon(&mut self) -> String {
        self.picture("svg", "image/svg+xml", ICON.as_bytes().to_vec())
    }

    /// A picture; its name.
    pub(super) fn picture(&mut self, ending: &str, kind: &'static str, bytes: Vec<u8>) -> String {
        self.add(ending, kind, bytes)
    }

    fn add(&mut self, ending: &str, kind: &'static str, bytes: Vec<u8>) -> String {
        let name = format!("doorward-{}.{ending}", &Digest::of(&bytes).to_hex()[..16]);
        self.files.insert(name.clone(), Asset { kind, bytes });
        name
    }

    /// Answers with the file of this name.
    pub(super) fn serve(&self, name: &str) -> Response {
        let Some(asset) = self.files.get(name) else { return StatusCode::NOT_FOUND.into_response() };
        let headers = [
            (header::CONTENT_TYPE, asset.kind),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ];
        (headers, asset.bytes.clone()).into_response()
    }
}
