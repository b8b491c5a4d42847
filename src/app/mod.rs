//! Wiring: from a configuration to a running front door.
//!
//! Refuses to run with a configuration that has a problem; a reload that has one keeps the old.

mod expiry;
pub mod insight;
pub mod memory;
pub mod plan;
pub mod reload;
pub mod run;
pub mod serve;
mod severance;
mod strangers;
pub mod upkeep;
