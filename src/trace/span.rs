//! A span, as it waits to be exported.
//!
//! Refuses nothing; who describes one knows what may be told.

use std::borrow::Cow;

/// W3C Trace Context §3.2.2.3.
pub type TraceId = [u8; 16];
/// W3C Trace Context §3.2.2.4.
pub type SpanId = [u8; 8];

/// The span above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    pub id: SpanId,
    /// It belongs to another process.
    pub remote: bool,
}

/// Which side of a call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody asked us.
    Server,
    /// We asked somebody.
    Client,
}

/// What was done, and from when until when.
#[derive(Debug)]
pub struct Span {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<Parent>,
    pub kind: Kind,
    pub name: Cow<'static, str>,
    /// Nanoseconds since the epoch.
    pub from: u64,
    pub until: u64,
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it did not go well (`error.type`).
    pub failed: Option<Cow<'static, str>>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}
