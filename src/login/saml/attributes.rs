//! From an assertion's attributes to what Doorward knows of a person.
//!
//! Refuses to tell names apart or take them for one another by anything but their every letter, to choose among several values where
//! one is meant, and a transient name for a person's.

use super::assertion::{Assertion, Attribute};
use super::judge::shorten;
use super::names;
use super::refusal::Refusal;
use crate::config::connection::AttributeNames;
use crate::login::person::{self, Asserted, plain};
use crate::model::{ConnectionId, EmailAddress, FederatedLink};

/// What providers call these when nobody tells them otherwise: Entra and AD FS, LDAP names as OIDs (eduPerson), plain words.
const EMAIL: [&str; 6] = [
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "email",
    "mail",
    "Email",
    "emailAddress",
];
const NAME: [&str; 5] = [
    "http://schemas.microsoft.com/identity/claims/displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "displayName",
    "name",
    "cn",
];
const FIRST_NAME: [&str; 5] = [
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    "urn:oid:2.5.4.42",
    "givenName",
    "firstName",
    "FirstName",
];
const LAST_NAME: [&str; 6] =
    ["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "urn:oid:2.5.4.4", "sn", "surname", "lastName", "LastName"];
const USER_NAME: [&str; 4] = ["urn:oid:0.9.2342.19200300.100.1.1", "uid", "username", "user_name"];
const GROUPS: [&str; 7] = [
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
    "http://schemas.xmlsoap.org/claims/Group",
    "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
    "groups",
    "Groups",
    "memberOf",
    "isMemberOf",
];

/// Whom `assertion` is about, to `connection`.
pub(super) fn assert(connection: &ConnectionId, names: &AttributeNames, assertion: &Assertion) -> Result<Asserted, Refusal> {
    let read = Reader(&assertion.attributes);
    let first_and_last = || -> Result<Option<String>, Refusal> {
        let parts = [read.one(names.first_name.as_deref(), &FIRST_NAME)?, read.one(names.last_name.as_deref(), &LAST_NAME)?];
        let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(plain(&joined))
    };
    let name = match read.one(names.name.as_deref(), &NAME)? {
        Some(name) => Some(name),
        None => first_and_last()?,
    };
    Ok(Asserted {
        link: FederatedLink {
            connection: connection.clone(),
            issuer: assertion.issuer.clone(),
            subject: subject(names, assertion, &read)?,
        },
        user_name: read.one(names.user_name.as_deref(), &USER_NAME)?,
        email: email(names, assertion, &read)?,
        name,
        groups: read.groups(names.groups.as_deref()),
    })
}

/// How the person proved who they are (RFC 8176), where an attribute says so: Entra and AD FS list methods as URLs.
pub(super) fn methods(assertion: &Assertion) -> Vec<String> {
    const METHODS: &str = "http://schemas.microsoft.com/claims/authnmethodsreferences";
    const SECOND_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";
    let (_, values) = Reader(&assertion.attributes).values(Some(METHODS), &[]).unwrap_or_default();
    if values.iter().any(|value| value == SECOND_FACTOR) { vec!["mfa".to_owned()] } else { Vec::new() }
}

/// What names the person for ever.
fn subject(names: &AttributeNames, assertion: &Assertion, read: &Reader<'_>) -> Result<String, Refusal> {
    if names.subject.is_some() {
        return read.one(names.subject.as_deref(), &[])?.ok_or(Refusal::SubjectMissing);
    }
    let name = &assertion.name_id;
    match name.format.as_deref() {
        Some(names::TRANSIENT_FORMAT) => Err(Refusal::TransientName),
        _ => plain(&name.value).ok_or(Refusal::NameId),
    }
}

/// The attribute's, or the name identifier where that is an address. Whether this connection may speak for it is asked elsewhere.
fn email(names: &AttributeNames, assertion: &Assertion, read: &Reader<'_>) -> Result<Option<EmailAddress>, Refusal> {
    if let Some(found) = read.one(names.email.as_deref(), &EMAIL)? {
        return Ok(found.parse().ok());
    }
    let name = &assertion.name_id;
    let is_address = name.format.as_deref() == Some(names::EMAIL_FORMAT);
    Ok(name.value.parse().ok().filter(|_| is_address))
}

struct Reader<'a>(&'a [Attribute]);

