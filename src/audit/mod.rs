//! The audit trail: what happened, who did it, from where.
//!
//! Refuses change and removal: the table is append-only by trigger, because a trail that can be edited proves nothing.

pub mod event;
