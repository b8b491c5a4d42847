//! Being asked for the second factor: to finish a sign-in that waits for it, or to make a session stronger.
//!
//! Refuses to say which of several codes was nearly right, and counts wrong ones per person and per source as wrong passwords are
//! counted (threats M7).

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Shown;
use super::pending::Pending;
use crate::audit::{Kind, Outcome};
use crate::limit::Party;
use crate::login::complete::{Failed, Proven};
use crate::login::form::Purpose;
use crate::login::pages::factors::FactorForm;
use crate::login::pages::step_up::Need;
use crate::login::parameters::Parameters;
use crate::login::return_to::ReturnTo;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{Factor, FactorKind, User};
use crate::policy::mfa::METHOD;
use crate::session::cookie;

/// Longest code that is looked at, in bytes.
const LONGEST: usize = 64;

/// The form, as it is sent. No Debug: it holds a code.
#[derive(Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    code: String,
    /// A passkey's answer, and the sealed challenge it answers.
    #[serde(default)]
    answer: String,
    #[serde(default)]
    state: String,
}

/// Who is asked, and what for.
struct Claimant {
    user: User,
    factors: Vec<Factor>,
    /// A sign-in that waits; `None`: a session that is to become stronger.
    pending: Option<Pending>,
    return_to: ReturnTo,
}

impl Claimant {
    /// The last part of the page's address.
    fn whose(&self) -> &'static str {
        if self.pending.is_some() { "sign-in" } else { "session" }
    }
}