impl Reader<'_> {
    /// The values under the configured name; without one, under the first of the usual names that is there.
    fn values(&self, configured: Option<&str>, usual: &[&str]) -> Option<(String, Vec<String>)> {
        let of = |wanted: &str| {
            let mut found = self.0.iter().filter(|attribute| attribute.name == wanted).peekable();
            found.peek()?;
            Some((wanted.to_owned(), found.flat_map(|attribute| attribute.values.clone()).collect()))
        };
        match configured {
            Some(name) => of(name),
            None => usual.iter().find_map(|name| of(name)),
        }
    }

    /// The only value; the same one twice is one.
    fn one(&self, configured: Option<&str>, usual: &[&str]) -> Result<Option<String>, Refusal> {
        let Some((name, values)) = self.values(configured, usual) else { return Ok(None) };
        let mut values: Vec<String> = values.iter().filter_map(|value| plain(value)).collect();
        values.dedup();
        match values.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            _ => Err(Refusal::AmbiguousAttribute(shorten(&name))),
        }
    }

    fn groups(&self, configured: Option<&str>) -> Option<Vec<String>> {
        let (_, values) = self.values(configured, &GROUPS)?;
        Some(person::groups(values.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::saml::assertion::NameId;

    fn assertion(format: &str, attributes: &[(&str, &[&str])]) -> Assertion {
        let attribute = |(name, values): &(&str, &[&str])| Attribute {
            name: (*name).to_owned(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        Assertion {
            id: "_a".to_owned(),
            issuer: "https://idp.example".to_owned(),
            name_id: NameId {
                value: "ada@acme.example".to_owned(),
                format: Some(format.to_owned()),
                name_qualifier: None,
                sp_name_qualifier: None,
                confidential: false,
            },
            confirmations: Vec::new(),
            conditions: None,
            authentications: Vec::new(),
            attributes: attributes.iter().map(attribute).collect(),
        }
    }

    fn read(names: &AttributeNames, assertion: &Assertion) -> Result<Asserted, Refusal> {
        assert(&"corp".parse().unwrap(), names, assertion)
    }

    #[test]
    fn attributes_are_known_by_their_exact_name_alone() {
        let names =
            AttributeNames { email: Some("Mail".to_owned()), groups: Some("roles".to_owned()), ..AttributeNames::default() };
        let given = assertion(
            names::PERSISTENT_FORMAT,
            &[
                ("mail", &["evil@acme.example"]),
                ("MAIL", &["x@acme.example"]),
                ("Mail", &["ada@acme.example"]),
                ("Roles", &["admin"]),
                ("groups", &["admin"]),
            ],
        );
        let asserted = read(&names, &given).unwrap();
        assert_eq!(asserted.email.map(|email| email.to_string()).as_deref(), Some("ada@acme.example"));
        assert_eq!(asserted.groups, None);
    }

    #[test]
    fn the_usual_names_are_tried_where_none_is_given() {
        let given = assertion(
            names::UNSPECIFIED_FORMAT,
            &[
                ("urn:oid:2.5.4.42", &["Ada"]),
                ("urn:oid:2.5.4.4", &["Lovelace"]),
                ("memberOf", &["b", "a", "b"]),
                ("memberOf", &["c"]),
                ("uid", &["ada"]),
            ],
        );
        let asserted = read(&AttributeNames::default(), &given).unwrap();
        assert_eq!((asserted.name.as_deref(), asserted.user_name.as_deref()), (Some("Ada Lovelace"), Some("ada")));
        assert_eq!(asserted.groups.unwrap(), ["a", "b", "c"]);
        assert_eq!(asserted.email, None, "an unspecified name is no address, whatever it looks like");
        assert_eq!(asserted.link.subject, "ada@acme.example");
    }

    #[test]
    fn two_values_where_one_is_meant_and_a_name_for_a_day_are_refused() {
        let two = assertion(names::PERSISTENT_FORMAT, &[("email", &["ada@acme.example", "evil@acme.example"])]);
        assert_eq!(read(&AttributeNames::default(), &two).unwrap_err().reason(), "saml_ambiguous_attribute");
        let transient = assertion(names::TRANSIENT_FORMAT, &[("employee", &["4711"])]);
        assert_eq!(read(&AttributeNames::default(), &transient).unwrap_err().reason(), "saml_transient_name");
        let names = AttributeNames { subject: Some("employee".to_owned()), ..AttributeNames::default() };
        assert_eq!(read(&names, &transient).unwrap().link.subject, "4711");
        let missing = AttributeNames { subject: Some("other".to_owned()), ..AttributeNames::default() };
        assert_eq!(read(&missing, &transient).unwrap_err().reason(), "saml_subject_missing");
    }
}
