//! Where a provider reads the key by which it knows this application.
//!
//! Refuses to tell more than the public part; [`ClientKey`] keeps the other.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path as Segment, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::http_client::client_auth::ClientKey;
use crate::login::Login;
use crate::login::connection::Way;

/// How long a provider may keep the published key.
const CACHE: &str = "public, max-age=3600";

/// `GET /.doorward/client-keys/{connection}`: the public key, for the provider to fetch (RFC 7517 §5).
pub(in crate::login) async fn publish(State(login): State<Arc<Login>>, Segment(id): Segment<String>) -> Response {
    let connections = login.connections();
    let found = connections.find(&id);
    let key = found.and_then(|connection| match &connection.way {
        Way::Oidc(provider) => provider.client_key(),
        Way::OAuth2(provider) => provider.client_key(),
        Way::Saml(_) | Way::MagicLink(_) | Way::Password => None,
    });
    match key.map(ClientKey::published) {
        Some(key) => ([(header::CACHE_CONTROL, CACHE)], Json(key)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
