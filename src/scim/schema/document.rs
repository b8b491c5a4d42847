//! The schemas and resource types as documents (RFC 7643 §6, §7).
//!
//! Refuses to describe what is not so: the documents are made of the tables that requests are judged by.

use serde_json::{Value, json};

use super::{Attribute, ENTERPRISE, Kind, Mutability, Returned, Type, Uniqueness};

/// Every schema; `base` is the door's address.
pub(in crate::scim) fn schemas(base: &str) -> Vec<Value> {
    let core = Kind::ALL.map(|kind| schema(base, kind.urn(), kind.name(), kind.attributes()));
    let extensions = Kind::ALL.into_iter().filter_map(Kind::extension);
    core.into_iter().chain(extensions.map(|attributes| schema(base, ENTERPRISE, "EnterpriseUser", attributes))).collect()
}

fn schema(base: &str, urn: &str, name: &str, attributes: &[Attribute]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "description": match name {
            "User" => "A person",
            "Group" => "A group of people",
            _ => "What companies know of a person",
        },
        "attributes": attributes.iter().map(describe).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{urn}") },
    })
}

fn describe(attribute: &Attribute) -> Value {
    let mut document = json!({
        "name": attribute.name,
        "type": match attribute.kind {
            Type::Text => "string",
            Type::Boolean => "boolean",
            Type::DateTime => "dateTime",
            Type::Binary => "binary",
            Type::Reference(_) => "reference",
            Type::Complex(_) => "complex",
        },
        "multiValued": attribute.many,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.exact,
        "mutability": match attribute.mutability {
            Mutability::ReadWrite => "readWrite",
            Mutability::ReadOnly => "readOnly",
            Mutability::Immutable => "immutable",
            Mutability::WriteOnly => "writeOnly",
        },
        "returned": match attribute.returned {
            Returned::Always => "always",
            Returned::Default => "default",
            Returned::Request => "request",
            Returned::Never => "never",
        },
        "uniqueness": match attribute.uniqueness {
            Uniqueness::None => "none",
            Uniqueness::Server => "server",
        },
    });
    if let Value::Object(fields) = &mut document {
        if let Type::Complex(parts) = attribute.kind {
            fields.insert("subAttributes".to_owned(), parts.iter().map(describe).collect());
        }
        if let Type::Reference(to) = attribute.kind {
            fields.insert("referenceTypes".to_owned(), json!(to));
        }
        if !attribute.canonical.is_empty() {
            fields.insert("canonicalValues".to_owned(), json!(attribute.canonical));
        }
    }
    document
}

/// Every resource type.
pub(in crate::scim) fn resource_types(base: &str) -> Vec<Value> {
    let describe = |kind: Kind| {
        let extensions: Vec<Value> =
            kind.extension().iter().map(|_| json!({ "schema": ENTERPRISE, "required": false })).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": kind.name(),
            "name": kind.name(),
            "description": match kind {
                Kind::User => "People",
                Kind::Group => "Groups of people",
            },
            "endpoint": kind.endpoint(),
            "schema": kind.urn(),
            "schemaExtensions": extensions,
            "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name()) },
        })
    };
    Kind::ALL.map(describe).into()
}
