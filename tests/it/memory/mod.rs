//! What is kept: people, programs, sessions, the audit trail.

mod conformance;
mod sqlite;
