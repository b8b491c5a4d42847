//! What differs between what was and what will be.
//!
//! Refuses to hold a secret: a remark names an option and says why, never what was written there.

use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Weight {
    /// Something that was done is not done; what to do instead is said.
    Unsupported,
    /// It is done in another way.
    Differs,
    /// A secret stands in clear.
    Secret,
    /// It is so anyway.
    Needless,
}

impl Weight {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unsupported => "not carried over",
            Self::Differs => "differs",
            Self::Secret => "secret",
            Self::Needless => "not needed",
        }
    }
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Remark {
    pub(super) kind: Weight,
    /// The option as it was called; empty for what was never said.
    pub(super) option: String,
    pub(super) place: String,
    pub(super) text: String,
}
