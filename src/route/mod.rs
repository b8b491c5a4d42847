//! Which rule a request falls under.
//!
//! Refuses to guess: the first match wins, a rule that can never match is a start-up error, and what no rule names needs an identity.

pub mod pattern;
mod sampling;
mod table;

pub use sampling::Sampling;
pub use table::{Route, Table, Target};
