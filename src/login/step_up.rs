//! Step-up: a person who is signed in, but not strongly or freshly enough for where they want to go.
//!
//! Refuses to go in circles: a provider is asked once, and what it answered without a second factor is said on a page, because a
//! redirect that repeats itself tells nobody what is wrong. What is needed comes by the address, and opens nothing by itself: the policy
//! judges anew when the person goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::complete::{Failed, redirect};
use super::connection::Connection;
use super::pages::step_up::{Insufficient, Need};
use super::parameters::Parameters;
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::model::Identity;

/// How old a sign-in may be where the address asks for a fresh one and does not say how fresh.
const FRESH: Duration = Duration::from_secs(300);

/// What a step-up is about, as its address says.
struct Asked {
    return_to: ReturnTo,
    need: Need,
    /// The provider was asked already, and this is where it came back to.
    answered: bool,
    /// The person wants the provider to ask, although they have a factor here.
    elsewhere: bool,
}

/// `GET /.doorward/step-up`
pub(super) async fn step_up(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    match login.asked(query.as_deref()) {
        Ok(asked) => {
            let failed = Failed { return_to: asked.return_to.as_str(), ..Failed::NOWHERE };
            login.step_up(&visitor, &asked).await.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
        }
        Err(error) => login.refuse(&visitor, &Failed::NOWHERE, &error),
    }
}

impl Need {
    /// Whether `identity` has it.
    fn is_met(self, identity: &Identity, login: &Login) -> bool {
        match self {
            Self::SecondFactor => identity.mfa,
            Self::FreshSignIn(age) => identity.authenticated_at.is_some_and(|at| at.after(age) >= login.now()),
        }
    }
}

impl Login {
    fn asked(&self, query: Option<&str>) -> Result<Asked, SignInError> {
        let parameters = Parameters::read(query);
        let age = parameters.one("max_age")?.map(|age| age.parse().map_or(FRESH, Duration::from_secs));
        Ok(Asked {
            return_to: self.rules.origins.parse_or_home(parameters.one("return_to")?),
            need: age.map_or(Need::SecondFactor, Need::FreshSignIn),
            answered: parameters.one("answered")?.is_some(),
            elsewhere: parameters.one("elsewhere")?.is_some(),
        })
    }

    async fn step_up(&self, visitor: &Visitor, asked: &Asked) -> Result<Response, SignInError> {
        let Some(identity) = visitor.identity.as_deref().filter(|_| visitor.is_signed_in()) else {
            return redirect(&self.pages().sign_in_address(asked.return_to.as_str(), false), []);
        };
        if asked.need.is_met(identity, self) {
            return redirect(asked.return_to.as_str(), []);
        }
        let id = identity.connection.as_ref().ok_or(SignInError::UnknownConnection)?;
        if id.is_break_glass() {
            return redirect(&self.pages().address("/break-glass"), []);
        }
        let connections = self.connections();
        let connection = connections.find(id.as_str()).ok_or(SignInError::UnknownConnection)?;
        let here = self.present_person(visitor).await?;
        let has_factor = match &here {
            Some(user) => !self.factors(user).await?.is_empty(),
            None => false,
        };
        match asked.need {
            Need::SecondFactor if has_factor && !asked.elsewhere => redirect(&self.own_page("/second-factor/session", asked), []),
            Need::FreshSignIn(_) => redirect(&self.sign_in_again(connection, asked, false), []),
            Need::SecondFactor if connection.proves_second_factors() && !asked.answered => {
                redirect(&self.sign_in_again(connection, asked, true), [])
            }
            Need::SecondFactor => Ok(self.insufficient(connection, asked, here.is_some())),
        }
    }

    /// The connection's own address, asking for more than a session there would give.
    fn sign_in_again(&self, connection: &Connection, asked: &Asked, stronger: bool) -> String {
        let step_up = if stronger { "second_factor" } else { "fresh" };
        let back = self.pages().step_up_answered(asked.return_to.as_str(), asked.need);
        let back = percent_encoding::utf8_percent_encode(&back, percent_encoding::NON_ALPHANUMERIC);
        format!("{}?step_up={step_up}&return_to={back}", self.pages().address(&format!("/sign-in/{}", connection.id)))
    }

    /// One of the pages about Doorward's own factors, with the way on from there.
    fn own_page(&self, path: &str, asked: &Asked) -> String {
        let back = percent_encoding::utf8_percent_encode(asked.return_to.as_str(), percent_encoding::NON_ALPHANUMERIC);
        format!("{}?return_to={back}", self.pages().address(path))
    }

    /// `here`: the person can have a second factor of Doorward's own.
    fn insufficient(&self, connection: &Connection, asked: &Asked, here: bool) -> Response {
        let code_needed = here && self.rules.accounts.asks_for_enrolment_code(connection);
        let said = Insufficient {
            connection: &connection.name,
            asked: connection.proves_second_factors(),
            again: self.pages().step_up_address(asked.return_to.as_str(), asked.need),
            set_up: (here && !code_needed).then(|| self.own_page("/factors/totp", asked)),
            code_needed,
            other: self.pages().sign_in_address(asked.return_to.as_str(), true),
        };
        self.pages().second_factor_missing(&said).into_response()
    }
}
