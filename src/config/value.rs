//! Values that are written in a way of their own: durations.
//!
//! Refuses a bare number as a duration, because `idle: 60` does not say of what.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// A duration as people write it: `30s`, `5m`, `1h 30m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

/// The text is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a duration is written `30s`, `5m`, `1h` or `7d`")]
pub struct InvalidSpan;

impl std::str::FromStr for Span {
    type Err = InvalidSpan;
    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        parse(text).map(Self).ok_or(InvalidSpan)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text)
            .map(Self)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &"a duration such as `30s`, `5m`, `1h` or `7d`"))
    }
}

/// Days are 24 hours here; months and years are refused because their length varies.
fn parse(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(days_are_24_hours).ok()?;
    Duration::try_from(duration).ok()
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "title": "a duration",
            "pattern": "^\\s*([0-9]+(\\.[0-9]+)?\\s*[a-zA-Z]+\\s*)+$",
            "description": "A duration such as `500ms`, `30s`, `5m`, `1h 30m` or `7d`"
        })
    }
}

/// How a file's path is described: relative to the configuration file, and watched for changes. Loading makes it absolute or
/// relative to the working directory.
pub(super) struct FilePath;

impl JsonSchema for FilePath {
    fn schema_name() -> Cow<'static, str> {
        "File".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "title": "a file",
            "format": "file",
            "description": "A file's path; relative to the configuration file."
        })
    }
}

/// How the path of a file is described that Doorward itself writes: relative to the configuration file as well, but not watched, because
/// what is written there says nothing about the configuration.
pub(super) struct WrittenFile;

impl JsonSchema for WrittenFile {
    fn schema_name() -> Cow<'static, str> {
        "WrittenFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "title": "a file",
            "format": "written-file",
            "description": "The path of a file that is written; relative to the configuration file."
        })
    }
}

/// How a network is described.
pub(super) struct Network;

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "title": "a network",
            "description": "A network in CIDR notation such as `10.0.0.0/8` or `2001:db8::/32`; one address is `192.0.2.1/32`"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("7d"), Some(Duration::from_secs(7 * 86400)));
        for unclear in ["60", "1 month", "-5s", "", "soon"] {
            assert_eq!(parse(unclear), None, "{unclear}");
        }
    }
}
