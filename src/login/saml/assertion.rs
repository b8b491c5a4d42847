//! What an assertion says, as plain data.
//!
//! Refuses to be made from anything but a [`Signed`] element, and to cut a text where a comment stands in it (threats S6).

use serde::{Deserialize, Serialize};

use super::decrypt::DecryptionKey;
use super::names;
use super::refusal::Refusal;
use super::signature::Signed;
use crate::clock::Timestamp;

/// An assertion (SAML Core §2.3.3) that somebody vouches for. Not yet judged: see [`super::judge`].
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub id: String,
    pub issuer: String,
    pub name_id: NameId,
    pub confirmations: Vec<Confirmation>,
    pub conditions: Option<Conditions>,
    pub authentications: Vec<Authentication>,
    pub attributes: Vec<Attribute>,
}

/// SAML Core §2.2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NameId {
    pub value: String,
    pub format: Option<String>,
    pub name_qualifier: Option<String>,
    pub sp_name_qualifier: Option<String>,
    /// Whether it came encrypted, and is to be seen by nobody between us and the provider.
    #[serde(default)]
    pub confidential: bool,
}

/// A bearer confirmation (SAML Core §2.4.1.1); others are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmation {
    pub recipient: Option<String>,
    pub in_response_to: Option<String>,
    pub window: Window,
}

/// From when until when something is good.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub not_before: Option<Timestamp>,
    pub not_on_or_after: Option<Timestamp>,
}

/// SAML Core §2.5.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    pub window: Window,
    /// One list for each restriction; each has to be met.
    pub audiences: Vec<Vec<String>>,
    /// Whether there is a condition of a kind that is not known here, which makes the assertion invalid (§2.5.1.1).
    pub unknown: bool,
}

/// SAML Core §2.7.2.
#[derive(Clone, Debug)]
pub(super) struct Authentication {
    pub instant: Option<Timestamp>,
    pub session_index: Option<String>,
    pub session_ends: Option<Timestamp>,
    pub class: Option<String>,
}

/// SAML Core §2.7.3.1.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub name: String,
    pub values: Vec<String>,
}

impl Assertion {
    /// `key` opens a name identifier that is encrypted by itself.
    pub(super) fn read(assertion: Signed<'_>, key: Option<&DecryptionKey>) -> Result<Self, Refusal> {
        if assertion.attribute("Version") != Some("2.0") {
            return Err(Refusal::Version);
        }
        let subject = assertion.one(names::ASSERTION, "Subject").ok_or(Refusal::SubjectMissing)?;
        let issuer = assertion.one(names::ASSERTION, "Issuer").and_then(Signed::text).ok_or(Refusal::IssuerMissing)?;
        let authentications = assertion.all(names::ASSERTION, "AuthnStatement").map(Authentication::read);
        let statements = assertion.all(names::ASSERTION, "AttributeStatement");
        let attributes =
            statements.flat_map(|statement| statement.all(names::ASSERTION, "Attribute")).filter_map(Attribute::read);
        let mut conditions = assertion.all(names::ASSERTION, "Conditions");
        let found = conditions.next().map(Conditions::read).transpose()?;
        if conditions.next().is_some() {
            return Err(Refusal::UnknownCondition);
        }
        Ok(Self {
            id: assertion.attribute("ID").filter(|id| !id.is_empty()).ok_or(Refusal::Version)?.to_owned(),
            issuer,
            name_id: NameId::of(subject, key)?,
            confirmations: Confirmation::of(subject)?,
            conditions: found,
            authentications: authentications.collect::<Result<_, _>>()?,
            attributes: attributes.collect(),
        })
    }
}

impl NameId {
    /// The one in a subject or a logout request, plain or encrypted (SAML Core §2.2.4): whoever signed around it signed what it is.
    pub(super) fn of(holder: Signed<'_>, key: Option<&DecryptionKey>) -> Result<Self, Refusal> {
        const IDENTIFIERS: [&str; 3] = ["NameID", "EncryptedID", "BaseID"];
        let mut all = holder.children().filter(|child| IDENTIFIERS.iter().any(|name| child.is(names::ASSERTION, name)));
        let (Some(only), None) = (all.next(), all.next()) else { return Err(Refusal::NameId) };
        if !only.is(names::ASSERTION, "EncryptedID") {
            return Self::read(only);
        }
        let opened = only.open(key.ok_or(Refusal::NoDecryptionKey)?)?;
        Ok(Self { confidential: true, ..Self::read(only.unsealed(&opened.tree)?)? })
    }

