//! Doorward: the whole front door of an HTTP application in one binary.
//!
//! This page is the map. A request's way is [`proxy`]'s journey:
//! `edge` (listener, TLS, hygiene) → `route` → `credential` → `authn` → `policy` → `forward`.

// memory
pub mod audit;
pub mod directory;
pub mod model;
pub mod session;
// foundation
pub mod clock;
pub mod config;
pub mod crypto;
// commands
pub mod cli;
