//! The `doorward` command: what it understands and how it ends.
//!
//! Refuses to do the work itself; each command lives in a file of its own, because a command line swells faster than any other
//! part of a program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod demo;
mod schema;
mod serve;

/// How a command ended, as the shell sees it. A wrong command line is 2, which clap says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The command did not succeed, or found what it was asked to look for.
    Failure,
    /// The server was not started because its configuration is wrong (`EX_CONFIG` of sysexits.h).
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::FAILURE,
            Exit::Configuration => Self::from(78),
        }
    }
}

/// The whole front door of an HTTP application in one binary.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, about)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "doorward.yaml", env = "DOORWARD_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the front door; the default.
    Serve(serve::Serve),
    /// Try Doorward: a sample application, a certificate, a person, an API key and a client, all made on the spot.
    Demo(demo::Demo),
    /// Say everything that is wrong with the configuration file.
    Check(check::Check),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
}

/// Reads the command line, runs the command and says how it ended. Errors go to standard error, one line each.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("doorward: {error:#}");
            Exit::Failure.into()
        }
    }
}

impl Cli {
    fn run(self) -> anyhow::Result<Exit> {
        match self.command.unwrap_or(Command::Serve(serve::Serve::default())) {
            Command::Serve(command) => command.run(self.config),
            Command::Demo(command) => command.run(),
            Command::Check(command) => command.run(&self.config),
            Command::Schema => schema::run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
