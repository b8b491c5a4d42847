//! The outermost room: connections, TLS, and the judgement whether a request can be read in one way only.
//!
//! Refuses everything ambiguous before any other stage looks at it, because almost every bypass of a front door began as a
//! disagreement between two parsers.

pub mod connection;
mod gather;
pub mod hygiene;
pub mod listener;
pub mod tls;

pub use connection::{Connection, ConnectionFacts};
pub use hygiene::{Arrival, Clean, Hygiene, Unclean};
