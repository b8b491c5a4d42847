//! The request's way, through the real binary.

mod demo;
mod serve;
