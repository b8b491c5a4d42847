//! Enrolling an authenticator app: a secret is shown once and counts when a code of it comes back.
//!
//! Refuses to keep a secret that nobody has confirmed, and to show a kept one again.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::manage::Changing;
use crate::clock::Timestamp;
use crate::crypto::totp;
use crate::directory::FactorUse;
use crate::login::complete::Failed;
use crate::login::form::Purpose;
use crate::login::pages::factors::TotpForm;
use crate::login::parameters::Parameters;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{FactorKind, User};
use crate::session::cookie;

/// How long a page with a secret counts.
const LIFE: Duration = Duration::from_secs(900);

/// The form, as it is sent. No Debug: it holds a secret and a code.
#[derive(Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    code: String,
}

/// What the page's hidden field holds, sealed for the person.
#[derive(Serialize, Deserialize)]
struct Offered {
    secret: [u8; totp::SECRET_LENGTH],
    until: Timestamp,
}

/// `GET /.doorward/factors/totp`
pub(super) async fn totp(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let shown = async {
        let return_to = Parameters::read(query.as_deref()).one("return_to")?.map(str::to_owned);
        let changing = match login.changing(&visitor, return_to.as_deref(), "/factors/totp").await? {
            Ok(changing) => changing,
            Err(elsewhere) => return Ok(*elsewhere),
        };
        let offered = Offered { secret: totp::secret().map_err(SignInError::internal)?, until: login.now().after(LIFE) };
        login.totp_page(&visitor, &changing, &offered, None)
    };
    shown.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/factors/totp`
pub(super) async fn confirm_totp(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    let confirmed = async {
        login.rules.forms.check(Purpose::Factors, &visitor.headers, &form.token, login.now())?;
        let changing = match login.changing(&visitor, Some(&form.return_to), "/factors/totp").await? {
            Ok(changing) => changing,
            Err(elsewhere) => return Ok(*elsewhere),
        };
        let offered = login.offered(&changing.user, &form.secret)?;
        match login.keep_totp(&visitor, &changing, &offered, &form).await? {
            Some(answer) => Ok(answer),
            None => login.totp_page(&visitor, &changing, &offered, Some(&form.name)),
        }
    };
    confirmed.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

impl Login {
    fn offered(&self, user: &User, sealed: &str) -> Result<Offered, SignInError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SignInError::ForeignForm)?;
        let plain = self.rules.second_factors.enrolment.open(&sealed, user.id.to_string().as_bytes());
        let offered: Offered =
            plain.ok().and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or(SignInError::ForeignForm)?;
        if self.now() < offered.until { Ok(offered) } else { Err(SignInError::ForeignForm) }
    }

    /// `None` where the code is not one of the secret.
    async fn keep_totp(
        &self,
        visitor: &Visitor,
        changing: &Changing,
        offered: &Offered,
        form: &Submitted,
    ) -> Result<Option<Response>, SignInError> {
        let (rules, user) = (&self.rules.second_factors, &changing.user);
        let totp = rules.totp(&offered.secret, user).map_err(SignInError::internal)?;
        let Some(step) = totp.step_of(&form.code, self.now()) else { return Ok(None) };
        let name = if form.name.trim().is_empty() { "Authenticator app" } else { form.name.trim() };
        let factor = rules.factor(self, user, FactorKind::Totp, name, &offered.secret)?;
        self.means.factors.add_factors(std::slice::from_ref(&factor)).await?;
        // The code that confirmed it is used with that.
        let used = FactorUse { counter: step, secret: None, at: self.now() };
        self.means.factors.use_factor(user.id, &factor.id, &used).await?;
        self.factor_added(visitor, changing, &factor, "otp").await.map(Some)
    }

    /// `wrong`: the name that came with a wrong code.
    fn totp_page(
        &self,
        visitor: &Visitor,
        changing: &Changing,
        offered: &Offered,
        wrong: Option<&str>,
    ) -> Result<Response, SignInError> {
        let (rules, user) = (&self.rules.second_factors, &changing.user);
        let issued = self.rules.forms.issue(Purpose::Factors, &visitor.headers, self.now())?;
        let plain = serde_json::to_vec(offered).map_err(SignInError::internal)?;
        let sealed = rules.enrolment.seal(&plain, user.id.to_string().as_bytes()).map_err(SignInError::internal)?;
        let totp = rules.totp(&offered.secret, user).map_err(SignInError::internal)?;
        let form = TotpForm {
            token: issued.token,
            return_to: changing.return_to.as_str().to_owned(),
            secret: URL_SAFE_NO_PAD.encode(sealed),
            typed: totp.typed(),
            address: totp.address().map_err(SignInError::internal)?,
            name: wrong.unwrap_or_default().to_owned(),
            wrong: wrong.is_some(),
        };
        let page = self.pages().new_totp(&form).map_err(SignInError::internal)?;
        let mut answer = page.with_form_targets(self.rules.origins.others()).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }
}
