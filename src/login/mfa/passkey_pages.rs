//! The handlers about passkeys: making one, and signing in with nothing else.
//!
//! Refuses to tell a passkey that nobody has from one that does not fit: both are wrong.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::manage::Changing;
use super::passkey;
use crate::limit::Party;
use crate::login::complete::{Failed, Proven};
use crate::login::connection::{Connection, Way};
use crate::login::form::Purpose;
use crate::login::pages::factors::PasskeyForm;
use crate::login::parameters::Parameters;
use crate::login::return_to::ReturnTo;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::policy::mfa::METHOD;
use crate::session::cookie;

/// The forms, as they are sent. No Debug: they hold what opens a door.
#[derive(Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    name: String,
}

/// `GET /.doorward/factors/passkey`
pub(super) async fn enrol(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let shown = async {
        let return_to = Parameters::read(query.as_deref()).one("return_to")?.map(str::to_owned);
        match login.changing(&visitor, return_to.as_deref(), "/factors/passkey").await? {
            Ok(changing) => login.new_passkey_page(&visitor, &changing, None),
            Err(elsewhere) => Ok(*elsewhere),
        }
    };
    shown.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/factors/passkey`
pub(super) async fn confirm(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    login.keep_passkey(&visitor, &form).await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `GET /.doorward/sign-in/{connection}/passkey`
pub(super) async fn ask(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    let shown = async {
        let parameters = Parameters::read(query.as_deref());
        let return_to = login.rules.origins.parse_or_home(parameters.one("return_to")?);
        let connections = login.connections();
        let connection = connections.find(&id).filter(|found| matches!(found.way, Way::Password));
        login.passkey_page(&visitor, connection.ok_or(SignInError::UnknownConnection)?, &return_to, false)
    };
    shown.await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/sign-in/{connection}/passkey`
pub(super) async fn sign_in(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    let return_to = login.rules.origins.parse_or_home(Some(&form.return_to));
    let connections = login.connections();
    let found = connections.find(&id).filter(|found| matches!(found.way, Way::Password));
    let failed = Failed { connection: found.map(|found| &found.id), return_to: return_to.as_str(), ..Failed::NOWHERE };
    let Some(connection) = found else { return login.refuse(&visitor, &failed, &SignInError::UnknownConnection) };
    match login.sign_in_with_passkey(&visitor, connection, &form, &return_to).await {
        Ok(answer) => answer,
        Err(SignInError::WrongCode) => {
            login.note_failure(&visitor, &failed, &SignInError::WrongCode);
            let again = login.passkey_page(&visitor, connection, &return_to, true);
            again.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
        }
        Err(error) => login.refuse(&visitor, &failed, &error),
    }
}

impl Login {
    /// Where `connection`'s local accounts sign in with a passkey, where browsers do them.
    pub(in crate::login) fn passkey_address(&self, connection: &Connection, return_to: &ReturnTo) -> Option<String> {
        self.rules.second_factors.webauthn.as_ref()?;
        let back = percent_encoding::utf8_percent_encode(return_to.as_str(), percent_encoding::NON_ALPHANUMERIC);
        Some(format!("{}/sign-in/{}/passkey?return_to={back}", self.pages().prefix(), connection.id))
    }

    async fn keep_passkey(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        self.rules.forms.check(Purpose::Factors, &visitor.headers, &form.token, self.now())?;
        let changing = match self.changing(visitor, Some(&form.return_to), "/factors/passkey").await? {
            Ok(changing) => changing,
            Err(elsewhere) => return Ok(*elsewhere),
        };
        let factor = match self.made_passkey(&changing.user, &form.state, &form.answer, &form.name).await {
            Err(SignInError::WrongCode) => return self.new_passkey_page(visitor, &changing, Some(&form.name)),
            made => made?,
        };
        self.means.factors.add_factors(std::slice::from_ref(&factor)).await?;
        self.factor_added(visitor, &changing, &factor, passkey::METHOD.0).await
    }

    /// `wrong`: the name that came with an answer that does not hold.
    fn new_passkey_page(&self, visitor: &Visitor, changing: &Changing, wrong: Option<&str>) -> Result<Response, SignInError> {
        let ceremony = self.new_passkey(&changing.user, &changing.factors)?.ok_or(SignInError::NoPasskeys)?;
        let issued = self.rules.forms.issue(Purpose::Factors, &visitor.headers, self.now())?;
        let form = PasskeyForm {
            action: format!("{}/factors/passkey", self.pages().prefix()),
            token: issued.token,
            return_to: changing.return_to.as_str().to_owned(),
            ceremony,
            name: wrong.unwrap_or_default().to_owned(),
            wrong: wrong.is_some(),
        };
        let page = self.pages().new_passkey(&form).with_form_targets(self.rules.origins.others());
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    async fn sign_in_with_passkey(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        form: &Submitted,
        return_to: &ReturnTo,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        self.rules.forms.check(Purpose::SecondFactor, &visitor.headers, &form.token, now)?;
        let (sources, source) = (self.rules.accounts.sources(), Party::source(visitor.client));
        if let Some(retry_after) = sources.wait(source, now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        // Only who could sign in here with a password can do so with a passkey.
        let known = self.person_of_passkey(&form.state, &form.answer).await?;
        let own = known.filter(|user| user.password_hash.is_some() && user.tenant == connection.tenant);
        let Some(user) = own else {
            let _ = sources.fail(source, now).await;
            return Err(SignInError::WrongCode);
        };
        let amr = [passkey::METHOD.0, METHOD].map(str::to_owned).into();
        let proven = Proven::here(user, connection, amr, now, return_to.clone());
        self.establish(visitor, proven).await
    }

    fn passkey_page(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        return_to: &ReturnTo,
        wrong: bool,
    ) -> Result<Response, SignInError> {
        let ceremony = self.ask_for_any_passkey()?.ok_or(SignInError::NoPasskeys)?;
        let issued = self.rules.forms.issue(Purpose::SecondFactor, &visitor.headers, self.now())?;
        let form = PasskeyForm {
            action: format!("{}/sign-in/{}/passkey", self.pages().prefix(), connection.id),
            token: issued.token,
            return_to: return_to.as_str().to_owned(),
            ceremony,
            name: String::new(),
            wrong,
        };
        let page = self.pages().passkey(&form).with_form_targets(self.rules.origins.others());
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }
}
