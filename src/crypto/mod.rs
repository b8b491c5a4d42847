//! Randomness, digests, sealing, password hashing and secret values.
//!
//! Refuses to print a secret and to compare one in variable time, because both have been how front doors were opened.
//! All primitives are aws-lc-rs's; passwords are Argon2id's (RFC 9106).

pub mod digest;
pub mod mac;
pub mod password;
pub mod random;
pub mod seal;
pub mod secret;
pub mod signer;
pub mod token;
pub mod totp;
pub mod weekly;

pub use digest::Digest;
pub use secret::Secret;
