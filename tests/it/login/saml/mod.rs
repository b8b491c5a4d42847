//! Signing in through SAML 2.0, at identity providers that nobody here wrote.

mod browser;
mod ended;
pub(super) mod house;
mod samlp;
mod simplesamlphp;
