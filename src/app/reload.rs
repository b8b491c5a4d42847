//! Taking over a changed configuration, or a changed file that it names, without dropping a connection.
//!
//! Refuses a file with a problem: it is told, the old configuration stays in force, and the next change is waited for.

use std::future::pending;
use std::path::Path;

use super::plan::{self, Plan};
use super::run::Running;
use crate::audit::what::ConfigurationReloaded;
use crate::audit::{Event, Outcome};
use crate::clock::SharedClock;
use crate::config::{self, Difference, LoadError, Loaded, Outline, Sources, Watch};
use crate::model::TenantId;
use crate::telemetry::Telemetry;

/// Reads and understands the file.
pub fn understand(file: &Path) -> Result<(Plan, Sources), LoadError> {
    let Loaded { config, sources } = config::load(file)?;
    match plan::compile(config) {
        Ok(plan) => Ok((plan, sources)),
        Err(problems) => Err(LoadError::Invalid { report: sources.report(&problems), sources: Box::new(sources) }),
    }
}

/// Puts what the file says now in force.
pub async fn reload(file: &Path, running: &Running, telemetry: &Telemetry, clock: &SharedClock, changes: &mut Changes) {
    let mut what = ConfigurationReloaded::default();
    let refused = match understand(file) {
        Ok((plan, sources)) if plan.config.store != *running.store() => {
            changes.follow(&sources);
            telemetry.metrics.reloads.fail();
            tracing::error!(
                "the configuration was not reloaded, because another `store` needs a restart; the old one stays in force"
            );
            Some("another_store")
        }
        Ok((plan, sources)) => {
            changes.follow(&sources);
            match running.replace(plan).await {
                Ok(()) => {
                    what = told(changes.outline.until(sources.outline()));
                    changes.outline = sources.outline().clone();
                    telemetry.metrics.reloads.succeed(clock.now());
                    tracing::info!("the configuration was reloaded");
                    None
                }
                Err(error) => {
                    telemetry.metrics.reloads.fail();
                    tracing::error!(%error, "the configuration was not reloaded; the old one stays in force");
                    Some("invalid")
                }
            }
        }
        Err(error) => {
            let reason = match &error {
                LoadError::Invalid { sources, .. } => {
                    // What is missing now may appear: follow what the file names, not what the old one named.
                    changes.follow(sources);
                    "invalid"
                }
                LoadError::Unreadable { .. } => "unreadable",
            };
            telemetry.metrics.reloads.fail();
            tracing::error!(%error, "the configuration was not reloaded; the old one stays in force");
            Some(reason)
        }
    };
    let outcome = if refused.is_none() { Outcome::Success } else { Outcome::Failure };
    let mut event = Event::new(clock.now(), what, outcome, &TenantId::default());
    event.reason = refused.map(Into::into);
    running.audit().note(event);
}

fn told(difference: Difference) -> ConfigurationReloaded {
    let Difference { parts, added, changed, removed } = difference;
    ConfigurationReloaded { parts, added, changed, removed }
}

/// Changes of the files that a configuration came from. Where the system cannot watch, there are none, and SIGHUP remains.
pub struct Changes {
    watch: Option<Watch>,
    /// Of the configuration that is in force.
    outline: Outline,
}

impl Changes {
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let watch = Watch::new(sources.files()).inspect_err(|error| {
            tracing::warn!(%error, "files cannot be watched; send SIGHUP to reload");
        });
        Self { watch: watch.ok(), outline: sources.outline().clone() }
    }

    fn follow(&mut self, sources: &Sources) {
        if let Some(watch) = &mut self.watch {
            watch.files(sources.files());
        }
    }

    /// Waits for the next change.
    pub async fn next(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.changed().await,
            None => pending().await,
        }
    }
}
