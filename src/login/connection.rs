//! Connections: the configured ways to sign in, each of one kind.
//!
//! Refuses a connection whose provider cannot be spoken to as configured, and to let one speak for an address outside its domains.

use super::oidc::Provider;
use super::pages::{Choice, Pages};
use super::return_to::{Origins, ReturnTo};
use crate::config::connection::{Connection as Typed, Password, Provision};
use crate::config::{Config, Path as Place, Problems};
use crate::model::{ConnectionId, EmailAddress};
use crate::policy::mfa::Evidence;

/// One configured way to sign in.
#[derive(Debug)]
pub(super) struct Connection {
    pub id: ConnectionId,
    /// What people know it by.
    pub name: String,
    domains: Vec<String>,
    pub provision: Provision,
    pub way: Way,
    /// What its provider says about second factors.
    pub evidence: Evidence,
}

/// How it works.
#[derive(Debug)]
pub(super) enum Way {
    Oidc(Box<Provider>),
    Password,
}

/// All of them, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Connections {
    all: Vec<Connection>,
    password: Password,
}

impl Connections {
    pub(super) fn compile(config: &Config, origins: &Origins, problems: &mut Problems) -> Option<Self> {
        let mut all = Vec::with_capacity(config.connections.len());
        let mut password = Password::default();
        for (index, typed) in config.connections.iter().enumerate() {
            let way = match (&typed.oidc, typed.password) {
                (Some(oidc), None) => {
                    let place = Place::from("connections").item(index).key("oidc");
                    let callback = format!("{}/callback/{}", config.prefix, typed.id);
                    let callback = origins.own().join(&callback).ok()?;
                    Way::Oidc(Box::new(Provider::compile(oidc, callback, &place, problems)?))
                }
                (None, Some(settings)) => {
                    password = settings;
                    Way::Password
                }
                _ => return None,
            };
            all.push(Connection {
                id: typed.id.clone(),
                name: name_of(typed),
                domains: typed.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
                provision: typed.provision,
                way,
                evidence: Evidence::compile(&typed.mfa),
            });
        }
        Some(Self { all, password })
    }

    #[must_use]
    pub(super) fn find(&self, id: &str) -> Option<&Connection> {
        self.all.iter().find(|connection| connection.id.as_str() == id)
    }

    /// The settings of local accounts.
    #[must_use]
    pub(super) fn password(&self) -> Password {
        self.password
    }

    /// The connection of local accounts.
    #[must_use]
    pub(super) fn local(&self) -> Option<&Connection> {
        self.all.iter().find(|connection| matches!(connection.way, Way::Password))
    }

    /// The only connection, if it leads elsewhere and there is nothing to choose.
    pub(super) fn only(&self) -> Option<(&Connection, &Provider)> {
        match self.all.as_slice() {
            [only @ Connection { way: Way::Oidc(provider), .. }] => Some((only, provider)),
            _ => None,
        }
    }

    /// Buttons of those that lead elsewhere; `prompt`: where people are asked even if they are known.
    #[must_use]
    pub(super) fn choices(&self, pages: &Pages, return_to: &ReturnTo, prompt: bool) -> Vec<Choice> {
        let elsewhere = self.all.iter().filter(|connection| matches!(connection.way, Way::Oidc(_)));
        let back = percent_encoding::utf8_percent_encode(return_to.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string();
        let prompt = if prompt { "&prompt=login" } else { "" };
        let choice = |connection: &Connection| Choice {
            href: format!("{}/sign-in/{}?return_to={back}{prompt}", pages.prefix(), connection.id),
            name: connection.name.clone(),
        };
        elsewhere.map(choice).collect()
    }
}

impl Connection {
    /// Whether it may speak for somebody with this address.
    #[must_use]
    pub(super) fn serves(&self, email: Option<&EmailAddress>) -> bool {
        self.domains.is_empty() || email.is_some_and(|email| self.domains.iter().any(|domain| domain == email.domain()))
    }

    /// Whether somebody else asks the person for a second factor, and says so.
    #[must_use]
    pub(super) fn proves_second_factors(&self) -> bool {
        match self.way {
            Way::Oidc(_) => true,
            Way::Password => false,
        }
    }

    #[must_use]
    pub(super) fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }
}

/// `okta` is `Okta SSO` to people.
fn name_of(typed: &Typed) -> String {
    let from_id = || {
        let id = typed.id.as_str().replace(['-', '_'], " ");
        let mut letters = id.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
        first.chain(letters).chain(" SSO".chars()).collect()
    };
    typed.display_name.clone().unwrap_or_else(from_id)
}
