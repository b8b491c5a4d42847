//! What every command on the store shares: opening it beside a running server, saying who did it, and what to do when it fails.
//!
//! Refuses to change anything without recording it: the trail would otherwise show a state that nobody brought about.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;

use super::Exit;
use crate::admin::{Acting, Administration, Undone};
use crate::app::memory::Memory;
use crate::audit::what::What;
use crate::audit::{Event, Outcome};
use crate::clock::{SharedClock, SystemClock, Timestamp};
use crate::config::{self, Config, LoadError};
use crate::directory::{Directory, DirectoryError, Page};
use crate::model::{TenantId, User, UserId};
use crate::policy::tenancy::Tenancy;

/// The configured store, opened by a person at the command line.
pub(super) struct Store {
    pub(super) memory: Memory,
    pub(super) config: Config,
    pub(super) now: Timestamp,
    actor: String,
}

/// Opens the store that `file` configures and runs `work` on it.
pub(super) fn with(file: &Path, work: impl AsyncFnOnce(&Store) -> anyhow::Result<()>) -> anyhow::Result<Exit> {
    beside(file, async |store| match store.config.store {
        Some(_) => work(store).await,
        None => bail!("the configuration has no `store`: there is nothing to look at or to change"),
    })
}

/// The same for work that has something to say without a store, too.
pub(super) fn beside(file: &Path, work: impl AsyncFnOnce(&Store) -> anyhow::Result<()>) -> anyhow::Result<Exit> {
    let config = match config::load(file) {
        Ok(loaded) => loaded.config,
        Err(LoadError::Invalid { report, .. }) => {
            eprintln!("{report}");
            return Ok(Exit::Configuration);
        }
        Err(unreadable @ LoadError::Unreadable { .. }) => {
            return Err(anyhow!(unreadable)).context("name the configuration with `--config FILE`");
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async { work(&Store::open(config).await?).await });
    runtime.shutdown_background();
    done.map(|()| Exit::Success)
}

impl Store {
    pub(super) async fn open(config: Config) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let memory = Memory::open(&config, &clock).await?;
        Ok(Self { memory, config, now: clock.now(), actor: actor() })
    }

    /// The operations of administrators, and who does them in `tenant`.
    pub(super) fn administration(&self, tenant: &TenantId) -> (Administration, Acting) {
        let tenancy = Arc::new(Tenancy::compile(&self.config));
        let administration = Administration::new(Arc::new(self.config.clone()), tenancy, self.memory.administration());
        (administration, Acting::at_the_terminal(self.actor.clone(), tenant.clone()))
    }

    pub(super) fn directory(&self) -> &dyn Directory {
        &*self.memory.directory
    }

    /// Records what was done to `target`; waits until it is written.
    pub(super) async fn record(&self, tenant: &TenantId, target: &str, what: impl Into<What>) -> anyhow::Result<()> {
        let mut event = Event::new(self.now, what, Outcome::Success, tenant);
        event.actor = Some(self.actor.clone());
        event.target = Some(target.to_owned());
        let recorded = self.memory.audit.record(event).await;
        recorded.context("it was done, but could not be recorded in the audit trail: note it by hand")
    }

    /// The person that `who` names: an id, or the name they sign in with.
    pub(super) async fn person(&self, tenant: &TenantId, who: &str) -> anyhow::Result<User> {
        let found = match who.parse::<UserId>() {
            Ok(id) => self.directory().user(id).await.map_err(explained)?.filter(|user| user.tenant == *tenant),
            Err(_) => self.directory().user_by_name(tenant, who).await.map_err(explained)?,
        };
        found.ok_or_else(|| {
            anyhow!("there is nobody called {who} in tenant {tenant}; `doorward user list --tenant {tenant}` shows who is there")
        })
    }

    /// Refuses a tenant that the configuration does not know: what is made for it would be let in nowhere.
    pub(super) fn check_tenant(&self, tenant: &TenantId) -> anyhow::Result<()> {
        if !self.config.has_tenant(tenant) {
            let named = self.config.tenants.iter().map(|known| known.id.as_str()).filter(|id| *id != "default");
            let names = std::iter::once("default").chain(named).collect::<Vec<_>>().join(", ");
            bail!("there is no tenant {tenant}; the configuration has: {names}");
        }
        Ok(())
    }
}

/// `cli:` and who runs the command, as the operating system knows them.
pub(super) fn actor() -> String {
    let id = uzers::get_current_uid();
    let name = uzers::get_user_by_uid(id).map(|user| user.name().to_string_lossy().into_owned());
    format!("cli:{}", name.unwrap_or_else(|| id.to_string()))
}

/// The error with what to do about it.
pub(super) fn explained(error: DirectoryError) -> anyhow::Error {
    let hint = match &error {
        DirectoryError::Unavailable(_) => {
            "nothing was changed; is the disk full, the database down, or does another program hold the store? Try again"
        }
        DirectoryError::Conflict(_) => "choose another",
        DirectoryError::Full(_) => "revoke one that is no longer needed",
        DirectoryError::Overused(_) => "wait for a day",
        DirectoryError::Stale(_) => "somebody else was faster; look at it and try again",
        DirectoryError::Missing(_) => "`list` shows those there are",
        DirectoryError::Unfit => "leave that character out",
        DirectoryError::Revoked(_) => "a revocation is for ever; create a new one",
    };
    anyhow!("{:#}; {hint}", anyhow!(error))
}

/// Why an operation was not done, with what to do about it.
pub(super) fn undone(error: Undone) -> anyhow::Error {
    let hint = match &error {
        Undone::Unavailable(_) => "is the disk full, or does another program hold the store? Try again",
        Undone::Missing(_) => "`list` shows those there are",
        Undone::Conflict(_) => "choose another",
        Undone::Stale(_) => "somebody else was faster; look at it and try again",
        Undone::Flawed(report) => return anyhow!("this connection cannot be used\n{report}"),
        Undone::Unfit { message, .. } => return anyhow!("{message}"),
        Undone::Standing(_) | Undone::Unrecorded(_) | Undone::Internal(_) => return anyhow!(error),
    };
    anyhow!("{:#}; {hint}", anyhow!(error))
}

/// Every page of a list.
pub(super) async fn all<T>(
    next: impl AsyncFn(&Page) -> Result<Vec<T>, Undone>,
    id: impl Fn(&T) -> String,
) -> anyhow::Result<Vec<T>> {
    let (mut items, mut page) = (Vec::new(), Page::default());
    loop {
        let part = next(&page).await.map_err(undone)?;
        let Some(last) = part.last() else { return Ok(items) };
        page.after = Some(id(last));
        items.extend(part);
    }
}

/// A line, or several, on standard output. A reader that has seen enough, such as `head`, is no error.
pub(super) fn say(text: impl Display) -> anyhow::Result<()> {
    let text = text.to_string();
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One JSON document on standard output.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?)
}
