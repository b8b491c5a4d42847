//! Signing out that the provider begins, by a frame in the browser (OpenID Connect Front-Channel Logout 1.0).
//!
//! Refuses to go by cookies, which a browser does not send into a stranger's frame, and to be framed by anybody but the provider: the
//! session is named by the issuer and its session id together, which only the provider and this door know (threats J15).

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::Provider;
use crate::clock::Timestamp;
use crate::login::connection::Way;
use crate::login::parameters::Parameters;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::ProviderLogout;

/// Bytes of the shortest session id that cannot be guessed.
const SHORTEST: usize = 16;

/// `GET /.doorward/frontchannel-logout/{connection}?iss=…&sid=…`
pub(in crate::login) async fn front_channel(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    let connections = login.connections();
    let Some((connection, Way::Oidc(provider))) = connections.find(&id).map(|found| (found, &found.way)) else {
        return bare(StatusCode::NOT_FOUND, None);
    };
    let origins = provider.origins(login.now()).await;
    let named = async {
        let parameters = Parameters::read(query.as_deref());
        let (Ok(Some(issuer)), Ok(Some(session))) = (parameters.one("iss"), parameters.one("sid")) else {
            return Ok(StatusCode::BAD_REQUEST);
        };
        if provider.metadata(login.now()).await?.issuer().as_str() != issuer || session.len() < SHORTEST {
            return Ok(StatusCode::BAD_REQUEST);
        }
        let logout = ProviderLogout {
            tenant: connection.tenant.clone(),
            connection: connection.id.clone(),
            session: Some(session.to_owned()),
            subject: None,
        };
        login.end_by_provider(&visitor, &[logout], None, "frontchannel_logout").await?;
        Ok::<_, SignInError>(StatusCode::OK)
    };
    bare(named.await.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), origins.as_deref())
}

/// An answer without a page: nobody sees what is in the frame. `framed_by`: who may frame it.
fn bare(status: StatusCode, framed_by: Option<&str>) -> Response {
    let policy = format!("default-src 'none'; frame-ancestors {}", framed_by.unwrap_or("'none'"));
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    let mut answer = status.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // The answer to a logout is not to be remembered (§3).
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

impl Provider {
    /// The origins of the provider's own pages, which may frame the answer; `None` where they cannot be known now.
    async fn origins(&self, now: Timestamp) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let end = metadata.additional_metadata().end_session_endpoint.as_ref().map(openidconnect::EndSessionUrl::url);
        let pages = [Some(metadata.issuer().url()), end, Some(metadata.authorization_endpoint().url())];
        let mut origins: Vec<String> = pages.into_iter().flatten().map(|url| url.origin().ascii_serialization()).collect();
        origins.sort();
        origins.dedup();
        Some(origins.join(" "))
    }
}
