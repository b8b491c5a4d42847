//! `doorward migrate`: a configuration of Doorward's out of one that was written for another front door.
//!
//! Refuses to be silent about what differs, because what a front door no longer does is found out by whoever gets in.

mod oauth2_proxy;

use clap::Subcommand;

use super::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// From oauth2-proxy's command line, configuration file, environment and alpha configuration.
    #[command(name = "oauth2-proxy")]
    Oauth2Proxy(Box<oauth2_proxy::Migrate>),
}

impl Command {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Oauth2Proxy(command) => command.run(),
        }
    }
}
