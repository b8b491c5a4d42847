//! The OpenAPI 3.1 document: what the handlers say of themselves, and what holds for all of them.
//!
//! Refuses to be written by hand: an operation that is not a route cannot be in it, and a route cannot be left out.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::once;
use crate::config::Config;

/// Statuses of refusals that any operation may answer with, and when.
const REFUSALS: [(&str, &str); 12] = [
    ("400", "The request cannot be read."),
    ("401", "No credential, or one that is not valid."),
    ("403", "Not an administrator, a second factor is needed, or a page of another site sent it."),
    ("404", "There is no such thing in the tenant."),
    ("405", "The method is none of this resource."),
    ("409", "It does not go together with how things stand: a name is taken, or something was revoked."),
    ("412", "It was changed since it was read."),
    ("413", "The body is too large."),
    ("415", "The body is not JSON."),
    ("422", "A value cannot be taken; `field` says which."),
    ("429", "Too many refused credentials; wait."),
    ("503", "The store is unavailable; try again."),
];

const ABOUT: &str = "Directory and access of one tenant: that of whoever asks. Lists come a page at a time: `next` of one page is `after` of the \
                     next. Errors are RFC 9457 problems. A POST with an `Idempotency-Key` is done once, however often it is sent within an hour.";

/// The document as it is served.
pub(super) fn finished(described: OpenApi, config: &Config) -> String {
    let mut document = serde_json::to_value(described).unwrap_or_default();
    document["info"] = json!({
        "title": "Doorward admin API", "description": ABOUT, "version": "1",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    let headers = &config.credentials;
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": "__Host-doorward" },
        "api_key": { "type": "apiKey", "in": "header", "name": headers.api_key_header },
        "client_id": { "type": "apiKey", "in": "header", "name": headers.client_id_header },
        "client_secret": { "type": "apiKey", "in": "header", "name": headers.client_secret_header },
        "bearer": { "type": "http", "scheme": "bearer" },
    });
    document["security"] = json!([
        { "session": [] }, { "api_key": [] }, { "client_id": [], "client_secret": [] }, { "bearer": [] },
    ]);
    document["components"]["schemas"]["Problem"] = problem();
    for (status, when) in REFUSALS {
        let body = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        document["components"]["responses"][format!("Refused{status}")] = json!({ "description": when, "content": body });
    }
    for (_, path) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in path.as_object_mut().into_iter().flatten() {
            complete(method, operation);
        }
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// What holds for every operation.
fn complete(method: &str, operation: &mut Value) {
    for (status, _) in REFUSALS {
        operation["responses"][status] = json!({ "$ref": format!("#/components/responses/Refused{status}") });
    }
    operation["operationId"] = name(operation).into();
    // What a handler says of its success is said by the operation itself.
    for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response.get("$ref").is_none() && response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = "Done.".into();
        }
    }
    if method != "post" {
        return;
    }
    let key = json!({
        "name": once::HEADER, "in": "header", "required": false,
        "description": "Of the caller's own choice: a request that is sent again with it gets the first one's answer.",
        "schema": { "type": "string", "minLength": 1, "maxLength": once::LONGEST_KEY },
    });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(key),
        None => operation["parameters"] = json!([key]),
    }
}

/// `users_list`: handlers of several nouns are called alike.
fn name(operation: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (noun, verb) = (text(&operation["tags"][0]), text(&operation["operationId"]));
    let verb = ["_keys", "_key", "_clients", "_client"].iter().find_map(|ending| verb.strip_suffix(ending)).unwrap_or(&verb);
    format!("{noun}_{verb}")
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "A stable name." },
            "detail": { "type": "string", "description": "In words." },
            "field": { "type": "string", "description": "Which part of the body is meant." },
        },
    })
}
