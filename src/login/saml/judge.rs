//! Whether an assertion holds here and now (SAML Profiles §4.1.4.3, SAML Core §2.5).
//!
//! Refuses one for another service, another address, another request, another time or from another issuer, each with its own reason
//! (threats S8). Clocks may differ by the skew that is configured, never by more.

use std::time::Duration;

use super::assertion::{Assertion, Authentication, Confirmation, Window};
use super::refusal::Refusal;
use crate::clock::Timestamp;

/// What a response has to be about to be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The provider's entity id.
    pub issuer: &'a str,
    /// Our entity id.
    pub audience: &'a str,
    /// Our assertion consumer service.
    pub acs: &'a str,
    /// The request that is answered; `None` where the provider begins and that is allowed.
    pub request: Option<&'a str>,
    pub now: Timestamp,
    /// How far the two clocks may differ.
    pub skew: Duration,
    /// The assertion has to be signed itself, even within a signed response.
    pub signed_assertion: bool,
    /// The response around it has to be signed.
    pub signed_response: bool,
}

/// What holds of somebody who signed in.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub assertion: Assertion,
    /// Until when the assertion could be sent again.
    pub replayable_until: Timestamp,
    pub authentication: Authentication,
}

impl Expected<'_> {
    pub(super) fn judge(&self, assertion: Assertion) -> Result<Judged, Refusal> {
        if assertion.issuer != self.issuer {
            return Err(Refusal::Issuer(shorten(&assertion.issuer)));
        }
        self.judge_conditions(&assertion)?;
        let confirmed_until = self.confirm(&assertion.confirmations)?;
        let authentication = self.authenticated(&assertion)?;
        if assertion.name_id.sp_name_qualifier.as_deref().is_some_and(|qualifier| qualifier != self.audience) {
            return Err(Refusal::NameQualifier);
        }
        Ok(Judged { replayable_until: confirmed_until.after(self.skew), authentication, assertion })
    }

    fn judge_conditions(&self, assertion: &Assertion) -> Result<(), Refusal> {
        let conditions = assertion.conditions.as_ref().ok_or(Refusal::ConditionsMissing)?;
        if conditions.unknown {
            return Err(Refusal::UnknownCondition);
        }
        self.judge_window(conditions.window)?;
        if conditions.audiences.is_empty() {
            return Err(Refusal::AudienceMissing);
        }
        match conditions.audiences.iter().find(|audiences| !audiences.iter().any(|audience| audience == self.audience)) {
            Some(others) => Err(Refusal::Audience(shorten(&others.join(", ")))),
            None => Ok(()),
        }
    }

    /// One bearer confirmation has to hold whole; the reason is the last one's. Says until when it does.
    fn confirm(&self, confirmations: &[Confirmation]) -> Result<Timestamp, Refusal> {
        let mut refused = Refusal::NoBearer;
        for confirmation in confirmations {
            match self.judge_confirmation(confirmation) {
                Ok(until) => return Ok(until),
                Err(refusal) => refused = refusal,
            }
        }
        Err(refused)
    }

    fn judge_confirmation(&self, confirmation: &Confirmation) -> Result<Timestamp, Refusal> {
        let recipient = confirmation.recipient.as_deref().unwrap_or_default();
        if recipient != self.acs {
            return Err(Refusal::Recipient(shorten(recipient)));
        }
        self.judge_window(confirmation.window)?;
        match (confirmation.in_response_to.as_deref(), self.request) {
            (answered, asked) if answered == asked => {}
            (None, Some(_)) => return Err(Refusal::Unsolicited),
            _ => return Err(Refusal::InResponseTo),
        }
        confirmation.window.not_on_or_after.ok_or(Refusal::ExpiryMissing)
    }

    pub(super) fn judge_window(&self, window: Window) -> Result<(), Refusal> {
        if let Some(from) = window.not_before.filter(|from| self.now.after(self.skew) < *from) {
            return Err(Refusal::NotYetValid { from: from.to_string(), now: self.now.to_string() });
        }
        match window.not_on_or_after.filter(|until| self.now.before(self.skew) >= *until) {
            Some(until) => Err(Refusal::Expired { until: until.to_string(), now: self.now.to_string() }),
            None => Ok(()),
        }
    }

    fn authenticated(&self, assertion: &Assertion) -> Result<Authentication, Refusal> {
        let statement = assertion.authentications.first().ok_or(Refusal::AuthnStatementMissing)?;
        match statement.session_ends {
            Some(end) if self.now.before(self.skew) >= end => Err(Refusal::SessionEnded),
            _ => Ok(statement.clone()),
        }
    }
}

/// What a stranger wrote, short enough for a record.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
