//! Connections: the configured ways to sign in, each of one kind.
//!
//! Refuses a connection whose provider cannot be spoken to as configured, and to let one speak for an address outside its domains.

use std::sync::Arc;

use url::Url;

use super::magic_link::MagicLink;
use super::oauth2;
use super::oidc::Provider;
use super::pages::text;
use super::return_to::Origins;
use super::saml;
use super::tenants::Tenants;
use crate::clock::Timestamp;
use crate::config::connection::{Connection as Typed, Kind, Mfa, Password, Provision};
use crate::config::{Config, Path as Place, Problems};
use crate::model::{ConnectionId, Domain, EmailAddress, TenantId};
use crate::policy::mfa::Evidence;
use crate::session::Bound;

/// One configured way to sign in.
#[derive(Debug)]
pub(super) struct Connection {
    pub id: ConnectionId,
    /// What people know it by.
    pub name: String,
    pub tenant: TenantId,
    pub domains: Vec<Domain>,
    pub provision: Provision,
    /// Not on the sign-in page.
    pub hidden: bool,
    pub way: Way,
    /// What its provider says about second factors.
    pub evidence: Evidence,
}

/// How it works.
#[derive(Debug)]
pub(super) enum Way {
    Oidc(Box<Provider>),
    OAuth2(Box<oauth2::Provider>),
    Saml(Arc<saml::Provider>),
    MagicLink(Box<MagicLink>),
    Password,
}

/// All of them, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Vec<Arc<Connection>>);

/// Where a connection stands in the configuration and among the door's own addresses, for compiling it.
pub(super) struct Site<'s> {
    pub place: Place,
    pub id: &'s ConnectionId,
    pub origins: &'s Origins,
    pub config: &'s Config,
}

impl Site<'_> {
    /// Where its provider sends people back to.
    fn callback(&self) -> Option<Url> {
        self.origins.own().join(&self.config.callback_path(self.id)).ok()
    }
}

impl Way {
    /// One line for each kind. `None` where a problem was added, or the review has already told of one.
    fn compile(kind: Kind<'_>, site: &Site<'_>, problems: &mut Problems) -> Option<Self> {
        match kind {
            Kind::Oidc(oidc) => {
                let provider = Provider::compile(oidc, site.callback()?, &site.place, problems)?;
                Some(Self::Oidc(Box::new(provider)))
            }
            Kind::OAuth2(typed) => {
                let provider = oauth2::Provider::compile(typed, site.callback()?, &site.place, problems)?;
                Some(Self::OAuth2(Box::new(provider)))
            }
            Kind::Saml(saml) => saml::Provider::compile(saml, site, problems).map(|provider| Self::Saml(Arc::new(provider))),
            Kind::MagicLink(magic) => {
                let magic = MagicLink::compile(magic, site.config, &site.place, problems)?;
                Some(Self::MagicLink(Box::new(magic)))
            }
            Kind::Password(_) => Some(Self::Password),
        }
    }

    /// The protocol's name in the audit trail.
    #[must_use]
    pub(super) const fn protocol(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            Self::OAuth2(_) => "oauth2",
            Self::Saml(_) => "saml",
            Self::MagicLink(_) => "magic_link",
            Self::Password => "password",
        }
    }

    /// Whether an identity provider signs people in, which is what "single sign-on" means to those who require it.
    #[must_use]
    pub(super) fn is_sso(&self) -> bool {
        match self {
            Self::Oidc(_) | Self::OAuth2(_) | Self::Saml(_) => true,
            Self::MagicLink(_) | Self::Password => false,
        }
    }
}

impl Connections {
    /// Those whose people sign in here; the others' are as good as not there.
    pub(super) fn compile(config: &Config, tenants: &Tenants, origins: &Origins, problems: &mut Problems) -> Option<Self> {
        let own = config.connections.iter().enumerate().filter(|(_, typed)| tenants.serves(&typed.tenant));
        // All of them, so that each tells its problems.
        let all: Vec<_> = own.map(|(index, _)| compile_one(config, index, origins, problems)).collect();
        all.into_iter().collect::<Option<_>>().map(Self)
    }

