//! The outermost room: connections, TLS, and the judgement whether a request can be read in one way only.
//!
//! Refuses everything ambiguous before any other stage looks at it, because almost every bypass of a front door began as a
//! disagreement between two parsers.

mod authority;
mod chunks;
pub mod churn;
mod client_addr;
pub mod connection;
mod deadline;
mod farewell;
pub mod fields;
mod frames;
pub mod front;
mod gather;
pub mod hygiene;
pub mod listener;
pub mod live;
pub mod patience;
mod proxy_protocol;
pub mod redirect;
pub mod socket;
mod target;
pub mod tls;
pub mod wire;
pub mod witness;
pub mod workers;

pub use connection::{Connection, ConnectionFacts, engage, peer_field, settled};
pub use hygiene::{Arrival, Clean, Hygiene, Unclean, settle};
pub use live::{CloseReason, LiveHandle, LiveStreams};
pub use target::understood;
pub use witness::{Refused, Witness};
