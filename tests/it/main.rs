//! The integration tests: one binary, one folder for each part of the house.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod journey;
mod kube;
mod login;
mod memory;
mod operate;
mod scim;
mod support;
