//! `doorward doctor`: whether each way to sign in is ready for people, and what is missing.
//!
//! Refuses to change anything: providers are asked what a sign-in would ask, and nobody is signed in.

use std::path::Path;

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::json;

use super::Exit;
use super::store::{self, Store, explained};
use super::table::shown;
use crate::app::plan;
use crate::clock::SystemClock;
use crate::login::{Check, Diagnosis, Verdict};
use crate::model::ConnectionId;

/// Ask the identity providers whether they would sign people in for this door; exit status 1 if one would not.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Only this connection, of the file or of the store.
    connection: Option<ConnectionId>,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self, config: &Path) -> anyhow::Result<Exit> {
        store::beside(config, async |store| self.look(store).await)
    }

    async fn look(&self, store: &Store) -> anyhow::Result<()> {
        let plan = plan::compile(store.config.clone())
            .map_err(|_| anyhow!("the configuration has problems; `doorward check` says which"))?;
        let stored = store.memory.connections.connections().await.map_err(explained)?;
        let mut found = plan.diagnose(&stored, &SystemClock).await;
        if let Some(wanted) = &self.connection {
            found.retain(|diagnosis| diagnosis.connection == *wanted);
            if found.is_empty() {
                bail!("there is no connection {wanted} that can be used; `doorward connection list` shows those there are");
            }
        }
        if self.json {
            store::print_json(&found.iter().map(machine).collect::<Vec<_>>())?;
        } else {
            store::say(told(&found))?;
        }
        match found.iter().filter(|diagnosis| !diagnosis.is_ready()).count() {
            0 => Ok(()),
            some => bail!("not ready: {some} of {}", found.len()),
        }
    }
}

/// As a program reads it.
fn machine(diagnosis: &Diagnosis) -> serde_json::Value {
    json!({
        "connection": diagnosis.connection, "tenant": diagnosis.tenant, "protocol": diagnosis.protocol,
        "ready": diagnosis.is_ready(), "register": diagnosis.register, "checks": diagnosis.checks,
    })
}

fn told(all: &[Diagnosis]) -> String {
    if all.is_empty() {
        return "there are no connections: nobody signs in here".to_owned();
    }
    all.iter().map(of_one).collect::<Vec<_>>().join("\n\n")
}

fn of_one(diagnosis: &Diagnosis) -> String {
    let verdict = if diagnosis.is_ready() { "ready to test" } else { "not ready" };
    let mut lines = vec![format!("{} ({}, tenant {}): {verdict}", diagnosis.connection, diagnosis.protocol, diagnosis.tenant)];
    if !diagnosis.register.is_empty() {
        lines.push("  to be registered at the provider:".to_owned());
        lines.extend(diagnosis.register.iter().map(|fact| format!("    {:18}{}", fact.name, shown(&fact.value))));
    }
    for check in &diagnosis.checks {
        lines.push(format!("  {:5} {:14}{}", word(check), check.name, shown(&check.detail)));
        if !check.hint.is_empty() {
            lines.push(format!("        {}", check.hint));
        }
    }
    lines.join("\n")
}

fn word(check: &Check) -> &'static str {
    match check.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}
