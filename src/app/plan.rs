//! From what was typed to what it means. Pure but for reading the files it names.
//!
//! Refuses a configuration with any problem; `serve`, `check` and reload all come through here.

use std::sync::Arc;

use super::memory::Memory;
use crate::admin::{self, Administration};
use crate::audit::alarm;
use crate::audit::sink;
use crate::authn::{self, Authn, Stores};
use crate::clock::{Clock, SharedClock, SystemClock, Timestamp};
use crate::config::{self, Config, Path, Problems};
use crate::credential::Sources;
use crate::edge::redirect::Destination;
use crate::edge::{Hygiene, tls};
use crate::forward::Forwarding;
use crate::login::{self, Diagnosis, Login};
use crate::model::StoredConnection;
use crate::policy::Standing;
use crate::policy::mfa::Demands;
use crate::policy::role::Roles;
use crate::policy::tenancy::Tenancy;
use crate::proxy::challenge::Challenges;
use crate::proxy::gateway::{Doors, Gateway, Observed, Overlapping, Reception};
use crate::proxy::metadata::Resource;
use crate::proxy::outer::Decisions;
use crate::proxy::token;
use crate::route::Table;
use crate::scim;
use crate::session::Seals;
use crate::telemetry::{PlannedExport, Telemetry, compile_export};
use crate::valkey;

/// A configuration that was understood.
pub struct Plan {
    /// In the order of `listeners`.
    pub listeners: Vec<ListenerPlan>,
    pub roles: Arc<Roles>,
    pub config: Arc<Config>,
    hygiene: Hygiene,
    routes: Table,
    credentials: Sources,
    authn: authn::Rules,
    seals: Arc<Seals>,
    forwarding: Forwarding,
    /// Of each site.
    login: Vec<login::Rules>,
    standing: Standing,
    /// Where audit events are delivered.
    pub sinks: Vec<sink::Planned>,
    /// Where telemetry is sent.
    pub export: Option<PlannedExport>,
}

/// One address to listen on, and with which TLS.
pub struct ListenerPlan {
    pub address: String,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether it only sends people to the public address.
    pub redirect: bool,
    /// Whether it speaks HTTP/2 without TLS.
    pub h2c: bool,
    pub proxy_protocol_from: Arc<[ipnet::IpNet]>,
}

/// Understands `config`, or says everything that is wrong with it.
pub fn compile(config: Config) -> Result<Plan, Problems> {
    let mut problems = Problems::default();
    config::review(&config, &mut problems);
    valkey::review(&config, &mut problems);
    let credentials = Sources::compile(&config, &mut problems);
    let roles = Arc::new(Roles::compile(&config, &mut problems));
    let second_factors = Demands::compile(&config, &mut problems);
    let standing = Standing { second_factors, tenancy: Arc::new(Tenancy::compile(&config)) };
    let routes = Table::compile(&config, &mut problems);
    let seals = Arc::new(Seals::compile(&config, &mut problems));
    let authn = authn::Rules::compile(&config, Arc::clone(&seals), &mut problems);
    let forwarding = Forwarding::compile(&config, &credentials, &mut problems);
    let listeners = listeners(&config, &mut problems);
    let hygiene = Hygiene::new(config.limits, &config.trusted_proxies);
    let clock: SharedClock = Arc::new(SystemClock);
    let sinks = sink::compile(&config.audit.sinks, &clock, &mut problems);
    let export = compile_export(&config, &mut problems);
    let config = Arc::new(config);
    match login::Rules::compile(&config, &standing.tenancy, &seals, &mut problems) {
        Some(login) if problems.is_empty() => Ok(Plan {
            listeners,
            roles,
            config,
            hygiene,
            routes,
            credentials,
            authn,
            seals,
            forwarding,
            login,
            standing,
            sinks,
            export,
        }),
        _ => Err(problems),
    }
}

impl Plan {
    /// What about the configuration does not hold at this moment, though it is well written: it does not keep the door from starting.
    #[must_use]
    pub fn judge_at(&self, now: Timestamp) -> Problems {
        let mut problems = Problems::default();
        for site in &self.login {
            site.judge_at(&self.config, now, &mut problems);
        }
        problems
    }

