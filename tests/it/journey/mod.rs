//! The request's way, through the real binary.

mod credentials;
mod demo;
mod headers;
mod host;
mod hygiene;
mod introspection;
mod listeners;
mod matrix;
mod serve;
mod severance;
mod streaming;
mod tokens;
mod upstream;
mod ways;
