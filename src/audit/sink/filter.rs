//! Which events a sink gets.
//!
//! Refuses a kind that there is not, because a sink that waits for a misspelt one would be silent for ever.

use crate::audit::{Entry, Kind, Severity};
use crate::config::sink::{Only, Outcome, Severity as Typed};
use crate::config::{Path, Problems};

/// What an event has to be.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    only: Only,
    severity: Severity,
}

impl Filter {
    /// What `only`, which stands at `path`, says.
    pub(super) fn compile(only: &Only, path: &Path, problems: &mut Problems) -> Self {
        for (index, kind) in only.kinds.iter().enumerate() {
            if Kind::named(kind).is_none() {
                let path = path.key("kinds").item(index);
                let hint = "docs/audit-events.md lists the kinds of events";
                problems.add(path, "there is no event of this kind", hint);
            }
        }
        let severity = match only.severity {
            Typed::Info => Severity::Info,
            Typed::Notice => Severity::Notice,
            Typed::Warning => Severity::Warning,
            Typed::Alarm => Severity::Alarm,
        };
        Self { only: only.clone(), severity }
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let Only { kinds, outcome, tenants, .. } = &self.only;
        let outcome_fits = outcome.is_none_or(|outcome| {
            entry.outcome
                == match outcome {
                    Outcome::Success => "success",
                    Outcome::Failure => "failure",
                }
        });
        outcome_fits
            && (kinds.is_empty() || kinds.contains(&entry.kind))
            && (tenants.is_empty() || tenants.iter().any(|tenant| tenant.as_str() == entry.tenant))
            && entry.severity() >= self.severity
    }
}
