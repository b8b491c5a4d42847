//! The API server's question and our answer: `AdmissionReview` of `admission.k8s.io/v1`.
//!
//! Refuses another version of the question, because an answer that is read wrong admits what was refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::settings::Settings;
use super::verdict::{Verdict, judge};

const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// Of the reasons that are given together.
const LONGEST_MESSAGE: usize = 1024;
/// What API servers pass on of a warning, in bytes.
const LONGEST_WARNING: usize = 256;

/// The question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    api_version: String,
    kind: String,
    #[serde(default)]
    request: Option<Question>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    uid: String,
    kind: Kind,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    operation: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    dry_run: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    version: String,
    #[serde(rename = "kind")]
    name: String,
}

/// Why there is no answer but a status.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswerable {
    #[error("this is no AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    #[error("only {KIND} of {VERSION} is understood here")]
    Version,
    #[error("the review asks nothing")]
    NoRequest,
}

/// The answer, and what is noted of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) note: Note,
}

/// What a log line says.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) outcome: &'static str,
    pub(super) uid: String,
    pub(super) namespace: String,
    /// Its name, or what its controller begins it with.
    pub(super) name: String,
    pub(super) dry_run: bool,
    pub(super) reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
}

impl Review {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unanswerable> {
        let review: Self = serde_json::from_slice(bytes)?;
        if review.api_version != VERSION || review.kind != KIND {
            return Err(Unanswerable::Version);
        }
        Ok(review)
    }

    /// Answers; a dry run is answered like any other, since nothing is done but answering.
    pub(super) fn answer(&self, settings: &Settings) -> Result<Answer, Unanswerable> {
        let question = self.request.as_ref().ok_or(Unanswerable::NoRequest)?;
        let verdict = question.verdict(settings);
        let patch = verdict.patch(&question.object);
        let patch = if patch.is_empty() { None } else { Some(STANDARD.encode(serde_json::to_vec(&patch)?)) };
        let reason = reason(&verdict);
        let response = Response {
            uid: &question.uid,
            allowed: reason.is_none(),
            warnings: told(&verdict),
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            status: reason.as_ref().map(|message| json!({ "code": 422, "reason": "Invalid", "message": message })),
        };
        let body = json!({ "apiVersion": VERSION, "kind": KIND, "response": response });
        Ok(Answer { body, note: question.note(verdict.word(), reason) })
    }
}

impl Question {
    /// Only the creation of a pod is ours; whatever else is asked about passes, so that a rule that is too wide breaks nothing.
    fn verdict(&self, settings: &Settings) -> Verdict {
        let a_pod = self.kind.group.is_empty() && self.kind.version == "v1" && self.kind.name == "Pod";
        let whole = self.sub_resource.as_deref().unwrap_or_default().is_empty();
        if a_pod && whole && self.operation == "CREATE" {
            return judge(&self.object, settings);
        }
        Verdict::Untouched { warnings: Vec::new() }
    }

    fn note(&self, outcome: &'static str, reason: Option<String>) -> Note {
        let metadata = self.object.get("metadata");
        let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
        Note {
            outcome,
            uid: self.uid.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            name: text("name").or_else(|| text("generateName")).unwrap_or_default().to_owned(),
            dry_run: self.dry_run.unwrap_or(false),
            reason,
        }
    }
}

/// Why the pod is refused, if it is.
fn reason(verdict: &Verdict) -> Option<String> {
    let Verdict::Refused(refusals) = verdict else { return None };
    let all: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    Some(shortened(&format!("doorward cannot stand before this pod: {}", all.join("; ")), LONGEST_MESSAGE))
}

fn told(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Injected { warnings, .. } | Verdict::Untouched { warnings } => warnings.clone(),
        Verdict::Refused(refusals) => {
            refusals.iter().map(|refusal| shortened(&format!("doorward: {refusal}"), LONGEST_WARNING)).collect()
        }
        Verdict::Already => Vec::new(),
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}
