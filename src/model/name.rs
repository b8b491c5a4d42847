//! Names that are checked once, where they come in.
//!
//! Refuses control characters, over-long names and scopes that are not `resource:action`, because a name ends up in headers,
//! logs and comparisons.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that cannot be taken, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidName(pub &'static str);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path, $noun:literal, $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                $check(&text).map(|text| Self(text.into()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                $check(text).map(|text| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "title": $noun, "description": $format })
            }
        }
    };
}

name!(
    /// An organisation or workspace; `default` unless the configuration names more.
    TenantId, check_id, "a tenant id", "1 to 64 of a-z, 0-9, `-` and `_`"
);
name!(
    /// One configured way to sign in.
    ConnectionId, check_id, "a connection id", "1 to 64 of a-z, 0-9, `-` and `_`"
);
name!(
    /// One receiver of audit events.
    SinkId, check_id, "a sink id", "1 to 64 of a-z, 0-9, `-` and `_`"
);
name!(
    /// What a credential may do: `resource:action`, either part may be `*`.
    Scope, check_scope, "a scope", "`resource:action` in printable ASCII without spaces, at most 128 long"
);
name!(
    /// An e-mail address: exactly one `@`, its domain in lower case.
    EmailAddress, check_email, "an e-mail address", "`name@domain`, without spaces or quotes"
);

name!(
    /// A domain of the Domain Name System with at least two labels, in the one spelling that it is compared in: ASCII, lower case.
    Domain, check_domain, "a domain", "what follows the `@`: `example.com`"
);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".into())
    }
}

impl ConnectionId {
    /// What break-glass sessions say they were signed in by; no configured connection has it.
    pub const BREAK_GLASS: &'static str = "break-glass";

    /// What is of no connection says this.
    pub const NONE: &'static str = "no-connection";

    #[must_use]
    pub fn is_break_glass(&self) -> bool {
        self.as_str() == Self::BREAK_GLASS
    }

    /// Whether no configured connection may have it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        [Self::BREAK_GLASS, Self::NONE].contains(&self.as_str())
    }
}

impl Scope {
    /// Whether holding `self` is holding `wanted`: equal, or covered by a wildcard part.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        let (Some((resource, action)), Some((wanted_resource, wanted_action))) =
            (self.0.split_once(':'), wanted.0.split_once(':'))
        else {
            return self.0 == wanted.0 || &*self.0 == "*";
        };
        (resource == "*" || resource == wanted_resource) && (action == "*" || action == wanted_action)
    }
}

impl EmailAddress {
    /// What addresses are compared by: mailboxes of one name in different case are one mailbox everywhere that matters, and other
    /// letters than ASCII's are left alone, because they fold into one another (`K` and the Kelvin sign).
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// What follows the `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

fn check_id(text: &str) -> Result<String, InvalidName> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    fits.then(|| text.to_owned()).ok_or(InvalidName("an id is 1 to 64 of a-z, 0-9, `-` and `_`"))
}

/// RFC 6749 §3.3's scope-token, at most 128 bytes.
fn check_scope(text: &str) -> Result<String, InvalidName> {
    let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(token);
    fits.then(|| text.to_owned())
        .ok_or(InvalidName("a scope is `resource:action` in printable ASCII without spaces, at most 128 long"))
}

/// Strict on purpose: no quoting, no comments, no second `@`, nothing that another parser could read as another domain.
fn check_email(text: &str) -> Result<String, InvalidName> {
    const WHAT: InvalidName = InvalidName("an e-mail address is `name@domain`, without spaces or quotes");
    // Only the spaces that people paste along; a line end or a space of another script is another parser's address.
    let text = text.trim_matches(' ');
    let (local, domain) = text.split_once('@').ok_or(WHAT)?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || "()<>[]:;@\\,\"%!".contains(c);
    if local.is_empty() || text.len() > 254 || local.contains(odd) || domain.contains(odd) {
        return Err(WHAT);
    }
    if !local.is_ascii() {
        // `＠` and its like are a second `@` to whoever normalises later.
        return Err(WHAT);
    }
    let domain = if domain == "localhost" { Ok(domain.to_owned()) } else { check_domain(domain) };
    domain.map(|domain| format!("{local}@{domain}")).map_err(|_| WHAT)
}

/// UTS #46 (strict: STD3, hyphens, lengths, no transitional mapping), of a text that is already in one of its two plain spellings but
/// for its case. What is only mapped to a domain (full-width letters, other dots, characters that vanish) is another parser's domain.
fn check_domain(text: &str) -> Result<String, InvalidName> {
    const WHAT: InvalidName = InvalidName("a domain is what follows the `@`: `example.com`");
    // A domain's name has 253 octets at most (RFC 1035 §2.3.4); its Unicode spelling is not longer by much.
    let ascii =
        Some(text).filter(|text| text.len() <= 512).and_then(|text| idna::domain_to_ascii_strict(text).ok()).ok_or(WHAT)?;
    let (unicode, valid) = idna::domain_to_unicode(&ascii);
    let folded = text.to_lowercase();
    let plain = valid.is_ok() && (folded == ascii || folded == unicode);
    // The last label of an address is a number; of a domain, never (RFC 3696 §2).
    let last = ascii.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if plain && ascii.contains('.') && !ascii.ends_with('.') && !number { Ok(ascii) } else { Err(WHAT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_two_parsers_could_read_differently_is_no_address() {
        for odd in [
            "a@b@c.example",
            "a b@c.example",
            "\"a@x\"@c.example",
            "a@",
            "@c.example",
            "a@c.example\n",
            "a@c.example\u{a0}",
            "ａ@c.example",
            "a@c。example",
            "a@ｃ.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a%b@c.example",
            "a@c.example;d.example",
        ] {
            assert!(odd.parse::<EmailAddress>().is_err(), "{odd}");
        }
        let address = "Ada@ACME.example".parse::<EmailAddress>();
        assert_eq!(address.as_ref().map(EmailAddress::as_str), Ok("Ada@acme.example"));
        assert_eq!(address.as_ref().map(EmailAddress::domain), Ok("acme.example"));
    }

    #[test]
    fn a_wildcard_scope_covers_and_a_plain_one_does_not() -> Result<(), InvalidName> {
        let (all, read, write): (Scope, Scope, Scope) = ("api:*".parse()?, "api:read".parse()?, "api:write".parse()?);
        assert!(all.covers(&read) && all.covers(&write) && read.covers(&read));
        assert!(!read.covers(&write) && !read.covers(&all));
        Ok(())
    }
}
