//! Many operations in one request (RFC 7644 §3.7).
//!
//! Refuses more than a bounded number of them, and to do one twice. Each is done as if it came alone, after those that it refers to; those
//! that refer to each other in a circle are done together.

mod circle;
mod order;

use std::collections::HashMap;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Scim;
use super::call::{self, Ask, Caller, Reply};
use super::error::{Flaw, ScimError};
use super::list::Query;

/// Operations of one request.
pub(super) const MOST: usize = 1000;
const REFERENCE: &str = "bulkId:";

/// One operation as it was sent.
struct Part {
    method: Method,
    path: String,
    bulk_id: Option<String>,
    version: Option<String>,
    data: Option<Value>,
}

pub(super) async fn perform(scim: &Scim, caller: &Caller, ask: &Ask) -> Result<Reply, ScimError> {
    let syntax = |detail: &str| ScimError::flaw(Flaw::InvalidSyntax, detail);
    let body = ask.body()?.as_object().ok_or_else(|| syntax("The body is no JSON object"))?;
    let operations = body.get("Operations").and_then(Value::as_array).ok_or_else(|| syntax("There are no Operations"))?;
    if operations.len() > MOST {
        return Err(ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A bulk request has at most {MOST} operations")));
    }
    let most_failures = body.get("failOnErrors").and_then(Value::as_u64);
    let parts = operations.iter().map(read).collect();
    let answers = Job { scim, caller, known: HashMap::new(), failures: 0 }.run(parts, operations, most_failures).await;
    Ok(Reply::document(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
        "Operations": answers,
    })))
}

fn read(operation: &Value) -> Result<Part, ScimError> {
    let syntax = |detail: &str| ScimError::flaw(Flaw::InvalidSyntax, detail);
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let method = match text("method").map(str::to_ascii_uppercase).as_deref() {
        Some("POST") => Method::POST,
        Some("PUT") => Method::PUT,
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        _ => return Err(syntax("A method is one of POST, PUT, PATCH and DELETE")),
    };
    let path = text("path").ok_or_else(|| syntax("An operation has no path"))?.trim_matches('/').to_owned();
    let kind = path.split('/').next().unwrap_or_default();
    if !["Users", "Groups"].iter().any(|known| known.eq_ignore_ascii_case(kind)) || path.contains('?') {
        return Err(syntax("A path is below /Users or /Groups"));
    }
    let bulk_id = text("bulkId").map(str::to_owned);
    if method == Method::POST && bulk_id.is_none() {
        return Err(syntax("What is made has a bulkId"));
    }
    let data = operation.get("data").cloned();
    if method != Method::DELETE && data.is_none() {
        return Err(syntax("An operation has no data"));
    }
    Ok(Part { method, path, bulk_id, version: text("version").map(str::to_owned), data })
}

/// A request being done.
struct Job<'j> {
    scim: &'j Scim,
    caller: &'j Caller,
    /// What was made: its id by the client's name for it; `None` where that failed.
    known: HashMap<String, Option<String>>,
    failures: u64,
}

