//! SAML 2.0, as a service provider.
//!
//! Refuses to read who somebody is from anything but an element whose signature was checked; see `signature`, which alone makes that
//! proof. `tree` → `signature` → `assertion` → `judge` is the way of a response.
#![expect(dead_code, reason = "the way in is built on top of this")]

mod assertion;
mod certificate;
mod decrypt;
mod judge;
mod names;
mod refusal;
mod response;
mod signature;
#[cfg(test)]
mod tests;
mod tree;
