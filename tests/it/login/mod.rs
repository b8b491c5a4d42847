//! Signing in and out, against a certified provider, by script and in a browser.

mod attempts;
mod break_glass;
mod browser;
mod client_auth;
mod house;
mod lemonldap;
mod lifetime;
mod mail;
mod mfa;
mod oauth2;
mod oidc;
mod passkey;
mod password;
mod provider_logout;
mod refresh;
mod refusal;
mod replicas;
mod return_to;
mod routing;
mod saml;
mod sealed;
mod sign_out;
mod step_up;
mod stored;
mod torture;
