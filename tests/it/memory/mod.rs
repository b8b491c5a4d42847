//! What is kept: people, programs, sessions, the audit trail.

mod chain;
pub(crate) mod conformance;
mod crash;
mod failure;
mod feed;
mod file;
mod plans;
mod postgres;
mod server;
mod sqlite;
mod tables;
mod upgrade;
mod valkey;
