//! Passkeys (W3C WebAuthn): a device's key, unlocked by its holder, so that one is two factors.
//!
//! Refuses an answer to another challenge, of another origin or without the holder's own proof (the library judges those), and the second
//! answer to one challenge: its state is sealed into the page for one person and used up in the store.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::{SecondFactors, Shown};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::{Digest, random};
use crate::directory::FactorUse;
use crate::login::pages::factors::Ceremony;
use crate::login::{Login, SignInError};
use crate::model::{Factor, FactorKind, User, UserId};

/// How long a person may take to find their device.
const LIFE: Duration = Duration::from_secs(600);
/// Passkeys of one person: their ceremony's state has to fit into a form.
pub(super) const MOST: usize = 5;
/// Proof of possession of a key (RFC 8176 §2).
pub(super) const METHOD: Shown = Shown("pop");

/// What a page's hidden field holds, sealed.
#[derive(Serialize, Deserialize)]
struct Sealed<S> {
    id: String,
    until: Timestamp,
    state: S,
}

/// The relying party; `None` for an address that has no domain, where browsers do no passkeys.
pub(super) fn compile(config: &Config, origin: &url::Url) -> Option<Webauthn> {
    let domain = origin.domain()?.to_owned();
    let name = config.sign_in.title.clone().unwrap_or_else(|| domain.clone());
    WebauthnBuilder::new(&domain, origin).ok()?.rp_name(&name).build().ok()
}

impl SecondFactors {
    fn passkeys(&self, user: &User, factors: &[Factor]) -> Result<Vec<(Factor, Passkey)>, SignInError> {
        let own = factors.iter().filter(|factor| factor.kind == FactorKind::Passkey);
        let opened = own.map(|factor| {
            let plain = self.open(user, factor)?;
            Ok((factor.clone(), serde_json::from_slice(&plain).map_err(SignInError::internal)?))
        });
        opened.collect()
    }

    fn seal<S: Serialize>(&self, state: S, context: &str, now: Timestamp) -> Result<String, SignInError> {
        let id = random::alphanumeric(22).map_err(SignInError::internal)?;
        let plain = serde_json::to_vec(&Sealed { id, until: now.after(LIFE), state }).map_err(SignInError::internal)?;
        let sealed = self.enrolment.seal(&plain, context.as_bytes()).map_err(SignInError::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }
}

fn refused(error: &WebauthnError) -> SignInError {
    tracing::info!(%error, "a passkey's answer does not hold");
    SignInError::WrongCode
}

fn context(what: &str, user: UserId) -> String {
    format!("{what}:{user}")
}

impl Login {
    /// What was sealed into the page, whose one use this is.
    async fn ceremony<S: DeserializeOwned>(&self, sealed: &str, context: &str) -> Result<S, SignInError> {
        let rules = &self.rules.second_factors;
        let opened =
            URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|sealed| rules.enrolment.open(&sealed, context.as_bytes()).ok());
        let opened: Option<Sealed<S>> = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        let opened = opened.filter(|opened| self.now() < opened.until).ok_or(SignInError::ForeignForm)?;
        let token = Digest::of(opened.id.as_bytes());
        let first = self.means.sessions.take_once("passkey_ceremony", &token, opened.until.after(LIFE)).await?;
        if first { Ok(opened.state) } else { Err(SignInError::ForeignForm) }
    }

    /// What the browser is to be asked to make a passkey with.
    pub(super) fn new_passkey(&self, user: &User, factors: &[Factor]) -> Result<Option<Ceremony>, SignInError> {
        let rules = &self.rules.second_factors;
        let Some(webauthn) = &rules.webauthn else { return Ok(None) };
        let known = rules.passkeys(user, factors)?;
        if known.len() >= MOST {
            return Ok(None);
        }
        let known = known.iter().map(|(_, passkey)| passkey.cred_id().clone()).collect();
        let name = user.email.as_ref().map_or(user.user_name.as_str(), |email| email.as_str());
        let shown = user.name.as_deref().unwrap_or(name);
        let begun = webauthn.start_passkey_registration(user.id.0, name, shown, Some(known));
        let (challenge, state) = begun.map_err(SignInError::internal)?;
        let mut options = serde_json::to_value(challenge).map_err(SignInError::internal)?;
        // So that it can sign in by itself; a device without room for that still serves as the second factor.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "preferred".into();
        let state = rules.seal(state, &context("create", user.id), self.now())?;
        Ok(Some(Ceremony { kind: "create", options: options.to_string(), state }))
    }

