//! Who calls: the token of a connection, as `Authorization: Bearer` (RFC 6750).
//!
//! Refuses by digest, in constant time, whatever is not the secret of a token that lives; after too many failures it refuses without
//! looking (threats M6). A right token is not kept waiting by wrong guesses at its id.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use moka::future::Cache;

use super::Scim;
use super::error::ScimError;
use crate::audit::{Event, Kind, Outcome};
use crate::clock::Timestamp;
use crate::crypto::{Digest, token};
use crate::limit::Party;
use crate::model::{ScimToken, TenantId};

/// How long a secret that was right is exempt from the waiting that wrong guesses at its id bring about.
const PROVEN_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Secrets that were right.
pub(super) struct Proven(Cache<Digest, ()>);

impl Default for Proven {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_idle(PROVEN_KEPT).build())
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proven")
    }
}

/// Why nobody is let in, for the record; the caller is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Absent,
    Malformed,
    Unknown,
    WrongSecret,
    Revoked,
    Expired,
}

impl Refused {
    const fn reason(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub client: IpAddr,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Scim {
    /// The token that the request shows, if it lives.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ScimToken, ScimError> {
        let shown = presented(headers);
        let digest = Digest::of(shown.unwrap_or_default().as_bytes());
        let id = shown.and_then(token::scim_token_id);
        let party = id.map_or_else(|| Party::source(origin.client), |id| Party::name("scim", id));
        if let Some(wait) = self.failures.wait(party, now).await
            && self.proven.0.get(&digest).await.is_none()
        {
            return Err(too_many(wait));
        }
        let found = match id {
            Some(id) => self.means.tokens.scim_token(id).await?,
            None => None,
        };
        let tenant = self.tenant_of(found.as_ref());
        let refused = match (shown, id) {
            (None, _) => Refused::Absent,
            (Some(_), None) => Refused::Malformed,
            (Some(_), Some(_)) => match self.judge(found, digest, now) {
                Ok(token) => {
                    self.proven.0.insert(digest, ()).await;
                    return Ok(token);
                }
                Err(refused) => refused,
            },
        };
        self.note(refused, id, &tenant, origin, now);
        let guess = matches!(refused, Refused::Malformed | Refused::Unknown | Refused::WrongSecret);
        match if guess { self.failures.fail(party, now).await } else { None } {
            Some(wait) => Err(too_many(wait)),
            None => Err(ScimError::new(StatusCode::UNAUTHORIZED, "A live SCIM token is needed")),
        }
    }

    fn judge(&self, found: Option<ScimToken>, shown: Digest, now: Timestamp) -> Result<ScimToken, Refused> {
        // At the host of another tenant it is as good as none.
        let served = found.filter(|token| self.tenancy.serves(self.site, &token.tenant));
        let token = served.ok_or(Refused::Unknown)?;
        // Both are compared, so that the time does not tell which of two secrets was meant.
        let (old, new) = (token.digest == shown, token.next.is_some_and(|next| next == shown));
        match (old | new, token.revoked_at, token.is_live(now)) {
            (false, ..) => Err(Refused::WrongSecret),
            (true, Some(_), _) => Err(Refused::Revoked),
            (true, None, false) => Err(Refused::Expired),
            (true, None, true) => Ok(token),
        }
    }

    /// Whose trail a refusal belongs to: that of the tenant at whose host it was, or else of the tenant whose token it was.
    fn tenant_of(&self, found: Option<&ScimToken>) -> TenantId {
        let host = self.tenancy.site(self.site).tenant.as_ref();
        host.or(found.map(|token| &token.tenant)).cloned().unwrap_or_default()
    }

    fn note(&self, refused: Refused, id: Option<&str>, tenant: &TenantId, origin: &Origin, now: Timestamp) {
        let mut event = Event::new(now, Kind::CredentialRefused, Outcome::Failure, tenant);
        event.reason = Some(refused.reason().into());
        event.actor = id.map(|id| format!("scim:{id}"));
        event.source = Some(origin.client);
        event.user_agent.clone_from(&origin.user_agent);
        event.request_id.clone_from(&origin.request_id);
        self.means.audit.note(event);
    }
}

fn too_many(wait: Duration) -> ScimError {
    let retry_after = Some(wait.as_secs().max(1));
    ScimError { retry_after, ..ScimError::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens; wait") }
}

/// The one bearer token of the request; several are none.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next()?.to_str().ok()?;
    if lines.next().is_some() {
        return None;
    }
    let (scheme, token) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
