//! What changed in the store so that caches must forget it.
//!
//! Refuses to carry the new value: a reader that was told "forget" reads the truth, a reader that was told a value may be late.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

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

type Hear = Box<dyn Fn(&Change) + Send + Sync>;

/// Who hears of a change at once, on the thread that tells it. Clones share them.
#[derive(Clone, Default)]
pub struct Listeners(Arc<RwLock<Vec<Hear>>>);

impl Listeners {
    /// `hear` is called for every change told from now on, and must not wait.
    pub fn add(&self, hear: impl Fn(&Change) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(hear));
    }

    /// Returns when all have heard.
    pub fn tell(&self, change: &Change) {
        for hear in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            hear(change);
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}
