//! The setup doctor: whether each way to sign in is ready for people, asked of the parties that it names.
//!
//! Refuses to guess: what was not shown does not pass. Nobody is signed in, and nothing changes anywhere: codes that are shown were never
//! given, letters are not sent.

use http::header;
use openidconnect::HttpResponse;
use serde::Serialize;

use super::connection::{Connection, Way};
use super::{Rules, SignInError};
use crate::clock::{Clock, Timestamp};
use crate::model::{ConnectionId, StoredConnection, TenantId};

/// Seconds by which a provider's clock and ours may differ: beyond it its answers are refused.
const SKEW: u64 = 60;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    /// It may be right: only somebody who looks, or signs in, can say.
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Stable `snake_case` name.
    pub name: &'static str,
    pub verdict: Verdict,
    pub detail: String,
    /// What to do about it; empty where nothing is to be done.
    pub hint: &'static str,
}

/// What the provider's administrator has to be told.
#[derive(Debug, Serialize)]
pub struct Registered {
    pub name: &'static str,
    pub value: String,
}

/// All that was found out about one connection.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    pub connection: ConnectionId,
    pub tenant: TenantId,
    pub protocol: &'static str,
    pub register: Vec<Registered>,
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Whether nothing that was looked at stands in the way of a sign-in.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Fail)
    }
}

/// What is written down while a connection is looked at.
#[derive(Debug, Default)]
pub(super) struct Chart {
    register: Vec<Registered>,
    checks: Vec<Check>,
}

impl Chart {
    #[cfg(test)]
    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(super) fn register(&mut self, name: &'static str, value: impl ToString) {
        self.register.push(Registered { name, value: value.to_string() });
    }

    pub(super) fn pass(&mut self, name: &'static str, detail: impl Into<String>) {
        self.checks.push(Check { name, verdict: Verdict::Pass, detail: detail.into(), hint: "" });
    }

    pub(super) fn warn(&mut self, name: &'static str, detail: impl Into<String>, hint: &'static str) {
        self.checks.push(Check { name, verdict: Verdict::Warn, detail: detail.into(), hint });
    }

    pub(super) fn fail(&mut self, name: &'static str, detail: impl Into<String>, hint: &'static str) {
        self.checks.push(Check { name, verdict: Verdict::Fail, detail: detail.into(), hint });
    }

    /// A sign-in would end with this error.
    pub(super) fn error(&mut self, name: &'static str, error: &SignInError, hint: &'static str) {
        self.fail(name, chain(error), if matches!(error, SignInError::ProviderUnreachable(_)) { UNREACHABLE } else { hint });
    }

    /// Holds the time that an answer states (RFC 9110 §6.6.1) against ours.
    pub(super) fn clock(&mut self, answer: &HttpResponse, now: Timestamp) {
        const NAME: &str = "clock";
        let stated = answer.headers().get(header::DATE).and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
        let Some(stated) = stated else { return };
        let apart = stated.timestamp().as_second().abs_diff(now.seconds());
        if apart <= SKEW {
            return self.pass(NAME, format!("the provider's and ours are {apart} s apart"));
        }
        let hint = "let both keep time by NTP: what the provider says would be too old or of the future";
        self.fail(NAME, format!("the provider's and ours are {apart} s apart"), hint);
    }
}

const UNREACHABLE: &str = "see whether the address is right and this machine gets there; name a private authority's file as `ca`";

/// An error with all that led to it, on one line.
fn chain(error: &SignInError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        let more = deeper.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = deeper.source();
    }
    text
}

impl Rules {
    /// Looks at each connection of this site, those of the store among them, one after another. A provider that hangs takes 5 s for each question.
    pub async fn diagnose(&self, stored: &[StoredConnection], clock: &dyn Clock) -> Vec<Diagnosis> {
        self.connections.take_over(stored, &self.origins).await;
        let mut all = Vec::new();
        for connection in self.connections.current().iter() {
            all.push(diagnose(connection, clock).await);
        }
        all
    }
}

async fn diagnose(connection: &Connection, clock: &dyn Clock) -> Diagnosis {
    let mut chart = Chart::default();
    match &connection.way {
        Way::Oidc(provider) => provider.diagnose(&connection.id, clock, &mut chart).await,
        Way::OAuth2(provider) => provider.diagnose(&connection.id, clock, &mut chart).await,
        Way::Saml(provider) => provider.diagnose(&connection.id, clock, &mut chart).await,
        Way::MagicLink(letters) => letters.diagnose(&mut chart).await,
        Way::Password => chart.pass("accounts", "they are kept in the store"),
    }
    Diagnosis {
        connection: connection.id.clone(),
        tenant: connection.tenant.clone(),
        protocol: connection.way.protocol(),
        register: chart.register,
        checks: chart.checks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_more_than_tokens_bear_fail_and_an_answer_without_a_date_says_nothing() {
        let now = Timestamp::from_seconds(784_111_777);
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Verdict::Pass)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(Verdict::Pass)),
            ("Sun, 06 Nov 1994 08:50:38 GMT", Some(Verdict::Fail)),
            ("Sun, 06 Nov 1994 08:48:36 GMT", Some(Verdict::Fail)),
            ("yesterday", None),
        ] {
            let mut chart = Chart::default();
            chart.clock(&http::Response::builder().header("date", date).body(Vec::new()).unwrap(), now);
            assert_eq!(chart.checks().first().map(|check| check.verdict), expected, "{date}");
        }
    }
}
