//! From a server's profile of a person to what Doorward knows of them.
//!
//! Refuses a profile without the subject, because everything else in it can change hands.

use serde_json::Value;

use super::provider::Provider;
use crate::login::SignInError;
use crate::login::person::{self, Asserted, plain};
use crate::model::{ConnectionId, EmailAddress, FederatedLink};

/// Whom `profile` is about. `emails`: their addresses, where those are read apart.
pub(super) fn assert(
    provider: &Provider,
    connection: &ConnectionId,
    issuer: &str,
    profile: &Value,
    emails: Option<&Value>,
) -> Result<Asserted, SignInError> {
    let names = &provider.claims;
    let subject = find(profile, &names.subject).and_then(identifier);
    let subject = subject.ok_or_else(|| SignInError::answer("subject_missing", format!("there is no `{}`", names.subject)))?;
    let text = |path: &str| find(profile, path).and_then(Value::as_str).and_then(plain);
    let email = if let Some(emails) = emails {
        primary(emails)
    } else {
        let verified = find(profile, &names.email_verified).is_some_and(is_true) || provider.trust_unverified_email;
        text(&names.email).filter(|_| verified)
    };
    Ok(Asserted {
        link: FederatedLink { connection: connection.clone(), issuer: issuer.to_owned(), subject },
        user_name: text(&names.user_name),
        email: email.and_then(|email| email.parse::<EmailAddress>().ok()),
        name: text(&names.name),
        groups: find(profile, &names.groups).map(groups),
    })
}

/// What stands at `path`: a name as it is, or names and places joined by dots.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let whole = value.get(path);
    let step = |value: &'v Value, name: &str| match value {
        Value::Array(all) => all.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    };
    whole.or_else(|| path.split('.').try_fold(value, step)).filter(|found| !found.is_null())
}

/// A text or a whole number; GitHub's is a number.
fn identifier(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => plain(text),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

/// The primary address, if it is verified.
fn primary(emails: &Value) -> Option<String> {
    let says = |email: &Value, what: &str| email.get(what) == Some(&Value::Bool(true));
    let found = emails.as_array()?.iter().find(|email| says(email, "primary") && says(email, "verified"))?;
    plain(found.get("email")?.as_str()?)
}

/// A list of texts, or of objects with a `name`, or one text.
fn groups(value: &Value) -> Vec<String> {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    person::groups(all.iter().filter_map(|group| group.as_str().or_else(|| group.get("name")?.as_str())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_names_and_places() {
        let profile = json!({ "data": [{ "login": "ada", "id": 42 }], "a.b": "whole", "none": null });
        assert_eq!(find(&profile, "data.0.login"), Some(&json!("ada")));
        assert_eq!(find(&profile, "data.0.id").and_then(identifier).as_deref(), Some("42"));
        assert_eq!(find(&profile, "a.b"), Some(&json!("whole")));
        for nothing in ["data.1.login", "data.x", "none", "", "data.0.login.more"] {
            assert_eq!(find(&profile, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_a_primary_address_that_is_verified_counts() {
        let email =
            |address: &str, primary: bool, verified: bool| json!({ "email": address, "primary": primary, "verified": verified });
        let all = json!([email("old@x.example", false, true), email("ada@x.example", true, true)]);
        assert_eq!(primary(&all).as_deref(), Some("ada@x.example"));
        assert_eq!(primary(&json!([email("ada@x.example", true, false), email("old@x.example", false, true)])), None);
        assert_eq!(primary(&json!([{ "email": "a@x.example", "primary": "true", "verified": "true" }])), None);
        assert_eq!(primary(&json!({ "message": "Not Found" })), None);
    }
}
