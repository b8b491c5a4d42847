//! OAuth 2.0: how an authorization server is spoken to (RFC 6749), with or without an ID token on top.
//!
//! Refuses to take "not now" for "no": a server that fails is its own answer.

pub(super) mod caller;
pub(super) mod client_key;
pub(super) mod doctor;
pub(super) mod heard;
mod profile;
mod provider;
pub(super) mod token_error;

pub(super) use provider::Provider;