    fn read(name: Signed<'_>) -> Result<Self, Refusal> {
        if !name.is(names::ASSERTION, "NameID") {
            return Err(Refusal::NameId);
        }
        let own = |attribute| name.attribute(attribute).map(str::to_owned);
        Ok(Self {
            value: name.text().filter(|value| !value.is_empty()).ok_or(Refusal::NameId)?,
            format: own("Format"),
            name_qualifier: own("NameQualifier"),
            sp_name_qualifier: own("SPNameQualifier"),
            confidential: false,
        })
    }
}

impl Confirmation {
    fn of(subject: Signed<'_>) -> Result<Vec<Self>, Refusal> {
        let all = subject.all(names::ASSERTION, "SubjectConfirmation");
        all.filter(|confirmation| confirmation.attribute("Method") == Some(names::BEARER)).map(Self::read).collect()
    }

    fn read(confirmation: Signed<'_>) -> Result<Self, Refusal> {
        let Some(data) = confirmation.one(names::ASSERTION, "SubjectConfirmationData") else { return Ok(Self::default()) };
        let own = |name| data.attribute(name).map(str::to_owned);
        Ok(Self { recipient: own("Recipient"), in_response_to: own("InResponseTo"), window: Window::read(data)? })
    }
}

impl Window {
    pub(super) fn read(element: Signed<'_>) -> Result<Self, Refusal> {
        Ok(Self { not_before: moment(element, "NotBefore")?, not_on_or_after: moment(element, "NotOnOrAfter")? })
    }
}

impl Window {
    /// When a message was made.
    pub(super) fn issued(message: Signed<'_>) -> Result<Option<Timestamp>, Refusal> {
        moment(message, "IssueInstant")
    }
}

impl Conditions {
    fn read(conditions: Signed<'_>) -> Result<Self, Refusal> {
        const KNOWN: [&str; 3] = ["AudienceRestriction", "OneTimeUse", "ProxyRestriction"];
        let restrictions = conditions.all(names::ASSERTION, "AudienceRestriction");
        let audiences =
            |restriction: Signed<'_>| restriction.all(names::ASSERTION, "Audience").filter_map(Signed::text).collect();
        Ok(Self {
            window: Window::read(conditions)?,
            audiences: restrictions.map(audiences).collect(),
            unknown: !conditions.children().all(|condition| KNOWN.iter().any(|name| condition.is(names::ASSERTION, name))),
        })
    }
}

impl Authentication {
    fn read(statement: Signed<'_>) -> Result<Self, Refusal> {
        let context = statement.one(names::ASSERTION, "AuthnContext");
        let class = context.and_then(|context| context.one(names::ASSERTION, "AuthnContextClassRef"));
        Ok(Self {
            instant: moment(statement, "AuthnInstant")?,
            session_index: statement.attribute("SessionIndex").map(str::to_owned),
            session_ends: moment(statement, "SessionNotOnOrAfter")?,
            class: class.and_then(Signed::text).filter(|class| !class.is_empty()),
        })
    }
}

impl Attribute {
    fn read(attribute: Signed<'_>) -> Option<Self> {
        Some(Self {
            name: attribute.attribute("Name")?.to_owned(),
            values: attribute.all(names::ASSERTION, "AttributeValue").filter_map(value).collect(),
        })
    }
}

/// A value's text. eduPerson puts a name identifier into it (SAML Core §2.7.3.1.1 allows any element); other elements are no text.
fn value(value: Signed<'_>) -> Option<String> {
    value.text().or_else(|| value.one(names::ASSERTION, "NameID").and_then(Signed::text))
}

/// A moment (SAML Core §1.3.3). One without a time zone is none.
fn moment(element: Signed<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = element.attribute(name) else { return Ok(None) };
    let moment: jiff::Timestamp = text.trim().parse().map_err(|_| Refusal::Time)?;
    Ok(Some(Timestamp::from_millis(moment.as_millisecond())))
}
