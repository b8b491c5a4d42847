//! What the running server says about itself.
//!
//! Refuses secrets: what is logged is named field by field.

pub mod log;
