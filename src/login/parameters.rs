//! What an address of the door asks for by its query.
//!
//! Refuses to choose between two values of one parameter (threats J11).

use super::connection::Connection;
use super::return_to::ReturnTo;
use super::{Login, SignInError};

/// The parameters of a request; one that was sent twice has no value (threats J11).
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    #[must_use]
    pub(super) fn read(query: Option<&str>) -> Self {
        Self(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The parameter's only value.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, SignInError> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() { Err(SignInError::RepeatedParameter) } else { Ok(value) }
    }
}

/// What a link to the sign-in page asks for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub return_to: ReturnTo,
    /// Ask although somebody is signed in, here or at the provider.
    pub prompt: bool,
    pub login_hint: Option<String>,
    /// A session elsewhere is not enough: a stronger or a fresher sign-in is needed.
    pub step_up: Option<StepUp>,
}

/// What is to be asked of a provider beyond an ordinary sign-in. Where `Wish::prompt` is set, it is to ask the person anew
/// (`prompt=login`, `ForceAuthn`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StepUp {
    /// Authentication contexts of which one is wanted (`acr_values`, `RequestedAuthnContext`); empty: none is known.
    pub acr_values: Vec<String>,
    /// A recent sign-in is wanted, and the answer has to say that it is one.
    pub fresh: bool,
}

impl Login {
    pub(super) fn wish(&self, query: Option<&str>) -> Result<Wish, SignInError> {
        let parameters = Parameters::read(query);
        let return_to = parameters.one("return_to")?;
        if return_to.is_some_and(|text| self.rules.origins.is_too_long(text)) {
            return Err(SignInError::AddressTooLong);
        }
        let hint = parameters.one("login_hint")?.filter(|hint| hint.len() <= 254);
        Ok(Wish {
            return_to: self.rules.origins.parse_or_home(return_to),
            prompt: parameters.one("prompt")?.is_some(),
            login_hint: hint.map(str::to_owned),
            step_up: None,
        })
    }

    /// The wish of a link to one connection, which may ask for a step-up there. The provider is to ask anew unless it knows what a
    /// stronger sign-in is.
    pub(super) fn wish_of(&self, connection: Option<&Connection>, query: Option<&str>) -> Result<Wish, SignInError> {
        let mut wish = self.wish(query)?;
        if let (Some(connection), Some(what)) = (connection, Parameters::read(query).one("step_up")?) {
            let acr_values = if what == "second_factor" { connection.evidence.asked().to_vec() } else { Vec::new() };
            wish.prompt = wish.prompt || acr_values.is_empty();
            wish.step_up = Some(StepUp { acr_values, fresh: what == "fresh" });
        }
        Ok(wish)
    }
}
