//! Claims (RFC 7519 §4): whether they hold now and for us, and who they name.
//!
//! Refuses a claim of the wrong type instead of passing over it, because a claim that cannot be read is not a claim that is
//! absent (threats J3, J12).

use std::time::Duration;

use serde_json::{Map, Value};

use crate::authn::reason::Reason;
use crate::clock::Timestamp;
use crate::config::access::BearerClaims;
use crate::crypto::Digest;
use crate::model::{CredentialKind, EmailAddress, ForwardMemo, Identity, Scope, TenantId};
use crate::policy::mfa::{Evidence, METHOD};
use crate::policy::role::Roles;

/// Claims by which an issuer names the client that got a token: RFC 9068 §2.2, OpenID Connect Core 1.0 §2, Okta, Microsoft Entra ID.
const CLIENTS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// How an issuer's claims are read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) issuer: String,
    pub(super) names: BearerClaims,
    pub(super) tenant: TenantId,
    pub(super) trust_unverified_email: bool,
    pub(super) second_factor: Evidence,
    pub(super) programs_only: bool,
}

/// The claims of one token. Only their types are checked as they are read.
#[derive(Debug)]
pub(in crate::authn) struct Claims(Map<String, Value>);

/// Who a token may come from and whom it must be for.
#[derive(Debug)]
pub(in crate::authn) struct Expected<'a> {
    pub(in crate::authn) audiences: &'a [String],
    pub(in crate::authn) skew: Duration,
}

impl Claims {
    pub(in crate::authn) fn parse(payload: &[u8]) -> Result<Self, Reason> {
        match serde_json::from_slice(payload) {
            Ok(Value::Object(claims)) => Ok(Self(claims)),
            _ => Err(Reason::Claims),
        }
    }