impl Job<'_> {
    /// Does all of them. Answers in the order of doing.
    async fn run(mut self, mut parts: Vec<Result<Part, ScimError>>, sent: &[Value], most_failures: Option<u64>) -> Vec<Value> {
        let refers = references_of(&mut parts);
        let mut parts: Vec<Option<Result<Part, ScimError>>> = parts.into_iter().map(Some).collect();
        let mut answers = Vec::new();
        for step in order::order(&refers) {
            if most_failures.is_some_and(|most| most > 0 && self.failures >= most) {
                return answers;
            }
            let is_circle = step.len() > 1 || step.iter().any(|place| refers[*place].contains(place));
            let taken: Vec<Result<Part, ScimError>> = step.iter().filter_map(|place| parts[*place].take()).collect();
            let outcomes = if is_circle {
                // What is wrong in itself refers to nothing, so none of these is.
                self.together(&taken.into_iter().flatten().collect::<Vec<_>>()).await
            } else {
                let mut outcomes = Vec::new();
                for part in taken {
                    outcomes.push(self.alone(part).await);
                }
                outcomes
            };
            for (place, outcome) in step.into_iter().zip(outcomes) {
                answers.push(self.told(outcome, &sent[place]));
            }
        }
        answers
    }

    async fn alone(&mut self, part: Result<Part, ScimError>) -> Result<Reply, ScimError> {
        let part = part?;
        let made = part.bulk_id.clone().filter(|_| part.method == Method::POST);
        let outcome = self.perform(part).await;
        if let Some(name) = made {
            let id = outcome.as_ref().ok().and_then(|reply| reply.body.as_ref()?.get("id")?.as_str().map(str::to_owned));
            self.known.insert(name, id);
        }
        outcome
    }

    /// How one went.
    fn told(&mut self, outcome: Result<Reply, ScimError>, sent: &Value) -> Value {
        let mut answer = Map::new();
        for name in ["method", "bulkId"] {
            answer.extend(sent.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        let status = match outcome {
            Ok(reply) => {
                answer.extend(reply.location.map(|location| ("location".to_owned(), location.into())));
                answer.extend(reply.version.map(|version| ("version".to_owned(), version.into())));
                reply.status
            }
            Err(error) => {
                self.failures += 1;
                answer.insert("response".to_owned(), error.document());
                error.status
            }
        };
        answer.insert("status".to_owned(), status.as_str().into());
        Value::Object(answer)
    }

    async fn perform(&self, part: Part) -> Result<Reply, ScimError> {
        let mut path = Vec::new();
        for segment in part.path.split('/') {
            path.push(self.resolve(segment)?.unwrap_or_else(|| segment.to_owned()));
        }
        let body = match part.data {
            Some(mut data) => {
                self.replace(&mut data)?;
                Some(data)
            }
            None => None,
        };
        let path = path.join("/");
        let located = path.contains('/').then(|| format!("{}/{path}", self.scim.base));
        let ask = Ask { method: part.method, path, query: Query::default(), if_match: part.version, if_none_match: None, body };
        let reply = Box::pin(call::dispatch(self.scim, self.caller, &ask)).await?;
        Ok(Reply { location: reply.location.or(located), ..reply })
    }

    /// The id that a reference stands for; `None` where it is no reference.
    fn resolve(&self, text: &str) -> Result<Option<String>, ScimError> {
        let Some(name) = text.strip_prefix(REFERENCE) else { return Ok(None) };
        let known = self.known.get(name).cloned().flatten();
        known.map(Some).ok_or_else(|| ScimError::new(StatusCode::CONFLICT, format!("There is nothing called {text}")))
    }

    fn replace(&self, value: &mut Value) -> Result<(), ScimError> {
        match value {
            Value::String(text) => {
                if let Some(id) = self.resolve(text)? {
                    *text = id;
                }
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.replace(value)),
            Value::Object(fields) => fields.values_mut().try_for_each(|value| self.replace(value)),
            _ => Ok(()),
        }
    }
}

/// For each operation, the places of those that it refers to; only what is made anew is referred to. A name that is given twice is
/// an error in the place of the second.
fn references_of(parts: &mut [Result<Part, ScimError>]) -> Vec<Vec<usize>> {
    let mut made = HashMap::new();
    for (place, part) in parts.iter_mut().enumerate() {
        let Ok(Part { method: Method::POST, bulk_id: Some(name), .. }) = part else { continue };
        if let Some(first) = made.insert(name.clone(), place) {
            made.insert(name.clone(), first);
            *part = Err(ScimError::flaw(Flaw::InvalidSyntax, "A bulkId is given once in a request"));
        }
    }
    let places = |part: &Part| {
        let mut named = Vec::new();
        if let Some(data) = &part.data {
            references(data, &mut named);
        }
        named.extend(part.path.split('/').filter_map(|segment| segment.strip_prefix(REFERENCE)).map(str::to_owned));
        let mut places: Vec<usize> = named.iter().filter_map(|name| made.get(name.as_str()).copied()).collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    parts.iter().map(|part| part.as_ref().map(places).unwrap_or_default()).collect()
}

fn references(value: &Value, named: &mut Vec<String>) {
    match value {
        Value::String(text) => named.extend(text.strip_prefix(REFERENCE).map(str::to_owned)),
        Value::Array(values) => values.iter().for_each(|value| references(value, named)),
        Value::Object(fields) => fields.values().for_each(|value| references(value, named)),
        _ => {}
    }
}
