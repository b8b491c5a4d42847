//! Own headers by template, such as `X-Legacy-User: "{email}"`.
//!
//! Refuses a placeholder that it does not know, because a misspelt one would reach the application as text.

use http::{HeaderName, HeaderValue};

use super::value::{self, Separator};
use crate::config::{Path, Problems};
use crate::model::{Identity, Scope};

/// One own header.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: HeaderName,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    User,
    Issuer,
    UserName,
    Email,
    Name,
    Groups,
    Roles,
    Role,
    Tenant,
    Scopes,
    Credential,
    Session,
    ProviderSubject,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 13] = [
        ("user", Self::User),
        ("issuer", Self::Issuer),
        ("user_name", Self::UserName),
        ("email", Self::Email),
        ("name", Self::Name),
        ("groups", Self::Groups),
        ("roles", Self::Roles),
        ("role", Self::Role),
        ("tenant", Self::Tenant),
        ("scopes", Self::Scopes),
        ("credential", Self::Credential),
        ("session", Self::Session),
        ("provider_subject", Self::ProviderSubject),
    ];

    fn of(self, identity: &Identity) -> Option<String> {
        let texts = |texts: &[String]| value::joined(texts.iter().map(String::as_str), Separator::Comma);
        match self {
            Self::User => value::text(&identity.subject),
            Self::Issuer => identity.issuer.as_deref().and_then(value::text),
            Self::UserName => identity.user_name.as_deref().and_then(value::text),
            Self::Email => identity.email.as_deref().and_then(value::text),
            Self::Name => identity.name.as_deref().and_then(value::text),
            Self::Groups => texts(&identity.groups),
            Self::Roles => texts(&identity.roles),
            Self::Role => identity.roles.first().and_then(|role| value::text(role)),
            Self::Tenant => value::text(identity.tenant.as_str()),
            Self::Scopes => value::joined(identity.scopes.iter().map(Scope::as_str), Separator::Space),
            Self::Credential => value::text(identity.credential.as_str()),
            Self::Session => identity.session.as_ref().and_then(|handle| value::text(&handle.0)),
            Self::ProviderSubject => identity.forward.provider_subject.as_deref().and_then(value::text),
        }
    }
}

impl Template {
    pub(super) fn compile(name: &str, text: &str, path: &Path, problems: &mut Problems) -> Option<Self> {
        let name = super::own_name(name, path, problems)?;
        if text.is_empty() || text.chars().any(|sign| !(' '..='~').contains(&sign)) {
            problems.add(path.clone(), "a header's template is printable ASCII and not empty", "write `{email}` or the like");
            return None;
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((word, behind)) = after.split_once('}') else {
                problems.add(path.clone(), format!("`{text}` has a `{{` without `}}`"), "write `{email}` or the like");
                return None;
            };
            let Some((_, placeholder)) = Placeholder::ALL.iter().find(|(known, _)| *known == word) else {
                let known = Placeholder::ALL.map(|(known, _)| known).join("`, `");
                problems.add(path.clone(), format!("`{{{word}}}` is not a placeholder"), format!("known are `{known}`"));
                return None;
            };
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Placeholder(*placeholder));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Some(Self { name, parts })
    }

    /// The header's value; `None` when a fact it names is not known.
    pub(super) fn fill(&self, identity: &Identity) -> Option<HeaderValue> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder(placeholder) => filled.push_str(&placeholder.of(identity)?),
            }
        }
        value::finish(filled)
    }
}
