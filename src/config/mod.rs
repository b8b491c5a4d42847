//! The configuration as it was typed: one YAML file, its types, its problems.
//!
//! Refuses unknown keys and tells every problem at once with its place, because a front door that guesses what was meant is open.
//! What the words mean is decided later, in `app::plan`.

mod advice;
mod file;
mod fill;
mod fit;
mod load;
mod mail;
mod outline;
mod problem;
mod reference;
mod report;
mod review;
mod shape;
mod shown;
mod sources;
mod usual;
mod value;
mod watch;

pub mod access;
pub mod compatibility;
pub mod connection;
pub mod document;
pub mod forward_auth;
pub mod inject;
pub mod listener;
pub mod paths;
pub mod postgres;
pub mod preset;
pub mod programs;
pub mod schema;
pub mod sign_in;
pub mod sink;
pub mod telemetry;
pub mod tenant;
pub mod upstream;

pub use advice::advise;
pub use file::{Audit, Config, Limits, LogFormat, Logging, Operations, SessionMode, SessionServer, Sessions, Shutdown, Store};
pub use load::{LoadError, Loaded, load};
pub use mail::Mail;
pub use outline::{Difference, Outline};
pub use problem::{Path, Problem, Problems};
pub use reference::variables;
pub use report::{Finding, Place, Report};
pub use review::{is_loopback, review};
pub use shown::shown_address;
pub use sign_in::SecondFactor;
pub use sources::Sources;
pub use value::{InvalidSpan, Span};
pub use watch::Watch;
