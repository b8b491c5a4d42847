//! Doorward: the whole front door of an HTTP application in one binary.
//!
//! This page is the map. A request's way is [`proxy`]'s journey:
//! `edge` (listener, TLS, hygiene) → `route` → `credential` → `authn` → `policy` → `forward`.

// wiring
pub mod app;
// the journey
pub mod authn;
pub mod credential;
pub mod edge;
pub mod forward;
pub mod policy;
pub mod proxy;
pub mod route;
// doors
pub mod admin;
pub mod kube;
pub mod login;
pub mod scim;
// memory
pub mod audit;
pub mod directory;
pub mod model;
pub mod revocation;
pub mod session;
// foundation
pub mod batch;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod db;
pub mod http_client;
pub mod latest;
pub mod limit;
pub mod listener;
pub mod mail;
pub mod telemetry;
pub mod trace;
pub mod valkey;
// commands
pub mod cli;
