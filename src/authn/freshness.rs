//! Whether what was read from a store is still what the store holds.
//!
//! Refuses what was read before a change, also when the change came in between reading and remembering: a reader takes a
//! [`Mark`] before it reads, a change turns the mark, and what was read under a turned mark is read again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crypto::Digest;
use crate::model::{Change, ProgramKind, UserId};

/// Counters that all subjects share: two that meet on one are forgotten together, which costs a reading and harms nothing.
const COUNTERS: usize = 4096;

/// What a remembered thing depends on.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Subject<'a> {
    Session(&'a Digest),
    User(UserId),
    Program(ProgramKind, &'a str),
}

/// The state of one subject's counter when reading began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    counter: usize,
    value: u64,
}

/// The counters, turned by changes.
pub(super) struct Freshness(Box<[AtomicU64]>);

impl std::fmt::Debug for Freshness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Freshness")
    }
}

impl Freshness {
    pub(super) fn new() -> Self {
        Self((0..COUNTERS).map(|_| AtomicU64::new(0)).collect())
    }

    /// To be taken before the store is asked about `subject`.
    pub(super) fn mark(&self, subject: Subject<'_>) -> Mark {
        let counter = place(subject);
        Mark { counter, value: self.value(counter) }
    }

    /// Whether nothing has changed since `mark` was taken.
    pub(super) fn holds(&self, mark: Mark) -> bool {
        self.value(mark.counter) == mark.value
    }

    /// Turns the marks of what `change` is about.
    pub(super) fn turn(&self, change: &Change) {
        let subject = match change {
            Change::Everything => return self.0.iter().for_each(turn),
            // Nobody's identity depends on it.
            Change::Connections => return,
            Change::Session(digest) => Subject::Session(digest),
            Change::User(user) => Subject::User(*user),
            Change::Program(kind, id) => Subject::Program(*kind, id),
        };
        if let Some(counter) = self.0.get(place(subject)) {
            turn(counter);
        }
    }

    fn value(&self, counter: usize) -> u64 {
        self.0.get(counter).map_or(0, |counter| counter.load(Ordering::Acquire))
    }
}

fn turn(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::AcqRel);
}

fn place(subject: Subject<'_>) -> usize {
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    // The remainder of a division by 4096 fits every usize.
    usize::try_from(hasher.finish() % COUNTERS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_turns_the_marks_of_its_subject_and_of_no_unlucky_many() {
        let freshness = Freshness::new();
        let ids: Vec<String> = (0..1000).map(|number| format!("key{number}")).collect();
        let mark = |id: &String| freshness.mark(Subject::Program(ProgramKind::ApiKey, id));
        let marks: Vec<Mark> = ids.iter().map(mark).collect();
        freshness.turn(&Change::Program(ProgramKind::ApiKey, ids[0].clone()));
        assert!(!freshness.holds(marks[0]));
        let turned = marks.iter().filter(|mark| !freshness.holds(**mark)).count();
        assert!(turned < 10, "{turned} of 1000 were forgotten with it");
        freshness.turn(&Change::Everything);
        assert!(marks.iter().all(|mark| !freshness.holds(*mark)));
    }
}
