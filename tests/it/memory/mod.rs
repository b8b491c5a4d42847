//! What is kept: people, programs, sessions, the audit trail.

pub(crate) mod conformance;
mod sqlite;