    /// The factor that the browser has made.
    pub(super) async fn made_passkey(&self, user: &User, sealed: &str, answer: &str, name: &str) -> Result<Factor, SignInError> {
        let rules = &self.rules.second_factors;
        let webauthn = rules.webauthn.as_ref().ok_or(SignInError::ForeignForm)?;
        let state: PasskeyRegistration = self.ceremony(sealed, &context("create", user.id)).await?;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| SignInError::ForeignForm)?;
        let passkey = webauthn.finish_passkey_registration(&answer, &state).map_err(|error| refused(&error))?;
        let plain = serde_json::to_vec(&passkey).map_err(SignInError::internal)?;
        let name = if name.trim().is_empty() { "Passkey" } else { name.trim() };
        rules.factor(self, user, FactorKind::Passkey, name, &plain)
    }

    /// What the browser is to be asked for one of the person's passkeys with; `None` if there is none.
    pub(super) fn ask_for_passkey(&self, user: &User, factors: &[Factor]) -> Result<Option<Ceremony>, SignInError> {
        let rules = &self.rules.second_factors;
        let Some(webauthn) = &rules.webauthn else { return Ok(None) };
        let known: Vec<Passkey> = rules.passkeys(user, factors)?.into_iter().map(|(_, passkey)| passkey).collect();
        if known.is_empty() {
            return Ok(None);
        }
        let (challenge, state) = webauthn.start_passkey_authentication(&known).map_err(SignInError::internal)?;
        let options = serde_json::to_string(&challenge).map_err(SignInError::internal)?;
        let state = rules.seal(state, &context("get", user.id), self.now())?;
        Ok(Some(Ceremony { kind: "get", options, state }))
    }

    /// Whether the answer is one of the person's passkeys to the sealed challenge, for the first time.
    pub(super) async fn try_passkey(
        &self,
        user: &User,
        factors: &[Factor],
        sealed: &str,
        answer: &str,
    ) -> Result<Option<Shown>, SignInError> {
        let rules = &self.rules.second_factors;
        let Some(webauthn) = &rules.webauthn else { return Ok(None) };
        let state: PasskeyAuthentication = self.ceremony(sealed, &context("get", user.id)).await?;
        let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Ok(None) };
        let result = match webauthn.finish_passkey_authentication(&answer, &state) {
            Ok(result) => result,
            Err(error) => {
                refused(&error);
                return Ok(None);
            }
        };
        let known = rules.passkeys(user, factors)?;
        let Some((factor, mut passkey)) = known.into_iter().find(|(_, passkey)| passkey.cred_id() == result.cred_id()) else {
            return Ok(None);
        };
        passkey.update_credential(&result);
        self.used_passkey(user, &factor, &passkey).await
    }

    async fn used_passkey(&self, user: &User, factor: &Factor, passkey: &Passkey) -> Result<Option<Shown>, SignInError> {
        let plain = serde_json::to_vec(passkey).map_err(SignInError::internal)?;
        let rules = &self.rules.second_factors;
        let secret = rules.secrets.seal(&plain, &super::context(user, &factor.id)).map_err(SignInError::internal)?;
        let used = FactorUse { counter: factor.counter.saturating_add(1), secret: Some(secret), at: self.now() };
        Ok(self.means.factors.use_factor(user.id, &factor.id, &used).await?.then_some(METHOD))
    }

    /// What the browser is to be asked for any passkey of this door with.
    pub(super) fn ask_for_any_passkey(&self) -> Result<Option<Ceremony>, SignInError> {
        let rules = &self.rules.second_factors;
        let Some(webauthn) = &rules.webauthn else { return Ok(None) };
        let (challenge, state) = webauthn.start_discoverable_authentication().map_err(SignInError::internal)?;
        let options = serde_json::to_string(&challenge).map_err(SignInError::internal)?;
        let state = rules.seal(state, "get", self.now())?;
        Ok(Some(Ceremony { kind: "get", options, state }))
    }

    /// Whose passkey has answered the sealed challenge.
    pub(super) async fn person_of_passkey(&self, sealed: &str, answer: &str) -> Result<Option<User>, SignInError> {
        let rules = &self.rules.second_factors;
        let Some(webauthn) = &rules.webauthn else { return Ok(None) };
        let state: DiscoverableAuthentication = self.ceremony(sealed, "get").await?;
        let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Ok(None) };
        let Ok((id, credential)) = webauthn.identify_discoverable_authentication(&answer) else { return Ok(None) };
        let Some(user) = self.means.directory.user(UserId(id)).await? else { return Ok(None) };
        let known = rules.passkeys(&user, &self.factors(&user).await?)?;
        let own = known.into_iter().find(|(_, passkey)| passkey.cred_id().as_slice() == credential);
        let Some((factor, mut passkey)) = own else { return Ok(None) };
        let result = match webauthn.finish_discoverable_authentication_v2(&answer, state, &passkey) {
            Ok(result) => result,
            Err(error) => {
                refused(&error);
                return Ok(None);
            }
        };
        passkey.update_credential(&result);
        Ok(self.used_passkey(&user, &factor, &passkey).await?.map(|_| user))
    }
}
