//! The `doorward` command: what it understands and how it ends.
//!
//! Refuses to do the work itself; each command lives in a file of its own, because a command line swells faster than any other
//! part of a program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::model::ProgramKind;

mod audit;
mod break_glass;
mod change;
mod check;
mod connection;
mod demo;
mod doctor;
mod explain;
mod factor;
mod group;
mod health;
mod inject;
mod invitation;
mod migrate;
mod password;
mod place;
mod presets;
mod program;
mod role;
mod schema;
mod scim_token;
mod serve;
mod session;
mod sinks;
mod store;
mod store_copy;
mod table;
mod user;

/// How a command ended, as the shell sees it. A wrong command line is 2, which clap says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The command did not succeed, or found what it was asked to look for.
    Failure,
    /// The server was not started because its configuration is wrong (`EX_CONFIG` of sysexits.h).
    Configuration,
    /// The server was told twice to stop and did so at once: 128 and the second signal's number, as shells have it.
    Signal(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::FAILURE,
            Exit::Configuration => Self::from(78),
            Exit::Signal(number) => u8::try_from(128 + number).map_or(Self::FAILURE, Self::from),
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
    /// API keys: for programs that send one token.
    #[command(subcommand)]
    Key(program::Command),
    /// Clients: for programs that send an id and a secret.
    #[command(subcommand)]
    Client(program::Command),
    /// People with an account here.
    #[command(subcommand)]
    User(user::Command),
    /// Groups of the directory, and who is in them.
    #[command(subcommand)]
    Group(group::Command),
    /// Who is signed in.
    #[command(subcommand)]
    Session(session::Command),
    /// Tokens with which directories add, change and remove people (SCIM).
    #[command(subcommand)]
    ScimToken(scim_token::Command),
    /// Ways for people to sign in.
    #[command(subcommand)]
    Connection(connection::Command),
    /// What happened.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What is kept, and where.
    #[command(subcommand)]
    Store(store_copy::Command),
    /// Say whether each way to sign in is ready for people, and what is missing.
    Doctor(doctor::Doctor),
    /// Say what would become of a request, and why.
    Explain(Box<explain::Explain>),
    /// Ask a running server whether it is ready.
    Health(health::Health),
    /// Put a door into annotated pods of a Kubernetes cluster: the admission webhook, or what it would do (`--dry-run`).
    Inject(inject::Inject),
    /// Make a configuration out of one for another front door.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Identity providers: what is known of each, and what to do there.
    Presets(presets::Presets),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema(schema::Command),
}

/// Reads the command line, runs the command and says how it ended. Errors go to standard error, one line each.
pub fn run() -> ExitCode {
    let typed = Cli::command().get_matches();
    let named = typed.value_source("config") == Some(ValueSource::CommandLine);
    match Cli::from_arg_matches(&typed).unwrap_or_else(|error| error.exit()).run(named) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("doorward: {error:#}");
            Exit::Failure.into()
        }
    }
}

impl Cli {
    /// `named`: whether the configuration was named on the command line.
    fn run(self, named: bool) -> anyhow::Result<Exit> {
        match self.command.unwrap_or(Command::Serve(serve::Serve::default())) {
            Command::Serve(command) => command.run(self.config),
            Command::Demo(command) => command.run(),
            Command::Check(command) => command.run(&self.config),
            Command::Key(command) => store::with(&self.config, async |store| command.run(store, ProgramKind::ApiKey).await),
            Command::Client(command) => store::with(&self.config, async |store| command.run(store, ProgramKind::Client).await),
            Command::User(command) => command.run(&self.config),
            Command::Group(command) => store::with(&self.config, async |store| command.run(store).await),
            Command::Connection(command) => store::with(&self.config, async |store| command.run(store).await),
            Command::ScimToken(command) => store::with(&self.config, async |store| command.run(store).await),
            Command::Session(command) => store::with(&self.config, async |store| command.run(store).await),
            Command::Audit(command) => store::with(&self.config, async |store| command.run(store).await),
            Command::Store(command) => command.run(),
            Command::Doctor(command) => command.run(&self.config),
            Command::Explain(command) => store::beside(&self.config, async |store| command.run(store).await),
            Command::Health(command) => command.run(&self.config),
            // The environment names the door's own configuration, which this is not.
            Command::Inject(command) => command.run(named.then_some(self.config.as_path())),
            Command::Migrate(command) => command.run(),
            Command::Presets(command) => command.run(&self.config),
            Command::Schema(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
