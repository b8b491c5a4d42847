//! A file, and standard output.
//!
//! Refuses nothing by itself; `config::review` does.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::value::Span;

/// JSON lines in a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Made readable for its owner alone, in a folder that is there. May be moved away at any time.
    pub path: PathBuf,
    /// When it is replaced by a new one. Default: never; something else may do it.
    #[serde(default)]
    pub rotate: Rotate,
}

/// When a file becomes `NAME.1`, and that `NAME.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    /// Before it has more than so many bytes.
    #[schemars(range(min = 65536))]
    pub size: Option<u64>,
    /// With the first event of a new span of time, counted from midnight UTC: `1d` at midnight, `1h` at every full hour.
    pub age: Option<Span>,
    /// How many former files are kept. Default: 10.
    #[schemars(range(max = 10000))]
    pub keep: u32,
}

impl Default for Rotate {
    fn default() -> Self {
        Self { size: None, age: None, keep: 10 }
    }
}

/// JSON lines on standard output, among those of the access log if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("properties" = {}))]
pub struct Stdout {}
