//! From what was typed to what it means. Pure but for reading the files it names.
//!
//! Refuses a configuration with any problem; `serve`, `check` and reload all come through here.

use std::sync::Arc;

use crate::authn::Authn;
use crate::config::{Config, Path, Problems};
use crate::credential::Sources;
use crate::directory::Directory;
use crate::edge::{Hygiene, tls};
use crate::forward::Forwarding;
use crate::policy::role::Roles;
use crate::proxy::journey::Gateway;
use crate::route::Table;
use crate::session::SessionStore;

/// What keeps state over requests and reloads.
#[derive(Clone, Debug)]
pub struct Memory {
    pub directory: Arc<dyn Directory>,
    pub sessions: Arc<dyn SessionStore>,
}

/// A configuration that was understood.
pub struct Plan {
    pub gateway: Gateway,
    /// In the order of `listeners`.
    pub listeners: Vec<ListenerPlan>,
    pub config: Config,
}

pub struct ListenerPlan {
    pub address: String,
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Understands `config`, or says everything that is wrong with it.
pub fn compile(config: Config, memory: &Memory) -> Result<Plan, Problems> {
    let mut problems = Problems::default();
    if config.version != 1 {
        problems.add(Path::from("version"), format!("version {} is not known", config.version), "this Doorward reads version 1");
    }
    let credentials = Sources::compile(&config, &mut problems);
    let roles = Arc::new(Roles::compile(&config, &mut problems));
    let (directory, sessions) = (Arc::clone(&memory.directory), Arc::clone(&memory.sessions));
    let gateway = Gateway {
        hygiene: Hygiene::new(config.limits, &config.trusted_proxies),
        routes: Table::compile(&config, &mut problems),
        authn: Authn::compile(&config, directory, sessions, roles, &mut problems),
        forwarding: Forwarding::compile(&config, &credentials, &mut problems),
        credentials,
        doors: axum::Router::new(),
        public_url: config.public_url.trim_end_matches('/').into(),
        prefix: config.prefix.as_str().into(),
    };
    let listeners = listeners(&config, &mut problems);
    if problems.is_empty() { Ok(Plan { gateway, listeners, config }) } else { Err(problems) }
}

fn listeners(config: &Config, problems: &mut Problems) -> Vec<ListenerPlan> {
    if config.listeners.is_empty() {
        problems.add(Path::from("listeners"), "there is no listener", "list one, such as `{ address: 127.0.0.1:8443, tls: … }`");
    }
    let compiled = config.listeners.iter().enumerate().map(|(index, typed)| ListenerPlan {
        address: typed.address.clone(),
        tls: typed.tls.as_ref().and_then(|tls| tls::compile(tls, &Path::from("listeners").item(index).key("tls"), problems)),
    });
    compiled.collect()
}
