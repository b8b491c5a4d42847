//! Signing out at the provider, begun here (OpenID Connect RP-Initiated Logout 1.0).
//!
//! Refuses to be waited for: whoever signs out is signed out here, whatever the provider says.

use openidconnect::{LogoutRequest, PostLogoutRedirectUrl};

use super::{Provider, token};
use crate::clock::Timestamp;

impl Provider {
    /// Where the provider signs people out, if it says so and can be reached (§2).
    pub(in crate::login) async fn sign_out_address(&self, id_token: Option<&str>, back: &str, now: Timestamp) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.clone()?;
        let mut request = LogoutRequest::from(endpoint)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(back.to_owned()).ok()?);
        if let Some(hint) = id_token.and_then(|token| token.parse::<token::IdToken>().ok()) {
            request = request.set_id_token_hint(&hint);
        }
        Some(request.http_get_url().into())
    }

    /// The origin of [`Self::sign_out_address`].
    pub(in crate::login) async fn sign_out_origin(&self, now: Timestamp) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.as_ref()?;
        Some(endpoint.url().origin().ascii_serialization())
    }
}
