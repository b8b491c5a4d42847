//! What changed in the store so that caches must forget it.
//!
//! Refuses to carry the new value: a reader that was told "forget" reads the truth, a reader that was told a value may be late.

use super::{ProgramKind, UserId};
use crate::crypto::Digest;

/// One entry of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A session ended.
    Session(Digest),
    /// A person was changed, deactivated or removed: all their sessions and keys are to be read again.
    User(UserId),
    /// A key or client was changed, rotated or revoked.
    Program(ProgramKind, String),
    /// A connection was added, changed or removed.
    Connections,
    /// Changes were missed: forget everything.
    Everything,
}
