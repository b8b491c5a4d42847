//! Keys and clients that are used from where they never were used before: from the directory, which learns it, to the audit trail.
//!
//! Refuses to be part of either: neither has to know the other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::audit::alarm::Alarms;
use crate::audit::what::CredentialNewNetwork;
use crate::audit::{Event, Outcome, Personal, Recorder};
use crate::directory::NewNetwork;
use crate::directory::networks::Watch;
use crate::model::{CredentialKind, ProgramKind};

/// Sets off the alarm, where one is wanted.
#[derive(Debug)]
pub(super) struct Strangers {
    pub(super) alarms: Arc<Alarms>,
    pub(super) audit: Recorder,
}

#[async_trait]
impl Watch for Strangers {
    fn learning(&self) -> Option<Duration> {
        self.alarms.learning()
    }

    async fn tell(&self, new: &[NewNetwork]) {
        for new in new {
            tracing::error!(kind = "credential_new_network", credential = new.id, tenant = %new.tenant, "alarm");
        }
        // What cannot be written now waits until it can.
        if let Err(error) = self.audit.record_done(new.iter().map(event).collect()).await {
            tracing::warn!(%error, "an alarm waits for the store");
        }
    }
}

fn event(new: &NewNetwork) -> Event {
    let what = CredentialNewNetwork { network: Some(Personal(new.network)), owner: new.owner };
    let mut event = Event::new(new.at, what, Outcome::Success, &new.tenant);
    event.actor = Some(new.id.clone());
    event.target = Some(new.id.clone());
    event.credential = Some(match new.kind {
        ProgramKind::ApiKey => CredentialKind::ApiKey,
        ProgramKind::Client => CredentialKind::ClientSecret,
    });
    event.source = Some(IpAddr::to_canonical(&new.address));
    event
}
