//! Messages that nobody here wrote, and messages that nobody should believe.
//!
//! Refuses to pass where a message is judged otherwise than it must be.

mod attacks;
mod corpus;
mod forge;
mod scramble;
mod scrambled;
mod sealed_name;
mod short;
