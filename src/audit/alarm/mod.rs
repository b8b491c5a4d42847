//! Alarms: what many events say together that none of them says alone.
//!
//! Refuses to remember without bound and to say the same again and again: whoever is at the cause of an alarm would otherwise bury it, or
//! what is recorded beside it.

mod counts;
mod follow;
mod rules;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::sync::watch;

use self::counts::Counts;
pub use self::rules::Rules;
use super::what::{MassDeprovisioning, RepeatedFailures};
use super::{Event, Kind, Outcome, SqlAudit, what};

/// Kinds of event that count where they fail.
const FAILURES: [Kind; 3] = [Kind::SignIn, Kind::CredentialRefused, Kind::TokenIssued];
/// Kinds of event that count where they succeed.
const REMOVALS: [Kind; 3] = [Kind::UserDeactivated, Kind::UserDeleted, Kind::UserErased];
/// What follows from them.
const ALARMS: [Kind; 2] = [Kind::RepeatedFailures, Kind::MassDeprovisioning];

/// What sets off alarms now.
#[derive(Debug)]
pub struct Alarms(watch::Sender<Rules>);

impl Alarms {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self(watch::Sender::new(rules))
    }

    /// Puts other rules in force.
    pub fn follow(&self, rules: Rules) {
        self.0.send_if_modified(|known| {
            let changed = *known != rules;
            *known = rules;
            changed
        });
    }

    /// How long it is learnt from where a key or client is used; `None`: nobody wants to know of a new network.
    #[must_use]
    pub fn learning(&self) -> Option<Duration> {
        self.0.borrow().learning
    }

    /// Says from now on, until this is dropped, what follows from `trail`, whoever wrote it.
    pub fn watch(&self, trail: SqlAudit) {
        tokio::spawn(follow::follow(trail, self.0.subscribe()));
    }

    /// The rules, now and later.
    #[must_use]
    pub fn rules(&self) -> watch::Receiver<Rules> {
        self.0.subscribe()
    }
}

/// Counts what it hears.
#[derive(Debug, Default)]
pub(super) struct Ear {
    failures: Counts,
    removals: Counts,
}

