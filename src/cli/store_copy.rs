//! `doorward store`: moving everything that is kept from one engine to the other.
//!
//! Refuses to change the source, and a target that holds anything.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::Exit;
use super::store::{print_json, say};
use super::table::Table;
use crate::crypto::Secret;
use crate::db::{self, Terms};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy everything from an embedded store into a new PostgreSQL database. Stop the servers before, and start them on the copy.
    Copy(Copy),
}

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The embedded store: `sqlite:/path/to/doorward.db`.
    #[arg(long, value_name = "URL")]
    from: String,
    /// The new database: `postgres://user@host:5432/database`.
    #[arg(long, value_name = "URL")]
    to: String,
    /// A file with the password of the database's user; a password in the URL can be seen by whoever lists processes.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Self::Copy(command) = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(command.run())?;
        Ok(Exit::Success)
    }
}

impl Copy {
    async fn run(self) -> anyhow::Result<()> {
        let password = self.password_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
            anyhow::Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        });
        let terms = Terms { password: password.transpose()?, ..Terms::default() };
        let copied = db::copy(&self.from, &self.to, &terms).await?;
        if self.json {
            return print_json(&copied);
        }
        let mut table = Table::new(&["TABLE", "ROWS"]);
        for (name, rows) in &copied {
            table.row([name.clone(), rows.to_string()]);
        }
        say(table)
    }
}
