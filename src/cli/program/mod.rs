//! `doorward key` and `doorward client`: the credentials of programs.
//!
//! Refuses to show a secret again: only its digest is kept.

mod show;
mod update;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;

use super::place::Place;
use super::store::{self, Store, undone};
use super::table;
use crate::admin::Undone;
use crate::admin::program::NewProgram;
use crate::config::Span;
use crate::crypto::Secret;
use crate::model::{Program, ProgramKind, Scope};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one; its secret is printed once.
    Create(Create),
    /// Those there are, revoked ones too.
    List(Place),
    /// One of them, without its secret.
    Show(Named),
    /// Change what it may do, where from and until when; its secrets stay.
    Update(update::Update),
    /// Give it a new secret; the old one works for a while yet.
    Rotate(Rotate),
    /// Refuse it from now on, for ever.
    Revoke(Named),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for, for people to recognise.
    #[arg(long)]
    name: String,
    /// The person it belongs to: it stops working when they are deactivated. Their user name or id.
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// A role it has. Can be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// What it may do, such as `api:read` or `api:*`. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// A network it may be used from, such as `10.0.0.0/8`. Can be repeated; without any, from everywhere.
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<IpNet>,
    /// How long it works, such as `90d`. Without it, until revoked.
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its id, as `list` shows it.
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    named: Named,
    /// How long the old secret works yet; `0s` stops it at once.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: Span,
}

/// A program with a secret that is shown now and never again.
#[derive(Serialize)]
struct Revealed<'p> {
    #[serde(flatten)]
    program: &'p Program,
    secret: &'p str,
}

impl Command {
    pub(super) async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(store, kind).await,
            Self::List(place) => list(store, kind, &place).await,
            Self::Show(command) => command.show(store, kind).await,
            Self::Update(command) => command.run(store, kind).await,
            Self::Rotate(command) => command.run(store, kind).await,
            Self::Revoke(command) => command.revoke(store, kind).await,
        }
    }
}

/// The word for it.
const fn word(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::ApiKey => "key",
        ProgramKind::Client => "client",
    }
}

impl Create {
    async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        store.check_tenant(&self.place.tenant)?;
        let owner = match &self.owner {
            Some(who) => Some(store.person(&self.place.tenant, who).await?.id),
            None => None,
        };
        let new = NewProgram {
            name: self.name,
            owner,
            roles: self.roles,
            scopes: self.scopes,
            networks: self.networks,
            expires_at: self.expires.map(|span| store.now.after(span.0)),
        };
        let (administration, acting) = self.place.administration(store);
        let (program, secret) = administration.create_program(&acting, kind, new).await.map_err(undone)?;
        reveal(&program, &secret, self.place.json)
    }
}

/// Prints the secret, the only time it can be.
fn reveal(program: &Program, secret: &Secret, json: bool) -> anyhow::Result<()> {
    if json {
        return store::print_json(&Revealed { program, secret: secret.expose() });
    }
    let (name, usage) = match program.kind {
        ProgramKind::ApiKey => ("id", "Send the secret as `X-Api-Key`."),
        ProgramKind::Client => ("client", "Send both as `X-Client-Id` and `X-Client-Secret`."),
    };
    let facts = table::facts([(name, program.id.clone()), ("secret", secret.expose().to_owned())]);
    store::say(format!("{facts}\n\n{usage} The secret is shown this once: keep it now."))
}

async fn list(store: &Store, kind: ProgramKind, place: &Place) -> anyhow::Result<()> {
    let (administration, acting) = place.administration(store);
    let next = async |page: &_| administration.programs(&acting, kind, page).await;
    let programs = store::all(next, |program: &Program| program.id.clone()).await?;
    if place.json { store::print_json(&programs) } else { store::say(show::list(&programs, store.now)) }
}

impl Named {
    /// Why it was not done to this one.
    fn undone(&self, kind: ProgramKind, error: Undone) -> anyhow::Error {
        let (word, id, tenant) = (word(kind), &self.id, &self.place.tenant);
        match error {
            Undone::Missing(what) if what == word => anyhow::anyhow!(
                "there is no {word} {id} in tenant {tenant}; `doorward {word} list --tenant {tenant}` shows those there are"
            ),
            error => undone(error),
        }
    }

    async fn find(&self, store: &Store, kind: ProgramKind) -> anyhow::Result<Program> {
        let (administration, acting) = self.place.administration(store);
        administration.program(&acting, kind, &self.id).await.map_err(|error| self.undone(kind, error))
    }

    async fn show(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let program = self.find(store, kind).await?;
        if self.place.json { store::print_json(&program) } else { store::say(show::one(&program, store.now)) }
    }

    async fn revoke(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let (administration, acting) = self.place.administration(store);
        let before = administration.revoke_program(&acting, kind, &self.id).await.map_err(|error| self.undone(kind, error))?;
        if self.place.json {
            return store::print_json(&self.find(store, kind).await?);
        }
        store::say(match before.revoked_at {
            Some(at) => format!("{} was already revoked at {at}", self.id),
            None => format!("{} is revoked: running servers refuse it within a second", self.id),
        })
    }
}

impl Rotate {
    async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let Self { named, overlap } = self;
        let (administration, acting) = named.place.administration(store);
        let rotated = administration.rotate_program(&acting, kind, &named.id, overlap.0).await;
        let (program, secret, until) = rotated.map_err(|error| named.undone(kind, error))?;
        reveal(&program, &secret, named.place.json)?;
        if named.place.json { Ok(()) } else { store::say(format!("The secret before it works until {until}.")) }
    }
}
