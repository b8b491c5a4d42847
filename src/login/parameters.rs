//! What an address of the door asks for by its query.
//!
//! Refuses to choose between two values of one parameter (threats J11).

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
pub(super) struct Wish {
    pub return_to: ReturnTo,
    /// Ask although somebody is signed in, here or at the provider.
    pub prompt: bool,
    pub login_hint: Option<String>,
}

impl Login {
    pub(super) fn wish(&self, query: Option<&str>) -> Result<Wish, SignInError> {
        let parameters = Parameters::read(query);
        let hint = parameters.one("login_hint")?.filter(|hint| hint.len() <= 254);
        Ok(Wish {
            return_to: self.rules.origins.parse_or_home(parameters.one("return_to")?),
            prompt: parameters.one("prompt")?.is_some(),
            login_hint: hint.map(str::to_owned),
        })
    }
}