    /// Asks whoever signs people in whether they would: each connection of every site, and those of the store.
    pub async fn diagnose(&self, stored: &[StoredConnection], clock: &dyn Clock) -> Vec<Diagnosis> {
        let mut all = Vec::new();
        for site in &self.login {
            all.extend(site.diagnose(stored, clock).await);
        }
        all
    }

    /// Where redirecting listeners send people.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination {
            public_url: self.config.public_url.trim_end_matches('/').into(),
            hosts: self.standing.tenancy.addresses().map(|(host, address)| (host.into(), address.into())).collect(),
            hygiene: Hygiene::new(self.config.limits, &self.config.trusted_proxies),
        }
    }

    /// The journey under this plan, with fresh caches.
    pub fn gateway(self, memory: &Memory, telemetry: &Telemetry) -> Result<Gateway, Overlapping> {
        let jwks = self.forwarding.jwks_router(&self.config.prefix);
        let authn = self.authn.with_break_glass(self.login.iter().flat_map(login::Rules::break_glass_users));
        let means = memory.means();
        memory.alarms.follow(alarm::Rules::of(&self.config));
        let (tasks, audit) = (means.tasks.clone(), means.audit.clone());
        let logins: Vec<_> = self.login.into_iter().map(|rules| (rules.site, Login::new(rules, means.clone()))).collect();
        let all: Vec<_> = logins.iter().map(|(_, login)| Arc::clone(login)).collect();
        let stores = Stores { refresher: Some(Login::refresher(&all, &tasks)), ..memory.stores(&telemetry.metrics) };
        let tenancy = &self.standing.tenancy;
        let authn = Arc::new(Authn::new(authn, &stores, &self.roles));
        let administration = Administration::new(Arc::clone(&self.config), Arc::clone(tenancy), memory.administration());
        let api = admin::api::router(Arc::new(administration));
        let provisioning = scim::Doors::new(&self.config, tenancy, &self.roles, memory.provisioning());
        let resource = {
            let (config, tenancy) = (Arc::clone(&self.config), Arc::clone(tenancy));
            move |site| Resource::compile(&config, &tenancy.site(site).public_url, |tenant| tenancy.serves(site, tenant))
        };
        let reception = |(site, login): (_, Arc<Login>)| Reception {
            challenges: Challenges::of_site(&resource(site)),
            pages: Arc::clone(login.shown()),
            login,
        };
        let receptions = logins.into_iter().map(reception).collect();
        let doors = {
            let (config, tenancy, authn) = (Arc::clone(&self.config), Arc::clone(tenancy), Arc::clone(&authn));
            Doors::new(move |site| {
                let tokens = token::router(&config, token::Site { tenancy: Arc::clone(&tenancy), site }, &authn, &audit);
                login::router(Arc::clone(all.get(site.place()).unwrap_or(&all[0])))
                    .merge(jwks.clone())
                    .merge(resource(site).router())
                    .merge(tokens)
                    .merge(api.clone())
                    .merge(provisioning.at(site))
            })?
        };
        Ok(Gateway {
            authn,
            observed: Observed::new(telemetry, memory.audit.clone(), &self.config, &self.routes),
            standing: self.standing,
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
            receptions,
            doors,
            forwarding: self.forwarding,
            prefix: self.config.prefix.as_str().into(),
            decisions: Decisions::of(&self.config),
        })
    }
}

fn listeners(config: &Config, problems: &mut Problems) -> Vec<ListenerPlan> {
    let compiled = config.listeners.iter().enumerate().map(|(index, typed)| ListenerPlan {
        address: typed.address.clone(),
        tls: typed.tls.as_ref().and_then(|tls| tls::compile(tls, &Path::from("listeners").item(index).key("tls"), problems)),
        redirect: typed.redirect,
        h2c: typed.h2c,
        proxy_protocol_from: typed.proxy_protocol_from.as_slice().into(),
    });
    compiled.collect()
}
