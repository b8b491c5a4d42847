//! From what was typed to what it means. Pure but for reading the files it names.
//!
//! Refuses a configuration with any problem; `serve`, `check` and reload all come through here.

use std::sync::Arc;

use super::memory::Memory;
use crate::authn::{self, Authn, Stores};
use crate::clock::Timestamp;
use crate::config::{self, Config, Path, Problems};
use crate::credential::Sources;
use crate::edge::redirect::Destination;
use crate::edge::{Hygiene, tls};
use crate::forward::Forwarding;
use crate::login;
use crate::policy::mfa::Demands;
use crate::policy::role::Roles;
use crate::proxy::challenge::Challenges;
use crate::proxy::gateway::{Gateway, Observed};
use crate::proxy::metadata;
use crate::route::Table;
use crate::session::Seals;
use crate::telemetry::Telemetry;

/// A configuration that was understood.
pub struct Plan {
    /// In the order of `listeners`.
    pub listeners: Vec<ListenerPlan>,
    pub roles: Arc<Roles>,
    pub config: Config,
    hygiene: Hygiene,
    routes: Table,
    credentials: Sources,
    authn: authn::Rules,
    seals: Arc<Seals>,
    forwarding: Forwarding,
    login: login::Rules,
    second_factors: Demands,
}

/// One address to listen on, and with which TLS.
pub struct ListenerPlan {
    pub address: String,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether it only sends people to the public address.
    pub redirect: bool,
    pub proxy_protocol_from: Arc<[ipnet::IpNet]>,
}

/// Understands `config`, or says everything that is wrong with it.
pub fn compile(config: Config) -> Result<Plan, Problems> {
    let mut problems = Problems::default();
    config::review(&config, &mut problems);
    let credentials = Sources::compile(&config, &mut problems);
    let roles = Arc::new(Roles::compile(&config, &mut problems));
    let second_factors = Demands::compile(&config, &mut problems);
    let routes = Table::compile(&config, &mut problems);
    let seals = Arc::new(Seals::compile(&config, &mut problems));
    let authn = authn::Rules::compile(&config, Arc::clone(&seals), &mut problems);
    let forwarding = Forwarding::compile(&config, &credentials, &mut problems);
    let listeners = listeners(&config, &mut problems);
    let hygiene = Hygiene::new(config.limits, &config.trusted_proxies);
    match login::Rules::compile(&config, Arc::clone(&seals), &mut problems) {
        Some(login) if problems.is_empty() => {
            Ok(Plan { listeners, roles, config, hygiene, routes, credentials, authn, seals, forwarding, login, second_factors })
        }
        _ => Err(problems),
    }
}

impl Plan {
    /// What about the configuration does not hold at this moment, though it is well written: it does not keep the door from starting.
    #[must_use]
    pub fn judge_at(&self, now: Timestamp) -> Problems {
        let mut problems = Problems::default();
        self.login.judge_at(now, &mut problems);
        problems
    }

    /// Where redirecting listeners send people.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination {
            public_url: self.config.public_url.trim_end_matches('/').into(),
            hygiene: Hygiene::new(self.config.limits, &self.config.trusted_proxies),
        }
    }

    /// The journey under this plan, with fresh caches.
    #[must_use]
    pub fn gateway(self, memory: &Memory, telemetry: &Telemetry) -> Gateway {
        let jwks = self.forwarding.jwks_router(&self.config.prefix);
        let pages = Arc::clone(&self.login.pages);
        let authn = self.authn.with_break_glass(self.login.break_glass_users());
        let login = login::Login::new(self.login, memory.means());
        let stores = Stores { refresher: Some(login.refresher()), ..memory.stores(&telemetry.metrics) };
        Gateway {
            authn: Authn::new(authn, &stores, &self.roles),
            observed: Observed::new(telemetry, &self.config, &self.routes),
            second_factors: self.second_factors,
            certificates: self
                .config
                .listeners
                .iter()
                .filter_map(|listener| listener.tls.as_ref())
                .flat_map(tls::expiries)
                .collect(),
            hygiene: self.hygiene,
            routes: self.routes,
            credentials: self.credentials,
            seals: self.seals,
            pages,
            doors: login::router(Arc::clone(&login)).merge(jwks).merge(metadata::router(&self.config)),
            login,
            challenges: Challenges::compile(&self.config),
            forwarding: self.forwarding,
            public_url: self.config.public_url.trim_end_matches('/').into(),
            prefix: self.config.prefix.as_str().into(),
        }
    }
}

fn listeners(config: &Config, problems: &mut Problems) -> Vec<ListenerPlan> {
    let compiled = config.listeners.iter().enumerate().map(|(index, typed)| ListenerPlan {
        address: typed.address.clone(),
        tls: typed.tls.as_ref().and_then(|tls| tls::compile(tls, &Path::from("listeners").item(index).key("tls"), problems)),
        redirect: typed.redirect,
        proxy_protocol_from: typed.proxy_protocol_from.as_slice().into(),
    });
    compiled.collect()
}
