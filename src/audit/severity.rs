//! How much an event matters to whoever watches.
//!
//! Refuses to be a matter of settings: what is an alarm at one door is one at every door, so that a rule for it can be copied.

use serde::{Deserialize, Serialize};

use super::{Entry, Event, Kind, Outcome};

/// The detail that is there where somebody may administrate from now on.
pub(super) const ADMINISTRATOR: &str = "administrator";

/// The least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What happens all day.
    Info,
    /// A change that somebody may ask about later.
    Notice,
    /// Something was refused or went wrong.
    Warning,
    /// Somebody should look at it now.
    Alarm,
}

impl Severity {
    /// The least first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Notice, Self::Warning, Self::Alarm];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        }
    }

    /// The one with this stable name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

    /// Of what happened, and whether it worked.
    #[must_use]
    pub const fn of(kind: Kind, outcome: Outcome) -> Self {
        match (kind, outcome) {
            (
                Kind::BreakGlassUsed
                | Kind::BreakGlassChanged
                | Kind::RepeatedFailures
                | Kind::MassDeprovisioning
                | Kind::CredentialNewNetwork,
                _,
            ) => Self::Alarm,
            (Kind::RequestRefused, _) => Self::Notice,
            (Kind::RequestServed, _)
            | (
                Kind::SignIn
                | Kind::SignInLinkSent
                | Kind::SignOut
                | Kind::SessionExpired
                | Kind::TokenIssued
                | Kind::AuditCheckpoint,
                Outcome::Success,
            ) => Self::Info,
            (Kind::AccountLocked | Kind::DeadLettersDropped, _) | (_, Outcome::Failure) => Self::Warning,
            (_, Outcome::Success) => Self::Notice,
        }
    }
}

impl Event {
    /// How much it matters; a new administrator is an alarm.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.details.contains_key(ADMINISTRATOR) { Severity::Alarm } else { Severity::of(self.kind, self.outcome) }
    }
}

impl Entry {
    /// How much it matters; a new administrator is an alarm, and an event of a kind that this Doorward does not know is worth a notice.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.details.contains_key(ADMINISTRATOR) {
            return Severity::Alarm;
        }
        let outcome = if self.outcome == Outcome::Failure.as_str() { Outcome::Failure } else { Outcome::Success };
        Kind::named(&self.kind).map_or(Severity::Notice, |kind| Severity::of(kind, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::what::RoleAssigned;
    use crate::clock::Timestamp;
    use crate::model::TenantId;

    #[test]
    fn the_least_comes_first_and_a_failure_matters_more() {
        assert!(Severity::ALL.is_sorted() && Severity::Info < Severity::Alarm);
        assert_eq!(Severity::of(Kind::SignIn, Outcome::Success), Severity::Info);
        assert_eq!(Severity::of(Kind::SignIn, Outcome::Failure), Severity::Warning);
        for outcome in [Outcome::Success, Outcome::Failure] {
            assert_eq!(Severity::of(Kind::BreakGlassUsed, outcome), Severity::Alarm);
        }
        let assigned = |administrator| {
            let what = RoleAssigned { administrator, ..RoleAssigned::default() };
            Event::new(Timestamp::default(), what, Outcome::Success, &TenantId::default()).severity()
        };
        assert_eq!((assigned(false), assigned(true)), (Severity::Notice, Severity::Alarm));
    }
}
