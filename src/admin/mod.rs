//! The door for administrators: what can be done to people, groups, roles, sessions, keys, invitations, connections and directories' tokens,
//! each once, for the API and the command line alike.
//!
//! Refuses to reach into another tenant: every operation is done in the tenant of whoever does it, and what is elsewhere is not there. It
//! changes nothing without recording it, once.

mod acting;
pub mod api;
pub mod connection;
mod erasure;
mod events;
pub mod group;
pub mod invitation;
pub mod program;
pub mod role;
pub mod scim_token;
pub mod session;
mod undone;
pub mod user;

use std::sync::Arc;

use crate::audit::what::What;
use crate::audit::{AuditStore, Event, Outcome, Recorder};
use crate::clock::{SharedClock, Timestamp};
use crate::config::{Config, Problems};
use crate::directory::{Answers, Connections, Directory, Factors, Invitations, Provisioning, ScimTokens};
use crate::mail::Post;
use crate::policy::role::Roles;
use crate::policy::tenancy::Tenancy;
use crate::session::{MailedLinks, SessionStore};

pub use acting::Acting;
pub use undone::Undone;

/// What administration needs of the rest of the house.
#[derive(Clone, Debug)]
pub struct Means {
    pub directory: Arc<dyn Directory>,
    pub factors: Arc<dyn Factors>,
    pub connections: Arc<dyn Connections>,
    pub sessions: Arc<dyn SessionStore>,
    pub links: Arc<dyn MailedLinks>,
    pub invitations: Arc<dyn Invitations>,
    pub answers: Arc<dyn Answers>,
    pub provisioning: Arc<dyn Provisioning>,
    pub scim_tokens: Arc<dyn ScimTokens>,
    pub post: Post,
    pub trail: Arc<dyn AuditStore>,
    pub audit: Recorder,
    pub clock: SharedClock,
}

/// All operations.
#[derive(Debug)]
pub struct Administration {
    config: Arc<Config>,
    roles: Arc<Roles>,
    tenancy: Arc<Tenancy>,
    means: Means,
}

impl Administration {
    #[must_use]
    pub fn new(config: Arc<Config>, tenancy: Arc<Tenancy>, means: Means) -> Self {
        // A configuration that is in force has no problems.
        let roles = Arc::new(Roles::compile(&config, &mut Problems::default()));
        Self { config, roles, tenancy, means }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    /// Records what was done to `target`; waits until it is written.
    async fn record(&self, acting: &Acting, target: &str, what: impl Into<What>) -> Result<(), Undone> {
        let mut event = Event::new(self.now(), what, Outcome::Success, &acting.tenant);
        event.actor = Some(acting.actor.clone());
        event.target = Some(target.to_owned());
        event.credential = acting.credential;
        event.session = acting.session.as_ref().map(ToString::to_string);
        event.source = acting.source;
        event.user_agent.clone_from(&acting.user_agent);
        event.request_id.clone_from(&acting.request_id);
        self.means.audit.record(event).await.map_err(Undone::Unrecorded)
    }

    /// Refuses a role that the configuration does not declare: it would give nothing and look as if it did.
    pub fn check_roles(&self, roles: &[String]) -> Result<(), Undone> {
        let Some(unknown) = roles.iter().find(|role| !self.roles.is_declared(role)) else { return Ok(()) };
        let known = self.config.roles.ranked.iter().chain(&self.config.roles.others).map(String::as_str);
        let known = known.collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        Err(Undone::unfit("roles", format!("there is no role {unknown}; the configuration's `roles` has: {known}")))
    }
}

/// A text that people gave something as its name.
fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), Undone> {
    let fits = !text.trim().is_empty() && text.len() <= most && !text.contains(char::is_control);
    let called = field.replace('_', " ");
    if fits { Ok(()) } else { Err(Undone::unfit(field, format!("a {called} has 1 to {most} bytes and no control characters"))) }
}

/// The end of something that begins now.
fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Undone> {
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Undone::unfit("expires_at", "it would be over already"));
    }
    Ok(())
}
