//! Who may use which way: single sign-on where it is required, and the named exceptions.
//!
//! Refuses, for an address whose domain has to use single sign-on, every other way, and every provider but the domain's own,
//! because a second way in outlives the account that the company has closed.

use super::Login;
use super::connection::{Connection, Connections, Way};
use crate::config::sign_in::{RequireSso, SignIn};
use crate::model::{Domain, EmailAddress, User};

/// What the configuration requires.
#[derive(Debug)]
pub(super) struct Enforcement {
    required: RequireSso,
    break_glass: Vec<EmailAddress>,
}

impl Enforcement {
    #[must_use]
    pub(super) fn compile(typed: &SignIn) -> Self {
        Self { required: typed.require_sso.clone(), break_glass: typed.break_glass.clone() }
    }

    /// Whether somebody with this address may sign in by `connection`. Nobody without an address may where everybody has to use
    /// single sign-on.
    #[must_use]
    fn may_use(&self, connections: &Connections, connection: &Connection, address: Option<&EmailAddress>) -> bool {
        let domain = address.map(EmailAddress::domain);
        let required = match &self.required {
            RequireSso::Everybody(required) => *required,
            RequireSso::Domains(domains) => domain.is_some_and(|domain| listed(domains, domain)),
        };
        if !required {
            return true;
        }
        if connection.way.is_sso() {
            let owner = |owner: &&Connection| owner.way.is_sso() && domain.is_some_and(|domain| listed(&owner.domains, domain));
            return connections.iter().find(owner).is_none_or(|owner| owner.id == connection.id);
        }
        // A password with its second factor, not a mailed link: that would make the mailbox the way round.
        matches!(connection.way, Way::Password) && address.is_some_and(|address| self.is_break_glass(address))
    }

    /// Whether this is one of the named addresses, compared in ASCII lower case.
    #[must_use]
    pub(super) fn is_break_glass(&self, address: &EmailAddress) -> bool {
        self.break_glass.iter().any(|named| named.as_str().eq_ignore_ascii_case(address.as_str()))
    }
}

impl Login {
    /// Whether somebody with this address may use this way. Every way asks, before it does anything for the address, and answers a
    /// "no" as it answers somebody unknown; [`Login::complete`] asks once more for all.
    #[must_use]
    pub(super) fn may_use(&self, connection: &Connection, address: Option<&EmailAddress>) -> bool {
        self.rules.enforcement.may_use(&self.connections(), connection, address)
    }

    /// [`Self::may_use`] for an account: by its address and, for a local one whose name is an address, by that one too.
    #[must_use]
    pub(super) fn account_may_use(&self, connection: &Connection, user: &User) -> bool {
        let named = user.user_name.parse::<EmailAddress>().ok().filter(|_| !connection.way.is_sso());
        match (&user.email, &named) {
            (None, None) => self.may_use(connection, None),
            (email, named) => email.iter().chain(named).all(|address| self.may_use(connection, Some(address))),
        }
    }
}

fn listed(domains: &[Domain], domain: &str) -> bool {
    domains.iter().any(|listed| listed.as_str() == domain)
}
