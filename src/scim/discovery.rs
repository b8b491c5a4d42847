//! What the door can do (RFC 7644 §4).
//!
//! Refuses to be searched: these documents are few, and a client that filters them has mistaken them for resources.

use http::StatusCode;
use serde_json::{Value, json};

use super::Scim;
use super::bulk::MOST as MOST_BULK;
use super::call::{Ask, LARGEST, Reply};
use super::error::ScimError;
use super::list::MOST as MOST_LISTED;
use super::schema;

const DOCUMENTS: [&str; 3] = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];

pub(super) fn is_known(name: &str) -> bool {
    DOCUMENTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// `GET` of a document, or of one within it.
pub(super) fn describe(scim: &Scim, ask: &Ask, name: &str, id: &str) -> Result<Reply, ScimError> {
    if !is_known(name) {
        return Err(ScimError::missing(&ask.path));
    }
    if ask.query.filter.is_some() {
        return Err(ScimError::new(StatusCode::FORBIDDEN, "This is not filtered"));
    }
    if name.eq_ignore_ascii_case("ServiceProviderConfig") {
        return if id.is_empty() { Ok(Reply::document(abilities(&scim.base))) } else { Err(ScimError::missing(&ask.path)) };
    }
    let all = if name.eq_ignore_ascii_case("Schemas") { schema::schemas(&scim.base) } else { schema::resource_types(&scim.base) };
    if id.is_empty() {
        let all: Vec<_> = all.into_iter().filter_map(|one| one.as_object().cloned()).collect();
        let total = u64::try_from(all.len()).unwrap_or(0);
        return Ok(Reply::document(super::list::page(total, 0, all)));
    }
    let named = |one: &Value| one.get("id").and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(id));
    all.into_iter().find(named).map(Reply::document).ok_or_else(|| ScimError::missing(&ask.path))
}

fn abilities(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": true, "maxOperations": MOST_BULK, "maxPayloadSize": LARGEST },
        "filter": { "supported": true, "maxResults": MOST_LISTED },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made by `doorward scim-token create`, as Authorization: Bearer",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}
