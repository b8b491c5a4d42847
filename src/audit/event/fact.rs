//! What a field of an event may hold, and whether it tells of a person.
//!
//! Refuses a text without a bound: whoever is refused often enough must not be able to fill the disk with what they send.

use std::fmt::Display;

use ipnet::IpNet;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::model::{ConnectionId, EmailAddress, FactorKind, InvitationId, Scope, SessionHandle, TenantId, UserId};

/// Bytes kept of a text.
const TEXT: usize = 1024;
/// Values kept of a list.
const LIST: usize = 200;

/// A value that an event may hold.
pub trait Fact {
    /// Whether it tells of a person: then it stands apart from the event, and goes with them.
    const PERSONAL: bool = false;
    /// What it looks like in JSON, for the reference.
    const FORM: &'static str;

    fn value(&self) -> Value;

    /// Whether there is anything to say.
    fn is_said(&self) -> bool {
        true
    }
}

/// Something that tells of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Personal<T>(pub T);

impl<T: Fact> Fact for Personal<T> {
    const PERSONAL: bool = true;
    const FORM: &'static str = T::FORM;

    fn value(&self) -> Value {
        self.0.value()
    }

    fn is_said(&self) -> bool {
        self.0.is_said()
    }
}

impl<T> From<T> for Personal<T> {
    fn from(fact: T) -> Self {
        Self(fact)
    }
}

/// The value from now on; `null` if there is none any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now<T>(pub Option<T>);

impl<T: Fact> Fact for Now<T> {
    const PERSONAL: bool = T::PERSONAL;
    const FORM: &'static str = T::FORM;

    fn value(&self) -> Value {
        self.0.as_ref().map_or(Value::Null, Fact::value)
    }
}

/// Members of a group by their ids; of many only how many they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    These(Vec<String>),
    Many(u64),
}

impl Default for Members {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Members {
    const MOST: usize = 50;

    /// The ids, if they are few.
    pub fn of<T: Display>(ids: &[T]) -> Self {
        let many = ids.len() > Self::MOST;
        if many { Self::Many(ids.len() as u64) } else { Self::These(ids.iter().map(ToString::to_string).collect()) }
    }
}

impl Fact for Members {
    const FORM: &'static str = "list of ids, or their number if there are more than 50";

    fn value(&self) -> Value {
        match self {
            Self::These(ids) => ids.value(),
            Self::Many(count) => (*count).into(),
        }
    }
}

/// A flag: said only where it is set.
impl Fact for bool {
    const FORM: &'static str = "true or false";

    fn value(&self) -> Value {
        (*self).into()
    }

    fn is_said(&self) -> bool {
        *self
    }
}

impl Fact for u64 {
    const FORM: &'static str = "number";

    fn value(&self) -> Value {
        (*self).into()
    }
}

impl Fact for &'static str {
    const FORM: &'static str = "stable name";

    fn value(&self) -> Value {
        (*self).into()
    }
}

impl Fact for String {
    const FORM: &'static str = "text";

    fn value(&self) -> Value {
        self[..self.floor_char_boundary(TEXT)].into()
    }
}

impl<T: Fact> Fact for Option<T> {
    const PERSONAL: bool = T::PERSONAL;
    const FORM: &'static str = T::FORM;

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Fact::value)
    }

    fn is_said(&self) -> bool {
        self.is_some()
    }
}

impl<T: Fact> Fact for Vec<T> {
    const PERSONAL: bool = T::PERSONAL;
    const FORM: &'static str = "list";

    fn value(&self) -> Value {
        self.iter().take(LIST).map(Fact::value).collect()
    }

    fn is_said(&self) -> bool {
        !self.is_empty()
    }
}

macro_rules! shown {
    ($($fact:ty: $form:literal),* $(,)?) => {
        $(impl Fact for $fact {
            const FORM: &'static str = $form;

            fn value(&self) -> Value {
                self.to_string().into()
            }
        })*
    };
}

shown! {
    Timestamp: "moment (RFC 3339)",
    ConnectionId: "id of a connection",
    UserId: "id of a person",
    TenantId: "id of a tenant",
    InvitationId: "id of an invitation",
    SessionHandle: "handle of a session",
    Scope: "scope",
    EmailAddress: "e-mail address",
    IpNet: "network (CIDR)",
}

impl Fact for FactorKind {
    const FORM: &'static str = "stable name";

    fn value(&self) -> Value {
        self.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_and_no_list_is_longer_than_its_bound() {
        assert_eq!("ä".repeat(5000).value().as_str().map(str::len), Some(TEXT));
        assert_eq!(vec!["role".to_owned(); 5000].value().as_array().map(Vec::len), Some(LIST));
        assert_eq!(Members::of(&["a"; 51]).value(), 51);
        assert_eq!(Members::of(&["a"; 2]).value(), serde_json::json!(["a", "a"]));
    }

    #[test]
    fn what_is_personal_stays_so_inside_of_other_types() {
        fn personal<T: Fact>(_: &T) -> bool {
            T::PERSONAL
        }
        assert!(personal(&Some(Now(Some(Personal("Ada".to_owned()))))));
        assert!(!personal(&Some(vec!["admin".to_owned()])));
    }
}
