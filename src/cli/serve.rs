//! `doorward serve`: the front door itself. Also what `doorward` alone does.
//!
//! Refuses to start with a configuration that has a problem; the exit status then is 78.

use std::path::PathBuf;

use clap::Args;

use super::Exit;
use crate::app::serve::{self, AccessLines, Ended, Ready, ServeError, Sockets};

/// Run the front door.
#[derive(Debug, Default, Args)]
pub(super) struct Serve {
    /// Print one JSON line with the addresses once everything listens.
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(super) fn run(self, config: PathBuf) -> anyhow::Result<Exit> {
        let tell = move |ready: &Ready| {
            if self.json {
                println!("{}", serde_json::json!(ready));
            }
        };
        let lines = if self.json { AccessLines::StandardError } else { AccessLines::StandardOutput };
        blocking(serve::serve(config, Sockets::default(), lines, tell))
    }
}

/// Runs the server on a runtime of its own and says how it ended.
pub(super) fn blocking(server: impl Future<Output = Result<Ended, ServeError>>) -> anyhow::Result<Exit> {
    // Must be the first use of TLS in the process: the engine would otherwise install another provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Connections have threads of their own; these two keep the house.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(server);
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Drained) => Ok(Exit::Success),
        Ok(Ended::Cut(signal)) => Ok(Exit::Signal(signal)),
        Err(error) if error.is_configuration() => {
            eprintln!("{error}");
            Ok(Exit::Configuration)
        }
        Err(error) => Err(error.into()),
    }
}
