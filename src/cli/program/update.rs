//! `doorward key update` and `doorward client update`: what a program may do.
//!
//! Refuses to change nothing: what is to be different has to be said.

use anyhow::bail;
use clap::Args;
use ipnet::IpNet;

use super::{Named, show};
use crate::admin::program::ProgramChange;
use crate::cli::store::{self, Store};
use crate::config::Span;
use crate::model::{ProgramKind, Scope};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each takes away what another option sets")]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    named: Named,
    /// What it is for, for people to recognise.
    #[arg(long)]
    name: Option<String>,
    /// The person it belongs to: their user name or id.
    #[arg(long, value_name = "USER", conflicts_with = "no_owner")]
    owner: Option<String>,
    /// It belongs to nobody.
    #[arg(long)]
    no_owner: bool,
    /// A role it has, and no others. Can be repeated.
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "no_roles")]
    roles: Vec<String>,
    /// It has no role.
    #[arg(long)]
    no_roles: bool,
    /// What it may do, and nothing else. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE", conflicts_with = "no_scopes")]
    scopes: Vec<Scope>,
    /// It has no scope.
    #[arg(long)]
    no_scopes: bool,
    /// A network it may be used from, and no others. Can be repeated.
    #[arg(long = "network", value_name = "CIDR", conflicts_with = "no_networks")]
    networks: Vec<IpNet>,
    /// It may be used from everywhere.
    #[arg(long)]
    no_networks: bool,
    /// How long it works from now on, such as `90d`.
    #[arg(long, value_name = "SPAN", conflicts_with = "no_expiry")]
    expires: Option<Span>,
    /// It works until it is revoked.
    #[arg(long)]
    no_expiry: bool,
}

impl Update {
    pub(in crate::cli) async fn run(self, store: &Store, kind: ProgramKind) -> anyhow::Result<()> {
        let named = self.named;
        let owner = match (&self.owner, self.no_owner) {
            (Some(who), _) => Some(Some(store.person(&named.place.tenant, who).await?.id)),
            (None, no_owner) => no_owner.then_some(None),
        };
        let expires_at = self.expires.map(|span| Some(store.now.after(span.0)));
        let change = ProgramChange {
            name: self.name,
            owner,
            roles: listed(self.roles, self.no_roles),
            scopes: listed(self.scopes, self.no_scopes),
            networks: listed(self.networks, self.no_networks),
            expires_at: if self.no_expiry { Some(None) } else { expires_at },
        };
        if change == ProgramChange::default() {
            bail!("say what is to be different: --name, --owner, --role, --scope, --network or --expires");
        }
        let (administration, acting) = named.place.administration(store);
        let changed = administration.change_program(&acting, kind, &named.id, change).await;
        let program = changed.map_err(|error| named.undone(kind, error))?;
        if named.place.json { store::print_json(&program) } else { store::say(show::one(&program, store.now)) }
    }
}

/// A list that takes the place of the one before; `None`: it stays.
fn listed<T>(items: Vec<T>, none: bool) -> Option<Vec<T>> {
    (none || !items.is_empty()).then_some(items)
}
