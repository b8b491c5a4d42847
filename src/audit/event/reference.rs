//! The reference of events, for whoever writes rules for them: docs/audit-events.md.
//!
//! Refuses to be written by hand, because then it would soon be about other events.

use std::fmt::Write as _;

use super::declare::Field;
use super::{Kind, Outcome, SCHEMA_VERSION};
use crate::audit::{Severity, ocsf};

const OPENING: &str = "\
# Audit events

Made by `doorward schema --events`; change the types in `src/audit/event/what.rs` instead.

Every event says `schema_version`, `id`, `at`, `kind`, `outcome` (`success`, `failure`) and `tenant`, and what is known of these:

| Field | Says |
| --- | --- |
| `logged_at` | when it was written down, in what sinks get, the API shows and `audit export` prints; `at` is when it happened |
| `reason` | why it failed or was denied, or was done: a stable name |
| `actor` | who did it: the id of a person, key, client or connection; `cli:NAME`; `scim:TOKEN`; or what somebody typed |
| `target` | to whom or what it was done |
| `credential` | how the actor showed who they are: `session`, `api_key`, `client_secret`, `bearer`, `license`, `client_certificate` |
| `session` | the session's handle, which opens nothing |
| `source` | the client's address, after trusted proxies |
| `user_agent` | what the client calls itself, at most 256 bytes |
| `request_id` | the request's id, as the access log and `X-Request-Id` have it |
| `details` | what the kind of event says further: the tables below |

Names are stable: under the same version a kind or a field is only ever added. Texts are bounded. What is marked *personal* stands apart \
from the event, and goes when the person is erased; so do an address as actor or target, `source` and `user_agent`.

";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = format!("{OPENING}Version of the events: {SCHEMA_VERSION}. Version of OCSF: {}.\n", ocsf::VERSION);
    for kind in Kind::ALL {
        section(&mut page, *kind);
    }
    page
}

fn section(page: &mut String, kind: Kind) {
    let declared = kind.declared();
    let (class, uid) = ocsf::class_of(kind);
    let severity = |outcome| Severity::of(kind, outcome).as_str();
    let (success, failure) = (severity(Outcome::Success), severity(Outcome::Failure));
    let severity = if success == failure { success.to_owned() } else { format!("{success}, {failure} if it failed") };
    // Writing to a string does not fail.
    let _ = write!(page, "\n## {}\n\n{}\n\nOCSF: {class} ({uid}). Severity: {severity}.\n", declared.name, text(declared.doc));
    if !declared.fields.is_empty() {
        page.push_str("\n| Field | Holds | Says |\n| --- | --- | --- |\n");
        for field in declared.fields {
            let personal = if field.personal { ", *personal*" } else { "" };
            let _ = writeln!(page, "| `{}` | {}{personal} | {} |", field.name, field.form, about(field));
        }
    }
}

/// What is said of a field; its name says enough where nothing is.
fn about(field: &Field) -> String {
    if field.doc.is_empty() { field.name.replace('_', " ") } else { text(field.doc) }
}

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
