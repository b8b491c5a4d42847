//! `doorward audit`: what happened.
//!
//! Refuses to change the trail; it can only be read here.

mod export;
mod filter;
mod form;
mod list;
mod tail;
mod verify;

use clap::Subcommand;

use super::sinks::{Letters, Sinks};
use super::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The latest events, oldest first.
    List(list::List),
    /// Everything that fits, oldest first, for another program.
    Export(export::Export),
    /// The last events, and with `--follow` those to come, of all replicas.
    Tail(tail::Tail),
    /// Checks that every event is there as it was written, and names the first place that is not. The exit status says it, too.
    Verify(verify::Verify),
    /// The public key that statements on the trail are signed with, for whoever checks them elsewhere.
    Key(verify::Key),
    /// How far each sink is.
    Sinks(Sinks),
    /// Events that receivers refuse for good.
    #[command(subcommand)]
    DeadLetters(Letters),
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(store).await,
            Self::Export(command) => command.run(store).await,
            Self::Tail(command) => command.run(store).await,
            Self::Verify(command) => command.run(store).await,
            Self::Key(command) => command.run(store),
            Self::Sinks(command) => command.run(store).await,
            Self::DeadLetters(command) => command.run(store).await,
        }
    }
}
