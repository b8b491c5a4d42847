//! SAML 2.0, as a service provider (SAML Profiles §4.1 and §4.4).
//!
//! Refuses to read who somebody is from anything but an element whose signature was checked; see `signature`, which alone makes that
//! proof. `tree` → `signature` → `assertion` → `judge` is the way of a response.

mod acs;
mod assertion;
mod attributes;
mod binding;
mod certificate;
mod compile;
mod decrypt;
mod discovery;
mod doctor;
mod encrypt;
pub mod examine;
mod idp;
mod judge;
mod key;
mod leave;
mod logout;
mod message;
mod names;
mod refusal;
mod response;
mod signature;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header;

use super::connection::{Connection, Way};
use super::{Login, SignInError};
use crate::config::connection::AttributeNames;
use discovery::Discovery;
use key::OwnKey;
use message::OwnMetadata;
use refusal::Refusal;

/// Bytes of a posted message: a response in base64, percent-encoded at worst.
const FORM_BYTES: usize = tree::LARGEST * 2;

/// One identity provider, as configured, and what we are to it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration of its own")]
pub(super) struct Provider {
    discovery: Discovery,
    entity_id: String,
    acs: String,
    slo: String,
    key: Option<OwnKey>,
    sign_requests: bool,
    want_assertions_signed: bool,
    want_response_signed: bool,
    idp_initiated: bool,
    force_authn: bool,
    name_id_format: Option<&'static str>,
    skew: Duration,
    attributes: AttributeNames,
}

/// The addresses of this kind of connection, below `prefix`.
pub(super) fn routes(prefix: &str) -> Router<Arc<Login>> {
    Router::new()
        .route(&format!("{prefix}/saml/{{connection}}/metadata"), get(metadata))
        .route(&format!("{prefix}/saml/{{connection}}/acs"), post(acs::consume).get(acs::stray))
        .route(&format!("{prefix}/saml/{{connection}}/slo"), get(logout::by_redirect).post(logout::by_form))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// `GET /.doorward/saml/{connection}/metadata`: what we are, for the provider's administrator to load.
async fn metadata(State(login): State<Arc<Login>>, Path(id): Path<String>) -> Response {
    let connections = login.connections();
    let Some((_, provider)) = find(connections.find(&id)) else { return http::StatusCode::NOT_FOUND.into_response() };
    let headers = [(header::CONTENT_TYPE, "application/samlmetadata+xml"), (header::CACHE_CONTROL, "no-cache")];
    (headers, provider.metadata()).into_response()
}

fn find(connection: Option<&Connection>) -> Option<(&Connection, &Arc<Provider>)> {
    match connection {
        Some(connection @ Connection { way: Way::Saml(provider), .. }) => Some((connection, provider)),
        _ => None,
    }
}

impl Provider {
    fn metadata(&self) -> String {
        let own = OwnMetadata {
            entity_id: &self.entity_id,
            acs: &self.acs,
            slo: &self.slo,
            key: self.key.as_ref(),
            signs_requests: self.sign_requests,
            wants_assertions_signed: self.want_assertions_signed,
            name_id_format: self.name_id_format,
        };
        own.write()
    }

    /// The key for requests, if they are signed.
    fn request_key(&self) -> Option<&OwnKey> {
        self.key.as_ref().filter(|_| self.sign_requests)
    }
}

impl From<Refusal> for SignInError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Status { code, message } => Self::ProviderRefused { code, description: message },
            Refusal::RepeatedParameter => Self::RepeatedParameter,
            refusal => Self::answer(refusal.reason(), refusal),
        }
    }
}
