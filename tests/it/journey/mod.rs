//! The request's way, through the real binary.

mod demo;
mod headers;
mod serve;
mod streaming;
mod upstream;