impl Ear {
    /// Hears of an event; says which alarms follow from it. Whoever hears the same says the same, under the same id.
    pub(super) fn hear(&mut self, rules: &Rules, event: &Event) -> Vec<Event> {
        if ALARMS.contains(&event.kind) {
            self.heard_said(rules, event);
            Vec::new()
        } else if FAILURES.contains(&event.kind) && event.outcome == Outcome::Failure {
            self.failed(rules, event)
        } else if REMOVALS.contains(&event.kind) && event.outcome == Outcome::Success {
            self.removed(rules, event).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    fn heard_said(&mut self, rules: &Rules, alarm: &Event) {
        let counts = if alarm.kind == Kind::RepeatedFailures { &mut self.failures } else { &mut self.removals };
        if let Some(whom) = whom(alarm) {
            counts.told(whom, alarm.at, rules.window);
        }
    }

    fn failed(&mut self, rules: &Rules, event: &Event) -> Vec<Event> {
        // A session or token that is over is nobody's try.
        if event.reason.as_deref().is_some_and(|reason| reason.contains("expired")) {
            return Vec::new();
        }
        let most = rules.repeated_failures;
        let what = |by| RepeatedFailures { by: Some(by), failures: Some(u64::from(most)), within: Some(rules.window.as_secs()) };
        let mut by_account = follow_up(event, what("account"), Outcome::Failure);
        by_account.target.clone_from(&event.actor);
        let by_address = follow_up(event, what("address"), Outcome::Failure);
        let mut much = |alarm: &Event| whom(alarm).is_some_and(|whom| self.failures.add(whom, event.at, most, rules.window));
        [by_account, by_address].into_iter().filter(|alarm| much(alarm)).collect()
    }

    fn removed(&mut self, rules: &Rules, event: &Event) -> Option<Event> {
        let most = rules.mass_deprovisioning;
        let what = MassDeprovisioning { people: Some(u64::from(most)), within: Some(rules.window.as_secs()) };
        let alarm = acted(event, what);
        self.removals.add(whom(&alarm)?, event.at, most, rules.window).then_some(alarm)
    }
}

/// Tells whoever reads the log.
pub(super) fn log(alarm: &Event) {
    tracing::error!(kind = alarm.kind.as_str(), tenant = alarm.tenant, request_id = alarm.request_id, "alarm");
}

/// Of whom an alarm is: an account, an address, or whoever removes people.
fn whom(alarm: &Event) -> Option<String> {
    let of = |person: &str| format!("{}\n{person}", alarm.tenant);
    if alarm.kind == Kind::MassDeprovisioning {
        return Some(of(alarm.actor.as_deref().unwrap_or_default()));
    }
    match alarm.details.get("by")?.as_str()? {
        "account" => alarm.target.as_deref().map(of),
        _ => alarm.source.map(network),
    }
}

/// An alarm about what somebody did.
fn acted(cause: &Event, what: impl Into<what::What>) -> Event {
    let mut alarm = follow_up(cause, what, Outcome::Success);
    alarm.actor.clone_from(&cause.actor);
    alarm.credential = cause.credential;
    alarm.session.clone_from(&cause.session);
    alarm
}

/// An alarm at an event: when and where it was.
fn follow_up(cause: &Event, what: impl Into<what::What>, outcome: Outcome) -> Event {
    let mut alarm = Event::new(cause.at, what, outcome, &crate::model::TenantId::default());
    alarm.tenant.clone_from(&cause.tenant);
    alarm.source = cause.source;
    alarm.user_agent.clone_from(&cause.user_agent);
    alarm.request_id.clone_from(&cause.request_id);
    // Several may say it who heard the same: then it is one event.
    let by = alarm.details.get("by").and_then(serde_json::Value::as_str).unwrap_or_default();
    let subject = format!("{}\n{by}", cause.id);
    alarm.once(cause.at, &subject)
}

/// What one customer of a network has: an address, or a /64.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::TenantId;

    /// Hears by these rules.
    struct Hearing(Rules, Ear);

    impl Hearing {
        fn hear(&mut self, event: &Event) -> Vec<Event> {
            self.1.hear(&self.0, event)
        }
    }

    fn alarms() -> Hearing {
        let text = "version: 1\npublic_url: https://app.example.com\nlisteners: []\nupstream: { url: http://127.0.0.1:1 }\n\
             secret_key: 0123456789abcdef0123456789abcdef\n\
             audit: { alarms: { repeated_failures: 3, mass_deprovisioning: 3, window: 1m } }";
        Hearing(Rules::of(&serde_yaml::from_str(text).unwrap()), Ear::default())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn failure(seconds: i64, actor: &str, source: &str) -> Event {
        let mut event = Event::new(at(seconds), Kind::SignIn, Outcome::Failure, &TenantId::default());
        (event.actor, event.source) = (Some(actor.to_owned()), Some(source.parse().unwrap()));
        event
    }

    fn said(alarms: &mut Hearing, event: &Event) -> Vec<(Kind, Option<String>)> {
        alarms.hear(event).into_iter().map(|alarm| (alarm.kind, alarm.target)).collect()
    }

    #[test]
    fn a_burst_of_failures_of_one_account_is_one_alarm_a_window() {
        let mut alarms = alarms();
        let mut heard: Vec<usize> = Vec::new();
        for (place, seconds) in [0, 30, 61, 62, 63, 90, 121, 123, 200, 300, 400].into_iter().enumerate() {
            let from = format!("192.0.2.{place}");
            if !said(&mut alarms, &failure(seconds, "ada", &from)).is_empty() {
                heard.push(place);
            }
        }
        assert_eq!(heard, [3, 7], "three within a minute, and again when a minute has passed");
    }

    #[test]
    fn a_burst_from_one_address_is_an_alarm_whoever_was_tried() {
        let mut alarms = alarms();
        for number in 0..20 {
            let said = said(&mut alarms, &failure(0, &format!("person{number}"), &format!("2001:db8::{number}")));
            assert_eq!(said, if number == 2 { vec![(Kind::RepeatedFailures, None)] } else { Vec::new() }, "{number}");
        }
    }

    #[test]
    fn what_is_spread_or_over_is_no_burst() {
        let mut alarms = alarms();
        for number in 0..20 {
            assert_eq!(said(&mut alarms, &failure(number * 31, "ada", &format!("192.0.2.{number}"))), []);
            let mut over = failure(0, "eve", "192.0.2.200");
            over.reason = Some("expired".into());
            assert_eq!(said(&mut alarms, &over), []);
            let mut right = failure(0, "eve", "192.0.2.201");
            right.outcome = Outcome::Success;
            assert_eq!(said(&mut alarms, &right), []);
        }
    }

    #[test]
    fn many_removals_by_one_are_an_alarm_and_few_or_by_many_are_none() {
        let mut alarms = alarms();
        let mut removed = |seconds, actor: &str| {
            let mut event = Event::new(at(seconds), Kind::UserDeactivated, Outcome::Success, &TenantId::default());
            event.actor = Some(actor.to_owned());
            alarms.hear(&event).len()
        };
        assert_eq!([0, 1, 2, 3].map(|seconds| removed(seconds, "scim:a")), [0, 0, 1, 0]);
        assert_eq!(["b", "c", "d", "e"].map(|actor| removed(0, actor)), [0, 0, 0, 0]);
    }

    #[test]
    fn each_can_be_turned_off() {
        let mut alarms = Hearing(Rules::default(), Ear::default());
        for number in 0..100 {
            assert_eq!(said(&mut alarms, &failure(number / 10, "ada", "192.0.2.1")), []);
        }
    }
}
