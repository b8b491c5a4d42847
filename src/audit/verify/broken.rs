//! A place that is not as it was written.
//!
//! Refuses to say only that something is wrong: whoever looks for what was done needs the place, and what kind of thing it was.

use std::fmt;

use serde::Serialize;

use crate::clock::Timestamp;

/// What was done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The columns are not those that were hashed; this link or, with its hash, the one before.
    Changed,
    Missing,
    Inserted,
    OutOfOrder,
    /// What came after is gone.
    CutOff,
    /// What is known of a person is not what was recorded.
    PartChanged,
    /// It is gone, and no erasure says so.
    PartMissing,
    /// It is there, and was not recorded or was erased.
    PartInserted,
    StatementMissing,
    /// Changed, or signed with a key that nobody vouches for.
    StatementForged,
    /// The database is older than the checkpoint that was kept elsewhere.
    OlderCopy,
}

/// The first such place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub fault: Fault,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<i64>,
    pub why: String,
}

impl Broken {
    pub(super) fn of_link(fault: Fault, chain: &str, link: i64, why: impl Into<String>) -> Self {
        Self { fault, chain: Some(chain.to_owned()), link: Some(link), seq: None, at: None, statement: None, why: why.into() }
    }

    pub(super) fn of_statement(fault: Fault, number: i64, why: impl Into<String>) -> Self {
        Self { fault, chain: None, link: None, seq: None, at: None, statement: Some(number), why: why.into() }
    }

    pub(super) fn of_event(fault: Fault, seq: i64, why: impl Into<String>) -> Self {
        Self { fault, chain: None, link: None, seq: Some(seq), at: None, statement: None, why: why.into() }
    }

    /// With the number and time of the event that stands there.
    pub(super) fn at(self, seq: i64, at: i64) -> Self {
        Self { seq: Some(seq), at: Some(Timestamp::from_millis(at)), ..self }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(chain) = &self.chain {
            write!(f, "chain {chain}, ")?;
        }
        if let Some(link) = self.link {
            write!(f, "link {link}, ")?;
        }
        if let Some(seq) = self.seq {
            write!(f, "event {seq}, ")?;
        }
        if let Some(at) = self.at {
            write!(f, "{at}, ")?;
        }
        if let Some(number) = self.statement {
            write!(f, "statement {number}, ")?;
        }
        f.write_str(&self.why)
    }
}
