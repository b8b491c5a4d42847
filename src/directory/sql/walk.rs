//! Where a client has come to that reads a list page after page, so that its next page begins there.
//!
//! Refuses to be needed: a place is kept for a minute and in this process. Whoever comes to another replica, or later, or anywhere else in the
//! list, is counted through to from the beginning, because SCIM asks for pages by number (RFC 7644 §3.4.2.4) and to count through to the
//! five hundredth page costs as much as to read all before it.

use std::fmt;
use std::time::Duration;

use moka::future::Cache;

use super::super::search::{Condition, Search};
use super::provision_search::Of;
use crate::model::Provisioner;

/// How long a place is kept, and with it how many there were when the walk came by.
const KEPT: Duration = Duration::from_secs(60);
/// Walks at the same time whose places are kept.
const MOST: u64 = 1000;

/// What a row is ordered by: when it was made, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub created_at: i64,
    pub id: String,
}

/// A row that a walk can go on from.
pub(super) trait Placed {
    fn place(&self) -> Place;
}

/// The last row of the page before, and how many there are in all.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub last: Place,
    pub total: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Step {
    of: Of,
    by: Provisioner,
    condition: Option<Condition>,
    offset: u64,
}

/// The places of all walks.
#[derive(Clone)]
pub(super) struct Walks(Cache<Step, Reached>);

impl Default for Walks {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }
}

impl fmt::Debug for Walks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Walks")
    }
}

impl Walks {
    /// What the page before this one ended with; only lists in their own order are walked.
    pub(super) async fn reached(&self, of: Of, by: &Provisioner, search: &Search) -> Option<Reached> {
        if search.order.is_some() || search.offset == 0 || search.limit == 0 {
            return None;
        }
        self.0.get(&step(of, by, search, search.offset)).await
    }

    /// Notes that the page before `offset` ended here.
    pub(super) async fn note(&self, of: Of, by: &Provisioner, search: &Search, offset: u64, reached: Reached) {
        if search.order.is_none() {
            self.0.insert(step(of, by, search, offset), reached).await;
        }
    }
}

fn step(of: Of, by: &Provisioner, search: &Search, offset: u64) -> Step {
    Step { of, by: by.clone(), condition: search.condition.clone(), offset }
}
