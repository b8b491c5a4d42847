//! What an event tells of people, apart from the event: it can be removed with them, and the trail stays as it is.
//!
//! Refuses to guess what is harmless: the type of each field of an event says whether it tells of somebody.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::chain::optional;
use super::{Event, Kind};
use crate::crypto::Digest;
use crate::crypto::random::{self, NoRandomness};

const TAG: &[u8] = b"doorward audit part 1";
/// Kinds of event whose actor may be what a stranger typed.
const TYPED_ACTOR: [Kind; 2] = [Kind::SignIn, Kind::SignInLinkSent];

/// One part of what is known.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The id of the person whom it tells of.
    pub person: Option<String>,
    /// What the actor or the target was called.
    pub name: Option<String>,
    /// JSON.
    pub facts: String,
    pub salt: [u8; 16],
}

/// Of whoever did it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OfActor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Of what it was done to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OfTarget {
    #[serde(default)]
    pub details: Map<String, Value>,
}

/// What is known of actor and target.
#[derive(Debug)]
pub(super) struct Facts {
    pub actor: Option<Part>,
    pub target: Option<Part>,
}

impl Facts {
    /// Takes out of `event` what tells of people.
    pub(super) fn taken_from(event: &mut Event) -> Result<Self, NoRandomness> {
        let person_of = |text: &Option<String>| text.as_ref().filter(|text| is_id(text)).cloned();
        let (actor, target) = (person_of(&event.actor), person_of(&event.target));
        let typed = TYPED_ACTOR.contains(&event.kind);
        let actor_name = event.actor.take_if(|text| text.contains('@') || (typed && !is_id(text)));
        let target_name = event.target.take_if(|text| text.contains('@') || event.kind == Kind::AccountLocked && !is_id(text));
        let of_actor =
            OfActor { source: event.source.take().map(|source| source.to_string()), user_agent: event.user_agent.take() };
        let personal = std::mem::take(&mut event.personal);
        // What a person's own key is called tells of its owner.
        let owner = event.details.get("owner").and_then(Value::as_str).filter(|owner| is_id(owner)).map(str::to_owned);
        let of_target = OfTarget { details: personal };
        let known = of_actor.source.is_some() || of_actor.user_agent.is_some() || actor_name.is_some();
        let told = !of_target.details.is_empty() || target_name.is_some();
        Ok(Self {
            actor: if known { Some(Part::new(actor.clone(), actor_name, &of_actor)?) } else { None },
            target: if told { Some(Part::new(target.or(owner).or(actor), target_name, &of_target)?) } else { None },
        })
    }
}

impl Part {
    fn new(person: Option<String>, name: Option<String>, facts: &impl Serialize) -> Result<Self, NoRandomness> {
        // Plain texts and maps of JSON values can always be written.
        let facts = serde_json::to_string(facts).unwrap_or_default();
        Ok(Self { person, name, facts, salt: random::bytes()? })
    }

    /// What the event keeps of it.
    pub(super) fn digest(&self) -> Digest {
        digest(&self.salt, self.person.as_deref(), self.name.as_deref(), &self.facts)
    }
}

/// The digest that an event keeps of a part of these columns; docs/audit.md says it for those who check.
pub(super) fn digest(salt: &[u8], person: Option<&str>, name: Option<&str>, facts: &str) -> Digest {
    let optional = |text: Option<&str>| optional(text.map(str::as_bytes));
    Digest::of_parts(&[TAG, salt, &optional(person), &optional(name), facts.as_bytes()])
}

fn is_id(text: &str) -> bool {
    Uuid::parse_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Outcome;
    use crate::audit::event::fact::{Now, Personal};
    use crate::audit::event::what::{UserChanged, What};
    use crate::clock::Timestamp;
    use crate::model::TenantId;

    const ADA: &str = "0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f10";

    fn event(what: impl Into<What>) -> Event {
        let mut event = Event::new(Timestamp::default(), what, Outcome::Success, &TenantId::default());
        event.source = Some([192, 0, 2, 1].into());
        event.user_agent = Some("browser".to_owned());
        event
    }

    #[test]
    fn what_tells_of_a_person_stands_apart_and_the_rest_stays() {
        let mut changed = event(UserChanged {
            roles: Some(vec!["admin".to_owned()]),
            email: Some(Now("ada@acme.example".parse().ok().map(Personal))),
            ..UserChanged::default()
        });
        (changed.actor, changed.target) = (Some("cli:root".to_owned()), Some(ADA.to_owned()));
        let facts = Facts::taken_from(&mut changed).unwrap();
        let left = serde_json::to_string(&changed).unwrap();
        for personal in ["192.0.2.1", "browser", "acme.example"] {
            assert!(!left.contains(personal), "{left}");
        }
        assert!(left.contains("admin") && left.contains(ADA) && left.contains("cli:root"), "{left}");
        let (actor, target) = (facts.actor.unwrap(), facts.target.unwrap());
        assert_eq!((actor.person, target.person.as_deref()), (None, Some(ADA)));
        assert!(target.facts.contains("ada@acme.example"));
    }

    #[test]
    fn what_a_stranger_typed_is_no_id() {
        let mut tried = event(Kind::SignIn);
        tried.actor = Some("ada".to_owned());
        assert_eq!(Facts::taken_from(&mut tried).unwrap().actor.unwrap().name.as_deref(), Some("ada"));
        assert_eq!(tried.actor, None);
        let mut done = event(Kind::SignIn);
        done.actor = Some(ADA.to_owned());
        let part = Facts::taken_from(&mut done).unwrap().actor.unwrap();
        assert_eq!((part.name, part.person.as_deref(), done.actor.as_deref()), (None, Some(ADA), Some(ADA)));
    }

    #[test]
    fn a_digest_proves_its_part_and_cannot_be_found_by_trying() {
        let part = || {
            let mut event = event(Kind::SignOut);
            Facts::taken_from(&mut event).unwrap().actor.unwrap()
        };
        let (one, same) = (part(), part());
        assert_eq!(one.digest(), one.clone().digest());
        assert_ne!(one.digest(), same.digest(), "the same facts");
        assert_ne!(one.digest(), Part { facts: "{}".to_owned(), ..one.clone() }.digest());
    }
}
