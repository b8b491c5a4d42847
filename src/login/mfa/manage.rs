//! A person's own second factors: to see, to add, to remove.
//!
//! Refuses any change without a sign-in of the last minutes, and with the second factor where there is one: it must take more to change
//! the lock than to stand in the open door. For the same reason a password alone does not set up the first one, unless the configuration
//! says so: it takes a one-time code from an administrator.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::recovery;
use crate::audit::what::{FactorAdded, FactorRemoved, What};
use crate::audit::{Event, Outcome};
use crate::login::complete::{Failed, redirect};
use crate::login::form::Purpose;
use crate::login::pages::factors::{Listed, Manage};
use crate::login::pages::step_up::Need;
use crate::login::parameters::Parameters;
use crate::login::return_to::ReturnTo;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{Factor, FactorKind, User};
use crate::session::cookie;

/// How old the sign-in of somebody may be who changes their factors.
pub(in crate::login) const FRESH: Duration = Duration::from_secs(600);

/// A person who may change their factors now.
pub(super) struct Changing {
    pub user: User,
    pub factors: Vec<Factor>,
    pub return_to: ReturnTo,
}

/// The forms of the page, as they are sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    id: String,
}

/// `GET /.doorward/factors`
pub(super) async fn list(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let listed = async {
        let parameters = Parameters::read(query.as_deref());
        let return_to = login.rules.origins.parse_or_home(parameters.one("return_to")?);
        let Some(user) = login.present_person(&visitor).await? else {
            return login.no_person(&visitor, &login.own_factors("/factors", &return_to));
        };
        let factors = login.factors(&user).await?;
        login.factors_page(&visitor, &factors, &return_to, &[])
    };
    listed.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/factors/remove`
pub(super) async fn remove(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    login.remove_factor(&visitor, &form).await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/factors/recovery-codes`
pub(super) async fn recovery_codes(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    login.new_recovery_codes(&visitor, &form).await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

impl Login {
    /// The person who is signed in, if strongly and freshly enough to change factors; else where to become so, and come back to `path`.
    pub(super) async fn changing(
        &self,
        visitor: &Visitor,
        return_to: Option<&str>,
        path: &str,
    ) -> Result<Result<Changing, Box<Response>>, SignInError> {
        let return_to = self.rules.origins.parse_or_home(return_to);
        let own = self.own_factors(path, &return_to);
        let elsewhere = |address: String| redirect(&address, []).map(|answer| Err(Box::new(answer)));
        let Some(user) = self.present_person(visitor).await? else {
            return self.no_person(visitor, &own).map(|answer| Err(Box::new(answer)));
        };
        let factors = self.factors(&user).await?;
        let identity = visitor.identity.as_deref().ok_or(SignInError::Stale)?;
        if !identity.mfa && !factors.is_empty() {
            return elsewhere(self.pages().step_up_address(&own, Need::SecondFactor));
        }
        let connections = self.connections();
        let connection = identity.connection.as_ref().and_then(|id| connections.find(id.as_str()));
        if !identity.mfa && connection.is_none_or(|connection| self.rules.accounts.asks_for_enrolment_code(connection)) {
            return Err(SignInError::NoEnrolmentCode);
        }
        if identity.authenticated_at.is_none_or(|at| at.after(FRESH) < self.now()) {
            return elsewhere(self.pages().step_up_address(&own, Need::FreshSignIn(FRESH)));
        }
        Ok(Ok(Changing { user, factors, return_to }))
    }

    /// Nobody is signed in, or somebody whose second factors are their provider's.
    fn no_person(&self, visitor: &Visitor, back: &str) -> Result<Response, SignInError> {
        if visitor.is_signed_in() {
            Err(SignInError::NoFactorsHere)
        } else {
            redirect(&self.pages().sign_in_address(back, false), [])
        }
    }

    /// One of these pages, with the way on from them.
    fn own_factors(&self, path: &str, return_to: &ReturnTo) -> String {
        let back = percent_encoding::utf8_percent_encode(return_to.as_str(), percent_encoding::NON_ALPHANUMERIC);
        format!("{}?return_to={back}", self.pages().address(path))
    }

    /// A factor is there: it is recorded, and the person has shown it with that.
    pub(super) async fn factor_added(
        &self,
        visitor: &Visitor,
        changing: &Changing,
        factor: &Factor,
        method: &str,
    ) -> Result<Response, SignInError> {
        let event = self.factor_event(visitor, FactorAdded { factor: Some(factor.kind) }, &changing.user);
        self.means.audit.record(event).await?;
        let list = self.rules.origins.parse_or_home(Some(&self.own_factors("/factors", &changing.return_to)));
        self.strengthen(visitor, &changing.user, method, &list).await
    }

    fn factor_event(&self, visitor: &Visitor, what: impl Into<What>, user: &User) -> Event {
        let mut event = self.event(visitor, what, Outcome::Success);
        event.tenant = user.tenant.to_string();
        event.actor = Some(user.id.to_string());
        event.target = Some(user.id.to_string());
        event.session = visitor.session().map(ToString::to_string);
        event
    }

    async fn remove_factor(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        self.rules.forms.check(Purpose::Factors, &visitor.headers, &form.token, self.now())?;
        let changing = match self.changing(visitor, Some(&form.return_to), "/factors").await? {
            Ok(changing) => changing,
            Err(elsewhere) => return Ok(*elsewhere),
        };
        let found = changing.factors.iter().find(|factor| factor.id == form.id && factor.kind != FactorKind::RecoveryCode);
        if let Some(factor) = found
            && self.means.factors.remove_factor(changing.user.id, &factor.id).await?
        {
            let event = self.factor_event(visitor, FactorRemoved { factor: Some(factor.kind), removed: None }, &changing.user);
            self.means.audit.record(event).await?;
        }
        redirect(&self.own_factors("/factors", &changing.return_to), [])
    }

    async fn new_recovery_codes(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        self.rules.forms.check(Purpose::Factors, &visitor.headers, &form.token, self.now())?;
        let changing = match self.changing(visitor, Some(&form.return_to), "/factors").await? {
            Ok(changing) => changing,
            Err(elsewhere) => return Ok(*elsewhere),
        };
        let user = &changing.user;
        let (codes, kept) = recovery::sheet(user, self.now()).map_err(SignInError::internal)?;
        self.means.factors.replace_factors(user.id, FactorKind::RecoveryCode, &kept).await?;
        let event = self.factor_event(visitor, FactorAdded { factor: Some(FactorKind::RecoveryCode) }, user);
        self.means.audit.record(event).await?;
        let factors = self.factors(user).await?;
        self.factors_page(visitor, &factors, &changing.return_to, &codes)
    }

    /// `codes`: new ones, shown this once.
    fn factors_page(
        &self,
        visitor: &Visitor,
        factors: &[Factor],
        return_to: &ReturnTo,
        codes: &[String],
    ) -> Result<Response, SignInError> {
        let issued = self.rules.forms.issue(Purpose::Factors, &visitor.headers, self.now())?;
        let own = factors.iter().filter(|factor| factor.kind != FactorKind::RecoveryCode);
        let page = self.pages().factors(&Manage {
            token: issued.token,
            return_to: return_to.as_str().to_owned(),
            factors: own.map(Listed::of).collect(),
            passkeys: self.rules.second_factors.webauthn.is_some(),
            unused_codes: factors.iter().filter(|factor| factor.kind == FactorKind::RecoveryCode).count(),
            codes,
        });
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }
}