    /// What an issuer answers about a token (RFC 7662 §2.2); `None` where it is not active.
    pub(super) fn of_answer(body: &[u8]) -> Result<Option<Self>, Reason> {
        let Self(mut claims) = Self::parse(body)?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(None),
            _ => return Err(Reason::Claims),
        }
        // A client got it for itself, and not every issuer gives that a subject.
        if !claims.contains_key("sub")
            && !claims.contains_key("username")
            && let Some(client) = claims.get("client_id").cloned()
        {
            claims.insert("sub".to_owned(), client);
        }
        Ok(Some(Self(claims)))
    }

    /// Checks `exp` and `aud`, which must be there, and `nbf` and `iat`, which may; says until when the token holds, exclusively.
    pub(in crate::authn) fn check(&self, expected: &Expected<'_>, now: Timestamp) -> Result<Timestamp, Reason> {
        let expires = self.time("exp")?.ok_or(Reason::Claims)?.after(expected.skew);
        if expires <= now {
            return Err(Reason::Expired);
        }
        let early = |at: Option<Timestamp>| at.is_some_and(|at| at.before(expected.skew) > now);
        if early(self.time("nbf")?) || early(self.time("iat")?) {
            return Err(Reason::NotYetValid);
        }
        if !self.is_for(expected.audiences)? {
            return Err(Reason::Audience);
        }
        Ok(expires)
    }

    /// Whether one of `audiences` is among the token's (RFC 7519 §4.1.3).
    pub(in crate::authn) fn is_for(&self, audiences: &[String]) -> Result<bool, Reason> {
        Ok(self.list("aud")?.iter().any(|named| audiences.iter().any(|audience| audience == named)))
    }

    /// Text; absent or null is `None`, another type is refused. A dotted name leads into objects where no claim has it whole.
    pub(in crate::authn) fn text(&self, name: &str) -> Result<Option<&str>, Reason> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Reason::Claims),
        }
    }

    /// A list of texts; one text is a list of one.
    pub(in crate::authn) fn list(&self, name: &str) -> Result<Vec<&str>, Reason> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or(Reason::Claims)).collect(),
            Some(_) => Err(Reason::Claims),
        }
    }

    /// A NumericDate (RFC 7519 §2), whole seconds of it. Text and numbers beyond the year 5138 are refused.
    pub(in crate::authn) fn time(&self, name: &str) -> Result<Option<Timestamp>, Reason> {
        const LATEST: f64 = 1e11;
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|_| value.is_number()).ok_or(Reason::Claims)?;
        if !(0.0..=LATEST).contains(&seconds) {
            return Err(Reason::Claims);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let seconds = seconds as i64;
        Ok(Some(Timestamp::from_seconds(seconds)))
    }

    /// The certificate that the token is bound to (RFC 8705 §3.1). Another binding cannot be checked and is refused.
    pub(super) fn certificate_digest(&self) -> Result<Option<Digest>, Reason> {
        use base64::Engine as _;
        let Some(confirmation) = self.0.get("cnf") else { return Ok(None) };
        let digest = confirmation.get("x5t#S256").and_then(Value::as_str);
        let bytes = digest.and_then(|digest| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(digest).ok());
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or(Reason::SenderConstrained)?;
        Ok(Some(Digest::from_bytes(bytes)))
    }

    /// Whether the claims are those of an ID, refresh or logout token rather than of an access token. Keycloak says so in `typ`, Amazon
    /// Cognito and Ory Hydra in `token_use`, an answer about a token may in `token_type` (RFC 7662 §2.2), where DPoP is another scheme; a
    /// logout token and a security event have `events` (OpenID Connect Back-Channel Logout 1.0 §2.4, RFC 8417 §2.2).
    pub(super) fn are_of_another_type(&self) -> bool {
        const OTHERS: [&str; 8] = ["id", "id_token", "refresh", "refresh_token", "offline", "logout", "dpop", "n_a"];
        let is_other = |name: &&str| {
            let said = self.0.get(*name).and_then(Value::as_str);
            said.is_some_and(|said| OTHERS.iter().any(|other| said.eq_ignore_ascii_case(other)))
        };
        self.0.contains_key("events") || ["typ", "token_use", "token_type"].iter().any(is_other)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| {
            let mut parts = name.split('.');
            let first = self.0.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        })
    }

    /// The address, if the issuer says that it was verified or owns it: some let a tenant write anybody's there (threats J12).
    fn email(&self, reading: &Reading) -> Result<Option<String>, Reason> {
        let verified = match self.0.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        let address = self.text(&reading.names.email)?.filter(|_| verified || reading.trust_unverified_email);
        Ok(address.and_then(|address| address.parse::<EmailAddress>().ok()).map(String::from))
    }

    /// Space-separated (RFC 6749 §3.3) or a list. What cannot be a scope grants nothing.
    fn scopes(&self, name: &str) -> Result<Vec<Scope>, Reason> {
        let texts = self.list(name)?;
        Ok(texts.iter().flat_map(|text| text.split(' ')).filter_map(|scope| scope.parse().ok()).collect())
    }

    /// Whether a client got the token for itself (RFC 6749 §4.4), as issuers say it: the client is the subject (RFC 9068 §2.2), or by
    /// a claim of Auth0's or Microsoft's.
    fn are_of_a_program(&self, subject: &str) -> bool {
        let says = |name: &str, text: &str| self.0.get(name).and_then(Value::as_str) == Some(text);
        CLIENTS.iter().any(|name| says(name, subject)) || says("gty", "client-credentials") || says("idtyp", "app")
    }

    /// Who the token names. Its signature, issuer, audience and times have been checked.
    pub(super) fn identity(&self, reading: &Reading, roles: &Roles, expires_at: Timestamp) -> Result<Identity, Reason> {
        let Reading { names, tenant, .. } = reading;
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<String>>();
        let subject = self.text("sub")?.filter(|subject| is_plain(subject)).ok_or(Reason::Claims)?;
        let groups = owned(self.list(&names.groups)?);
        let held = roles.of(tenant, &owned(self.list(&names.roles)?), &groups);
        let mut scopes = self.scopes(&names.scopes)?;
        scopes.extend(roles.scopes_of(&held));
        scopes.sort();
        scopes.dedup();
        let context = self.0.get("acr").and_then(Value::as_str);
        let amr = reading.second_factor.judge(owned(self.list("amr")?), context);
        Ok(Identity {
            credential: CredentialKind::Bearer,
            subject: subject.to_owned(),
            tenant: tenant.clone(),
            user: None,
            is_person: !reading.programs_only && !self.are_of_a_program(subject),
            user_name: self.text(&names.user_name)?.map(str::to_owned),
            email: self.email(reading)?,
            name: self.text(&names.name)?.map(str::to_owned),
            groups,
            roles: held,
            scopes,
            session: None,
            connection: None,
            authenticated_at: self.time("auth_time")?,
            mfa: amr.iter().any(|method| method == METHOD),
            amr,
            expires_at: Some(expires_at),
            issuer: Some(reading.issuer.clone()),
            session_digest: None,
            renew_at: None,
            forward: ForwardMemo::default(),
        })
    }
}

/// A name that can stand in a header and a record: 1 to 255 characters (OpenID Connect Core 1.0 §2), none of them control.
pub(in crate::authn) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control)
}
