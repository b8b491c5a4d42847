//! `doorward key` and `doorward client`: the credentials of programs.
//!
//! Refuses to show a secret again: only its digest is kept.

mod show;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::json;

use super::store::{self, Store, explained};
use super::table;
use crate::audit::Kind;
use crate::clock::Timestamp;
use crate::config::Span;
use crate::crypto::{Digest, Secret, random::NoRandomness, token};
use crate::model::{Program, ProgramKind, ProgramSecret, Scope, TenantId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one; its secret is printed once.
    Create(Create),
    /// Those there are, revoked ones too.
    List(List),
    /// One of them, without its secret.
    Show(Named),
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
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its id, as `list` shows it.
    id: String,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Its id, as `list` shows it.
    id: String,
    /// How long the old secret works yet; `0s` stops it at once.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: Span,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
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
            Self::List(command) => command.run(store, kind).await,
            Self::Show(command) => command.show(store, kind).await,
            Self::Rotate(command) => command.run(store, kind).await,
            Self::Revoke(command) => command.revoke(store, kind).await,
        }
    }
}

/// The word for it, and the events of its life: made, rotated, revoked.
const fn words(kind: ProgramKind) -> (&'static str, [Kind; 3]) {
    match kind {
        ProgramKind::ApiKey => ("key", [Kind::KeyCreated, Kind::KeyRotated, Kind::KeyRevoked]),
        ProgramKind::Client => ("client", [Kind::ClientCreated, Kind::ClientRotated, Kind::ClientRevoked]),
    }
}

fn new_secret(kind: ProgramKind, id: &str) -> Result<(Secret, Digest), NoRandomness> {
    match kind {
        ProgramKind::ApiKey => token::new_api_key(id),
        ProgramKind::Client => token::new_client_secret(),
    }
}

async fn find(store: &Store, kind: ProgramKind, tenant: &TenantId, id: &str) -> anyhow::Result<Program> {
    let found = store.directory().program(kind, id).await.map_err(explained)?;
    let (word, found) = (words(kind).0, found.filter(|program| program.tenant == *tenant));
    found.ok_or_else(|| {
        anyhow::anyhow!(
            "there is no {word} {id} in tenant {tenant}; `doorward {word} list --tenant {tenant}` shows those there are"
        )
    })
}

impl Create {
    async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        store.check_tenant(&self.tenant)?;
        store.check_roles(&self.roles)?;
        let owner = match &self.owner {
            Some(who) => Some(store.person(&self.tenant, who).await?),
            None => None,
        };
        if let Some(owner) = owner.as_ref().filter(|owner| !owner.active) {
            anyhow::bail!("{} is deactivated; what belongs to them would not work", owner.user_name);
        }
        let id = token::new_id()?;
        let (secret, digest) = new_secret(kind, &id)?;
        let program = Program {
            kind,
            id,
            tenant: self.tenant,
            name: self.name,
            owner: owner.map(|owner| owner.id),
            within_owner: false,
            roles: self.roles,
            scopes: self.scopes,
            networks: self.networks,
            created_at: store.now,
            expires_at: self.expires.map(|span| store.now.after(span.0)),
            revoked_at: None,
            last_used_at: None,
            secrets: vec![ProgramSecret { digest, created_at: store.now, expires_at: None }],
        };
        store.directory().create_program(&program).await.map_err(explained)?;
        let details = json!({ "name": program.name, "roles": program.roles, "scopes": program.scopes, "owner": program.owner });
        store.record(words(kind).1[0], &program.tenant, &program.id, details).await?;
        reveal(&program, &secret, self.json)
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

impl List {
    async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let next = async |page: &_| store.directory().programs(kind, &self.tenant, page).await;
        let programs = store::all(next, |program: &Program| program.id.clone()).await?;
        if self.json {
            return store::print_json(&programs);
        }
        store::say(show::list(&programs, store.now))
    }
}

impl Named {
    async fn show(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let program = find(store, kind, &self.tenant, &self.id).await?;
        if self.json {
            return store::print_json(&program);
        }
        store::say(show::one(&program, store.now))
    }

    async fn revoke(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let before = find(store, kind, &self.tenant, &self.id).await?;
        store.directory().revoke_program(kind, &self.id, store.now).await.map_err(explained)?;
        if before.revoked_at.is_none() {
            store.record(words(kind).1[2], &before.tenant, &self.id, json!({ "name": before.name })).await?;
        }
        if self.json {
            return store::print_json(&find(store, kind, &self.tenant, &self.id).await?);
        }
        store::say(match before.revoked_at {
            Some(at) => format!("{} was already revoked at {at}", self.id),
            None => format!("{} is revoked: running servers refuse it within a second", self.id),
        })
    }
}

impl Rotate {
    async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let before = find(store, kind, &self.tenant, &self.id).await?;
        let (secret, digest) = new_secret(kind, &self.id)?;
        let newest = ProgramSecret { digest, created_at: store.now, expires_at: None };
        let previous_until: Timestamp = store.now.after(self.overlap.0);
        store.directory().rotate_program(kind, &self.id, &newest, previous_until).await.map_err(explained)?;
        let details = json!({ "name": before.name, "previous_until": previous_until.to_string() });
        store.record(words(kind).1[1], &before.tenant, &self.id, details).await?;
        reveal(&find(store, kind, &self.tenant, &self.id).await?, &secret, self.json)?;
        if self.json { Ok(()) } else { store::say(format!("The secret before it works until {previous_until}.")) }
    }
}