/// `GET /.doorward/second-factor/{sign-in|session}`
pub(super) async fn ask(
    State(login): State<Arc<Login>>,
    Path(whose): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    let asked = async {
        let parameters = Parameters::read(query.as_deref());
        let claimant = login.claimant(&visitor, &whose, parameters.one("return_to")?).await?;
        login.second_factor_page(&visitor, &claimant, false)
    };
    asked.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/second-factor/{sign-in|session}`
pub(super) async fn answer(
    State(login): State<Arc<Login>>,
    Path(whose): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    let claimant = match login.claimed(&visitor, &whose, &form).await {
        Ok(claimant) => claimant,
        Err(error) => return login.refuse(&visitor, &Failed::NOWHERE, &error),
    };
    let actor = claimant.user.id.to_string();
    let failed = Failed { connection: None, actor: Some(&actor), return_to: claimant.return_to.as_str(), ..Failed::NOWHERE };
    match login.check_second_factor(&visitor, &claimant, &form).await {
        Ok(answer) => answer,
        Err(SignInError::WrongCode) => {
            login.note_failure(&visitor, &failed, &SignInError::WrongCode);
            login.second_factor_page(&visitor, &claimant, true).unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
        }
        Err(error) => login.refuse(&visitor, &failed, &error),
    }
}

impl Login {
    async fn claimed(&self, visitor: &Visitor, whose: &str, form: &Submitted) -> Result<Claimant, SignInError> {
        self.rules.forms.check(Purpose::SecondFactor, &visitor.headers, &form.token, self.now())?;
        self.claimant(visitor, whose, Some(&form.return_to)).await
    }

    async fn claimant(&self, visitor: &Visitor, whose: &str, return_to: Option<&str>) -> Result<Claimant, SignInError> {
        let pending = match whose {
            "sign-in" => Some(self.rules.second_factors.pending(&visitor.headers, self.now()).ok_or(SignInError::Stale)?),
            "session" => None,
            _ => return Err(SignInError::Stale),
        };
        let user = match &pending {
            Some(pending) => self.means.directory.user(pending.user).await?.ok_or(SignInError::Stale)?,
            None => self.present_person(visitor).await?.ok_or(SignInError::Stale)?,
        };
        if !user.active {
            return Err(SignInError::Inactive);
        }
        let return_to =
            self.rules.origins.parse_or_home(pending.as_ref().map(|pending| pending.return_to.as_str()).or(return_to));
        let factors = self.factors(&user).await?;
        Ok(Claimant { user, factors, pending, return_to })
    }

    /// The person of the directory whose session this is, if their connection takes Doorward's own factors.
    pub(in crate::login) async fn present_person(&self, visitor: &Visitor) -> Result<Option<User>, SignInError> {
        let Some(identity) = visitor.identity.as_ref().filter(|_| visitor.is_signed_in()) else { return Ok(None) };
        let (Some(id), Some(connection)) = (identity.user, &identity.connection) else { return Ok(None) };
        let local = self.connections().find(connection.as_str()).is_some_and(|connection| connection.evidence.local);
        if local { Ok(self.means.directory.user(id).await?) } else { Ok(None) }
    }

    async fn check_second_factor(
        &self,
        visitor: &Visitor,
        claimant: &Claimant,
        form: &Submitted,
    ) -> Result<Response, SignInError> {
        let (now, source) = (self.now(), Party::source(visitor.client));
        if let Some(retry_after) = self.rules.accounts.sources().wait(source, now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        let account = Party::name("second factor", &claimant.user.id.to_string());
        let last = self.begin_try(account, self.rules.second_factors.bound).await?;
        let (user, factors) = (&claimant.user, &claimant.factors);
        let tried = match form.answer.as_str() {
            "" if form.code.len() > LONGEST => Ok(None),
            "" => self.try_code(user, factors, &form.code).await,
            answer => self.try_passkey(user, factors, &form.state, answer).await,
        };
        match tried {
            Ok(Some(shown)) => {
                self.means.tries.clear(account).await?;
                self.second_factor_shown(visitor, claimant, shown).await
            }
            Ok(None) => {
                // What the answer says does not depend on it; the next try will find the source locked.
                let _ = self.rules.accounts.sources().fail(source, now).await;
                if last {
                    let mut event = self.event(visitor, Kind::AccountLocked, Outcome::Success);
                    event.tenant = claimant.user.tenant.to_string();
                    event.target = Some(claimant.user.id.to_string());
                    event.reason = Some("second_factor".into());
                    self.means.audit.record(event).await?;
                }
                Err(SignInError::WrongCode)
            }
            // What was sent is no answer to a question of ours: a try, and a wrong one.
            Err(SignInError::ForeignForm) => Err(SignInError::ForeignForm),
            Err(error) => {
                self.means.tries.take_back(account).await?;
                Err(error)
            }
        }
    }

    async fn second_factor_shown(&self, visitor: &Visitor, claimant: &Claimant, shown: Shown) -> Result<Response, SignInError> {
        let Claimant { user, pending, return_to, .. } = claimant;
        let Some(pending) = pending else { return self.strengthen(visitor, user, shown.0, return_to).await };
        self.take_up(pending).await?;
        let connections = self.connections();
        let connection = connections.find(pending.connection.as_str()).ok_or(SignInError::UnknownConnection)?;
        let amr = pending.amr.iter().map(String::as_str).chain([shown.0, METHOD]).map(str::to_owned).collect();
        let proven = Proven::here(user.clone(), connection, amr, self.now(), return_to.clone());
        let mut answer = self.establish(visitor, proven).await?;
        cookie::add(answer.headers_mut(), [cookie::remove_pending().map_err(SignInError::internal)?]);
        Ok(answer)
    }

    fn second_factor_page(&self, visitor: &Visitor, claimant: &Claimant, wrong: bool) -> Result<Response, SignInError> {
        let issued = self.rules.forms.issue(Purpose::SecondFactor, &visitor.headers, self.now())?;
        let has = |kind| claimant.factors.iter().any(|factor| factor.kind == kind);
        let back = claimant.return_to.as_str();
        let elsewhere = claimant.pending.is_none().then(|| self.provider_of(visitor)).flatten();
        let form = FactorForm {
            action: format!("{}/second-factor/{}", self.pages().prefix(), claimant.whose()),
            token: issued.token,
            return_to: back.to_owned(),
            totp: has(FactorKind::Totp),
            recovery: has(FactorKind::RecoveryCode),
            passkey: self.ask_for_passkey(&claimant.user, &claimant.factors)?,
            wrong,
            elsewhere: elsewhere.map(|name| (name, self.pages().step_up_elsewhere(back, Need::SecondFactor))),
            other: self.pages().sign_in_address(back, true),
        };
        let mut answer = self.pages().second_factor(&form).with_form_targets(self.rules.origins.others()).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    /// What the provider is called that signed this person in and could ask for a second factor itself.
    fn provider_of(&self, visitor: &Visitor) -> Option<String> {
        let connections = self.connections();
        let connection = connections.find(visitor.identity.as_ref()?.connection.as_ref()?.as_str())?;
        connection.proves_second_factors().then(|| connection.name.clone())
    }
}
