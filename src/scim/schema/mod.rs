//! What users and groups are made of (RFC 7643 §4), and where in them a name leads.
//!
//! Refuses names that are not in a schema: what is not described here is neither kept nor searched, because an attribute nobody knows
//! is one that nobody guards.

mod document;
mod group;
mod user;

use scim_v2::filter::AttrPath;

pub(super) use document::{resource_types, schemas};

/// The enterprise extension of users (RFC 7643 §4.3).
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What kind of resource it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::User, Self::Group];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Below the base address.
    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    pub(super) const fn urn(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
        }
    }

    pub(super) const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => user::ATTRIBUTES,
            Self::Group => group::ATTRIBUTES,
        }
    }

    pub(super) const fn extension(self) -> Option<&'static [Attribute]> {
        match self {
            Self::User => Some(user::ENTERPRISE_ATTRIBUTES),
            Self::Group => None,
        }
    }

    /// The attribute without which there is no such resource; what it is known by.
    pub(super) const fn name_attribute(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group => "displayName",
        }
    }

    /// The core attribute of this name, whatever its case (RFC 7643 §2.1); also those that every resource has (§3.1).
    pub(super) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes(), name).or_else(|| find(COMMON, name))
    }
}

/// What a value is (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Boolean,
    DateTime,
    Binary,
    /// To a resource of these types, or `external`, or `uri`.
    Reference(&'static [&'static str]),
    Complex(&'static [Attribute]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutability {
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Always,
    Default,
    /// Only where it is asked for.
    Request,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uniqueness {
    None,
    Server,
}

/// One attribute and its characteristics (RFC 7643 §2.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub name: &'static str,
    pub description: &'static str,
    pub kind: Type,
    pub many: bool,
    pub exact: bool,
    pub required: bool,
    pub uniqueness: Uniqueness,
    pub mutability: Mutability,
    pub returned: Returned,
    pub canonical: &'static [&'static str],
}

const fn attribute(name: &'static str, kind: Type, description: &'static str) -> Attribute {
    Attribute {
        name,
        description,
        kind,
        many: false,
        exact: false,
        required: false,
        uniqueness: Uniqueness::None,
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        canonical: &[],
    }
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::Text, description)
}

const fn boolean(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::Boolean, description)
}

const fn complex(name: &'static str, parts: &'static [Attribute], description: &'static str) -> Attribute {
    attribute(name, Type::Complex(parts), description)
}

const fn reference(name: &'static str, to: &'static [&'static str], description: &'static str) -> Attribute {
    Attribute { exact: true, ..attribute(name, Type::Reference(to), description) }
}

const fn many(name: &'static str, parts: &'static [Attribute], description: &'static str) -> Attribute {
    Attribute { many: true, ..complex(name, parts, description) }
}

impl Attribute {
    const fn exact(self) -> Self {
        Self { exact: true, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn unique(self) -> Self {
        Self { uniqueness: Uniqueness::Server, ..self }
    }

    const fn read_only(self) -> Self {
        Self { mutability: Mutability::ReadOnly, ..self }
    }

    const fn immutable(self) -> Self {
        Self { mutability: Mutability::Immutable, ..self }
    }

    const fn always(self) -> Self {
        Self { returned: Returned::Always, ..self }
    }

    const fn on_request(self) -> Self {
        Self { returned: Returned::Request, ..self }
    }

    const fn write_only(self) -> Self {
        Self { mutability: Mutability::WriteOnly, returned: Returned::Never, ..self }
    }

    const fn canonical(self, values: &'static [&'static str]) -> Self {
        Self { canonical: values, ..self }
    }

    /// Its sub-attributes; none where it is simple.
    pub(super) const fn parts(&self) -> &'static [Self] {
        match self.kind {
            Type::Complex(parts) => parts,
            _ => &[],
        }
    }

    pub(super) fn part(&self, name: &str) -> Option<&'static Self> {
        find(self.parts(), name)
    }

    pub(super) const fn is_complex(&self) -> bool {
        matches!(self.kind, Type::Complex(_))
    }

    /// Whether clients may set it.
    pub(super) const fn is_writable(&self) -> bool {
        !matches!(self.mutability, Mutability::ReadOnly)
    }
}

fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What every resource has (RFC 7643 §3.1). Not part of any schema document.
static COMMON: &[Attribute] = &[
    text("id", "Doorward's own identifier.").exact().read_only().unique().always(),
    text("externalId", "The identifier that the provisioning client knows it by.").exact(),
    complex("meta", META, "About the resource itself.").read_only(),
    Attribute { many: true, ..reference("schemas", &["uri"], "The schemas whose attributes are present.").read_only().always() },
];

static META: &[Attribute] = &[
    text("resourceType", "The type.").exact().read_only(),
    attribute("created", Type::DateTime, "When it was made.").read_only(),
    attribute("lastModified", Type::DateTime, "When it was last changed.").read_only(),
    reference("location", &["uri"], "Its address.").read_only(),
    text("version", "Its version, as in ETag.").exact().read_only(),
];

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Within the enterprise extension.
    pub extension: bool,
    pub attribute: &'static Attribute,
    pub part: Option<&'static Attribute>,
}

/// Follows a path, with or without the schema's URN before it (RFC 7644 §3.10).
pub(super) fn resolve(kind: Kind, path: &AttrPath) -> Option<Place> {
    let (extension, attribute) = match &path.uri {
        None => (false, kind.attribute(&path.name)?),
        Some(urn) if urn.eq_ignore_ascii_case(kind.urn()) => (false, kind.attribute(&path.name)?),
        Some(urn) if urn.eq_ignore_ascii_case(ENTERPRISE) => (true, find(kind.extension()?, &path.name)?),
        Some(_) => return None,
    };
    let part = match &path.sub_attr {
        Some(name) => Some(attribute.part(name)?),
        None => None,
    };
    Some(Place { extension, attribute, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_with_their_urn() {
        let at = |text: &str| match text.parse().unwrap() {
            scim_v2::filter::PatchPath::Attr(path) => resolve(Kind::User, &path),
            scim_v2::filter::PatchPath::Value(_) => None,
        };
        let found = at("USERNAME").unwrap();
        assert_eq!((found.extension, found.attribute.name), (false, "userName"));
        assert_eq!(at("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName").unwrap().part.unwrap().name, "familyName");
        let found = at("urn:IETF:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName").unwrap();
        assert_eq!((found.extension, found.attribute.name, found.part.unwrap().name), (true, "manager", "displayName"));
        assert_eq!(at("department"), None, "an extension's attribute needs its URN");
        assert_eq!(at("name.colour"), None);
        assert_eq!(at("urn:example:custom:2.0:User:tag"), None);
    }
}
