//! Alarms: what many events say together that none of them says alone.
//!
//! Refuses to remember without bound and to say the same again and again: whoever is at the cause of an alarm would otherwise bury it, or
//! what is recorded beside it.

mod counts;
mod rules;
mod watched;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use self::counts::Counts;
pub use self::rules::Rules;
pub use self::watched::Watched;
use super::what::{MassDeprovisioning, RepeatedFailures};
use super::{Event, Kind, Outcome, what};

/// What is watched over all events that are recorded here. Each replica counts its own.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    rules: ArcSwap<Rules>,
    failures: Mutex<Counts>,
    removals: Mutex<Counts>,
}

impl Alarms {
    /// Puts other rules in force. What was counted still counts.
    pub(super) fn follow(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    fn learning(&self) -> Option<Duration> {
        self.rules.load().learning
    }

    /// Hears of an event; says which alarms follow from it.
    pub(super) fn hear(&self, event: &Event) -> Vec<Event> {
        let rules = self.rules.load();
        let mut alarms = Vec::new();
        match (event.kind, event.outcome) {
            (Kind::SignIn | Kind::CredentialRefused | Kind::TokenIssued, Outcome::Failure) => {
                self.failed(&rules, event, &mut alarms);
            }
            (Kind::UserDeactivated | Kind::UserDeleted | Kind::UserErased, Outcome::Success) => {
                alarms.extend(self.removed(&rules, event));
            }
            _ => {}
        }
        for alarm in &alarms {
            tracing::error!(kind = alarm.kind.as_str(), cause = event.kind.as_str(), tenant = alarm.tenant, "alarm");
        }
        alarms
    }

    fn failed(&self, rules: &Rules, event: &Event, alarms: &mut Vec<Event>) {
        // A session or token that is over is nobody's try.
        if event.reason.as_deref().is_some_and(|reason| reason.contains("expired")) {
            return;
        }
        let most = rules.repeated_failures;
        let count = |key: String| lock(&self.failures).add(key, event.at, most, rules.window);
        let by_account = event.actor.as_ref().is_some_and(|actor| count(format!("{}\n{actor}", event.tenant)));
        let by_address = event.source.is_some_and(|source| count(network(source)));
        let what = |by| RepeatedFailures { by: Some(by), failures: Some(u64::from(most)), within: Some(rules.window.as_secs()) };
        if by_account {
            let mut alarm = follow_up(event, what("account"), Outcome::Failure);
            alarm.target.clone_from(&event.actor);
            alarms.push(alarm);
        }
        if by_address {
            alarms.push(follow_up(event, what("address"), Outcome::Failure));
        }
    }

    fn removed(&self, rules: &Rules, event: &Event) -> Option<Event> {
        let by = event.actor.clone().unwrap_or_default();
        let many = lock(&self.removals).add(format!("{}\n{by}", event.tenant), event.at, rules.mass_deprovisioning, rules.window);
        let people = u64::from(rules.mass_deprovisioning);
        let what = MassDeprovisioning { people: Some(people), within: Some(rules.window.as_secs()) };
        many.then(|| acted(event, what))
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
    alarm
}

/// What one customer of a network has: an address, or a /64.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::TenantId;

    fn alarms() -> Alarms {
        let alarms = Alarms::default();
        let text = "version: 1\npublic_url: https://app.example.com\nlisteners: []\nupstream: { url: http://127.0.0.1:1 }\n\
             secret_key: 0123456789abcdef0123456789abcdef\n\
             audit: { alarms: { repeated_failures: 3, mass_deprovisioning: 3, window: 1m } }";
        alarms.follow(Rules::of(&serde_yaml::from_str(text).unwrap()));
        alarms
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn failure(seconds: i64, actor: &str, source: &str) -> Event {
        let mut event = Event::new(at(seconds), Kind::SignIn, Outcome::Failure, &TenantId::default());
        (event.actor, event.source) = (Some(actor.to_owned()), Some(source.parse().unwrap()));
        event
    }

    fn said(alarms: &Alarms, event: &Event) -> Vec<(Kind, Option<String>)> {
        alarms.hear(event).into_iter().map(|alarm| (alarm.kind, alarm.target)).collect()
    }

    #[test]
    fn a_burst_of_failures_of_one_account_is_one_alarm_a_window() {
        let alarms = alarms();
        let mut heard: Vec<usize> = Vec::new();
        for (place, seconds) in [0, 30, 61, 62, 63, 90, 121, 123, 200, 300, 400].into_iter().enumerate() {
            let from = format!("192.0.2.{place}");
            if !said(&alarms, &failure(seconds, "ada", &from)).is_empty() {
                heard.push(place);
            }
        }
        assert_eq!(heard, [3, 7], "three within a minute, and again when a minute has passed");
    }

    #[test]
    fn a_burst_from_one_address_is_an_alarm_whoever_was_tried() {
        let alarms = alarms();
        for number in 0..20 {
            let said = said(&alarms, &failure(0, &format!("person{number}"), &format!("2001:db8::{number}")));
            assert_eq!(said, if number == 2 { vec![(Kind::RepeatedFailures, None)] } else { Vec::new() }, "{number}");
        }
    }

    #[test]
    fn what_is_spread_or_over_is_no_burst() {
        let alarms = alarms();
        for number in 0..20 {
            assert_eq!(said(&alarms, &failure(number * 31, "ada", &format!("192.0.2.{number}"))), []);
            let mut over = failure(0, "eve", "192.0.2.200");
            over.reason = Some("expired".into());
            assert_eq!(said(&alarms, &over), []);
        }
    }

    #[test]
    fn many_removals_by_one_are_an_alarm_and_few_or_by_many_are_none() {
        let alarms = alarms();
        let removed = |seconds, actor: &str| {
            let mut event = Event::new(at(seconds), Kind::UserDeactivated, Outcome::Success, &TenantId::default());
            event.actor = Some(actor.to_owned());
            alarms.hear(&event).len()
        };
        assert_eq!([0, 1, 2, 3].map(|seconds| removed(seconds, "scim:a")), [0, 0, 1, 0]);
        assert_eq!(["b", "c", "d", "e"].map(|actor| removed(0, actor)), [0, 0, 0, 0]);
    }

    #[test]
    fn each_can_be_turned_off() {
        let alarms = Alarms::default();
        alarms.follow(Rules::default());
        for number in 0..100 {
            assert_eq!(said(&alarms, &failure(number / 10, "ada", "192.0.2.1")), []);
        }
    }
}
