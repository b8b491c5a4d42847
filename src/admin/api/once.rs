//! `Idempotency-Key`: a POST that is sent again is answered again, and not done again.
//!
//! Refuses the same key for another request, and to keep an answer in the open: it may hold a secret, so it is sealed with a key of which
//! half is the caller's `Idempotency-Key`, which is not kept. A request that has begun is done to its end though its caller leaves, since
//! that is when they ask again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::problem::Problem;
use super::{Admin, BODY_BYTES};
use crate::admin::{Acting, Undone};
use crate::audit::what::SecretRevealed;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::crypto::seal::Sealer;
use crate::directory::Begun;
use crate::model::Identity;
use crate::trace;

/// Its name.
pub(super) const HEADER: &str = "idempotency-key";
/// Longest key, in bytes.
pub(super) const LONGEST_KEY: usize = 200;
/// How long a request may be under way: whoever was stopped with the process that did it may begin again then.
const LEASE: Duration = Duration::from_secs(60);
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(3600);
/// Longest answer that is kept, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;

/// Members of an answer that are secrets: of keys, clients and tokens, and the link of an invitation.
const SECRET: [&str; 2] = ["secret", "link"];

/// An answer, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    kind: Option<String>,
    etag: Option<String>,
    body: Vec<u8>,
}

/// Does the request, or answers as it was answered before.
pub(super) async fn answer(admin: &Admin, identity: &Identity, request: Request, next: Next) -> Response {
    match answer_once(admin, identity, request, next).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn answer_once(admin: &Admin, identity: &Identity, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key_of(&request)?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES).await.map_err(|_| Problem::TOO_LARGE)?;
    let issuer = identity.issuer.as_deref().unwrap_or_default();
    let whose = [identity.credential.as_str(), issuer, &identity.subject, identity.tenant.as_str(), &key];
    let name = Digest::of_parts(&whose.map(str::as_bytes));
    let target = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let asked = Digest::of_parts(&[parts.method.as_str().as_bytes(), target.as_bytes(), &body]);
    let master = [admin.config.secret_key.expose().as_bytes(), key.as_bytes()].concat();
    let sealer = Sealer::new(&master, "idempotent answer").map_err(Undone::internal)?;
    let once = Once {
        admin: Arc::clone(admin),
        by: Caller::of(&parts)?.0,
        request: format!("{} {}", parts.method, parts.uri.path()),
        name,
        asked,
        sealer,
        now: admin.now(),
    };
    // In a task of its own: the caller's connection may end, and what was begun with it not.
    let done = once.answer(next.run(Request::from_parts(parts, Body::from(body))));
    tokio::spawn(trace::carried(done)).await.map_err(Undone::internal)?
}

/// A request that is to be done once.
struct Once {
    admin: Admin,
    by: Acting,
    /// Its method and path.
    request: String,
    name: Digest,
    asked: Digest,
    sealer: Sealer,
    now: Timestamp,
}

impl Once {
    /// As before, or by `doing` it.
    async fn answer(self, doing: impl Future<Output = Response>) -> Result<Response, Problem> {
        let Self { admin, by, request, name, asked, sealer, now } = self;
        let answers = &admin.means.answers;
        match answers.begin(&name, &asked, now, now.after(LEASE)).await.map_err(Undone::from)? {
            Begun::Now => {}
            Begun::Other => {
                let detail = "This `Idempotency-Key` was used for another request.";
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_used", detail));
            }
            Begun::Unanswered => {
                let detail = "A request with this `Idempotency-Key` has begun and is not answered yet; ask again in a moment.";
                return Err(Problem::new(StatusCode::CONFLICT, "in_progress", detail));
            }
            Begun::Answered(sealed) => {
                let kept = open(&sealer, &sealed, name.as_bytes())?;
                if let Some(of) = kept.reveals() {
                    let what = SecretRevealed { request: Some(request) };
                    admin.record(&by, &of, what).await?;
                }
                return kept.answer();
            }
        }
        let answer = doing.await;
        // What was not done may be tried again.
        if !answer.status().is_success() {
            answers.forget(&name).await.map_err(Undone::from)?;
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, ANSWER_BYTES).await.map_err(Undone::internal)?;
        let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let kept = Kept {
            status: head.status.as_u16(),
            kind: text(header::CONTENT_TYPE),
            etag: text(header::ETAG),
            body: body.to_vec(),
        };
        let plain = serde_json::to_vec(&kept).map_err(Undone::internal)?;
        let sealed = sealer.seal(&plain, name.as_bytes()).map_err(Undone::internal)?;
        answers.keep(&name, &sealed, now.after(KEPT)).await.map_err(Undone::from)?;
        Ok(Response::from_parts(head, Body::from(body)))
    }
}

fn key_of(request: &Request) -> Result<String, Problem> {
    let mut keys = request.headers().get_all(HEADER).iter();
    let (first, second) = (keys.next(), keys.next());
    let key = first.filter(|_| second.is_none()).and_then(|key| key.to_str().ok());
    let fits = |key: &&str| (1..=LONGEST_KEY).contains(&key.len());
    key.filter(fits).map(str::to_owned).ok_or_else(|| Problem::malformed("`Idempotency-Key` is one text of 1 to 200 bytes."))
}

fn open(sealer: &Sealer, sealed: &[u8], name: &[u8]) -> Result<Kept, Problem> {
    let plain = sealer.open(sealed, name).map_err(Undone::internal)?;
    Ok(serde_json::from_slice(&plain).map_err(Undone::internal)?)
}

impl Kept {
    /// Whose secret it holds, if it holds one.
    fn reveals(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        SECRET.iter().find(|member| body[**member].is_string())?;
        body["id"].as_str().map(str::to_owned)
    }

    fn answer(self) -> Result<Response, Problem> {
        let mut answer = Response::new(Body::from(self.body));
        *answer.status_mut() = StatusCode::from_u16(self.status).map_err(Undone::internal)?;
        for (name, text) in [(header::CONTENT_TYPE, self.kind), (header::ETAG, self.etag)] {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(answer)
    }
}
