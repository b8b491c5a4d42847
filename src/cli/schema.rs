//! `doorward schema`: the JSON Schema of the configuration file, and the reference of audit events.
//!
//! Refuses nothing; an editor that knows the schema refuses the typing error before `check` has to.

use clap::Args;

use super::{Exit, store};
use crate::audit::event::reference;
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Command {
    /// The reference of audit events instead, as Markdown.
    #[arg(long)]
    events: bool,
}

impl Command {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        store::say(if self.events { reference::page() } else { config::schema::published()? })?;
        Ok(Exit::Success)
    }
}
