//! Doorward's own second factors: codes of an app, passkeys, and codes on paper for the day the device is lost.
//!
//! Refuses to let anybody try codes without end, to take one proof twice, and to change a person's factors on the strength of an old or a
//! weak sign-in, because whoever finds an open browser would otherwise take the account along.

mod asked;
mod enrol;
mod manage;
mod passkey;
mod passkey_pages;
mod pending;
mod recovery;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use webauthn_rs::Webauthn;

pub(super) use manage::FRESH;
pub use recovery::one as one_time_code;

use super::return_to::Origins;
use super::{Login, SignInError};
use crate::config::Config;
use crate::crypto::random;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::crypto::totp::{InvalidTotp, Totp};
use crate::directory::FactorUse;
use crate::model::{Factor, FactorKind, User};
use crate::session::Bound;

/// What guards second factors.
#[derive(Debug)]
pub(super) struct SecondFactors {
    /// For what is kept in the store.
    secrets: Sealer,
    /// For what a page holds until its form is sent.
    enrolment: Sealer,
    /// For sign-ins that wait for a second factor.
    pending: Sealer,
    bound: Bound,
    /// The relying party of passkeys, where browsers do them.
    webauthn: Option<Webauthn>,
    /// What apps show beside the code.
    issuer: String,
}

/// Which factor was shown, as RFC 8176 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown(&'static str);

impl SecondFactors {
    /// `key`: seals what the site hands out; what is kept in the store opens at each of a tenant's sites.
    pub(super) fn compile(config: &Config, origins: &Origins, key: &[u8], bound: Bound) -> Result<Self, Unsealable> {
        let host = origins.own().host_str().map(str::to_owned);
        Ok(Self {
            secrets: Sealer::new(config.secret_key.expose().as_bytes(), "second factor")?,
            enrolment: Sealer::new(key, "second factor enrolment")?,
            pending: Sealer::new(key, "sign-in without second factor")?,
            bound,
            webauthn: passkey::compile(config, origins.own()),
            issuer: config.sign_in.title.clone().or(host).unwrap_or_else(|| "Doorward".to_owned()),
        })
    }

    fn totp(&self, secret: &[u8], user: &User) -> Result<Totp, InvalidTotp> {
        Totp::new(secret, user.email.as_ref().map_or(user.user_name.as_str(), |email| email.as_str()), &self.issuer)
    }

    /// A factor of this person with `secret` sealed for it.
    fn factor(&self, login: &Login, user: &User, kind: FactorKind, name: &str, secret: &[u8]) -> Result<Factor, SignInError> {
        let id = random::alphanumeric(16).map_err(SignInError::internal)?;
        let secret = self.secrets.seal(secret, &context(user, &id)).map_err(SignInError::internal)?;
        let (name, created_at) = (name.chars().filter(|letter| !letter.is_control()).take(60).collect(), login.now());
        Ok(Factor { id, user: user.id, kind, name, secret, counter: 0, created_at, last_used_at: None })
    }

    fn open(&self, user: &User, factor: &Factor) -> Result<Vec<u8>, SignInError> {
        self.secrets.open(&factor.secret, &context(user, &factor.id)).map_err(SignInError::internal)
    }
}

/// A sealed secret opens for its own factor of its own person only.
fn context(user: &User, id: &str) -> Vec<u8> {
    format!("{}:{id}", user.id).into_bytes()
}

/// The pages about second factors; `at` makes their addresses.
pub(super) fn routes(router: Router<Arc<Login>>, at: impl Fn(&str) -> String) -> Router<Arc<Login>> {
    router
        .route(&at("/second-factor/{whose}"), get(asked::ask).post(asked::answer))
        .route(&at("/factors"), get(manage::list))
        .route(&at("/factors/remove"), post(manage::remove))
        .route(&at("/factors/recovery-codes"), post(manage::recovery_codes))
        .route(&at("/factors/passkey"), get(passkey_pages::enrol).post(passkey_pages::confirm))
        .route(&at("/sign-in/{connection}/passkey"), get(passkey_pages::ask).post(passkey_pages::sign_in))
        .route(&at("/factors/totp"), get(enrol::totp).post(enrol::confirm_totp))
}

impl Login {
    /// The person's second factors; those that cannot be looked up are no reason to go on without.
    pub(super) async fn factors(&self, user: &User) -> Result<Vec<Factor>, SignInError> {
        Ok(self.means.factors.factors(user.id).await?)
    }

    /// Whether `code` is one of the person's, for the first time. A code of an app is tried before one on paper.
    async fn try_code(&self, user: &User, factors: &[Factor], code: &str) -> Result<Option<Shown>, SignInError> {
        let (rules, now) = (&self.rules.second_factors, self.now());
        for factor in factors.iter().filter(|factor| factor.kind == FactorKind::Totp) {
            let secret = rules.open(user, factor)?;
            let totp = rules.totp(&secret, user).map_err(SignInError::internal)?;
            if let Some(step) = totp.step_of(code, now) {
                let used = FactorUse { counter: step, secret: None, at: now };
                return Ok(self.means.factors.use_factor(user.id, &factor.id, &used).await?.then_some(Shown("otp")));
            }
        }
        match recovery::find(user, factors, code) {
            Some(factor) if self.means.factors.remove_factor(user.id, &factor.id).await? => Ok(Some(Shown("otp"))),
            _ => Ok(None),
        }
    }
}