    /// The last of the configuration's.
    pub(super) fn compile_last(config: &Config, origins: &Origins, problems: &mut Problems) -> Option<Arc<Connection>> {
        compile_one(config, config.connections.len().checked_sub(1)?, origins, problems)
    }

    /// What about them does not hold at this moment. They have to be of a configuration, in its order.
    pub(super) fn judge_at(&self, config: &Config, now: Timestamp, problems: &mut Problems) {
        for (index, typed) in config.connections.iter().enumerate() {
            if let Some(Way::Saml(provider)) = self.find(typed.id.as_str()).map(|connection| &connection.way) {
                provider.judge_at(now, &Place::from("connections").item(index).key("saml"), problems);
            }
        }
    }

    /// These and `more`, in this order.
    #[must_use]
    pub(super) fn with(&self, more: Vec<Arc<Connection>>) -> Self {
        Self(self.0.iter().cloned().chain(more).collect())
    }

    #[must_use]
    pub(super) fn find(&self, id: &str) -> Option<&Connection> {
        self.iter().find(|connection| connection.id.as_str() == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter().map(|connection| &**connection)
    }

    /// The connection of a tenant's local accounts.
    #[must_use]
    pub(super) fn local(&self, tenant: &TenantId) -> Option<&Connection> {
        self.iter().find(|connection| matches!(connection.way, Way::Password) && connection.tenant == *tenant)
    }
}

fn compile_one(config: &Config, index: usize, origins: &Origins, problems: &mut Problems) -> Option<Arc<Connection>> {
    let typed = config.connections.get(index)?;
    let (key, kind) = typed.kind()?;
    let place = Place::from("connections").item(index).key(key);
    let site = Site { place, id: &typed.id, origins, config };
    Some(Arc::new(Connection {
        id: typed.id.clone(),
        name: name_of(typed),
        tenant: typed.tenant.clone(),
        domains: typed.domains.clone(),
        provision: typed.provision,
        hidden: typed.hidden,
        way: Way::compile(kind, &site, problems)?,
        // Without a store Doorward's own factors would be forgotten, and whoever came first could set up others.
        evidence: Evidence::compile(&Mfa { local: typed.mfa.local && config.store.is_some(), ..typed.mfa.clone() }),
    }))
}

impl Connection {
    /// Whether it may speak for somebody with this address.
    #[must_use]
    pub(super) fn serves(&self, email: Option<&EmailAddress>) -> bool {
        self.domains.is_empty() || email.is_some_and(|email| self.domains.iter().any(|domain| domain.as_str() == email.domain()))
    }

    /// Whether somebody else asks the person for a second factor, and says so.
    #[must_use]
    pub(super) fn proves_second_factors(&self) -> bool {
        self.way.is_sso() && !matches!(self.way, Way::OAuth2(_))
    }

    /// Whether signing in by it proves that one reads the mailbox, whoever's domain it is.
    #[must_use]
    pub(super) fn proves_mailboxes(&self) -> bool {
        matches!(self.way, Way::MagicLink(_))
    }

    #[must_use]
    pub(super) fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }
}

/// The settings of local accounts: the first connection's that has them.
#[must_use]
pub(super) fn password(config: &Config) -> Password {
    config.connections.iter().find_map(|typed| typed.password).unwrap_or_default()
}

/// How many wrong passwords and codes of an account are borne.
#[must_use]
pub(super) fn bound(config: &Config) -> Bound {
    bound_of(password(config))
}

#[must_use]
pub(super) fn bound_of(typed: Password) -> Bound {
    Bound { tries: typed.lock_after.max(1), lasts: typed.lock_for.0 }
}

/// `okta` is `Okta SSO` to people.
fn name_of(typed: &Typed) -> String {
    let from_id = || {
        let id = typed.id.as_str().replace(['-', '_'], " ");
        let mut letters = id.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
        first.chain(letters).chain(" SSO".chars()).collect()
    };
    if typed.magic_link.is_some() && typed.display_name.is_none() {
        return text::BY_MAIL.to_owned();
    }
    typed.display_name.clone().unwrap_or_else(from_id)
}
