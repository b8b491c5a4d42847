//! `doorward user mfa`: second factors of people, for whoever helps them.
//!
//! Refuses to show a secret: an administrator can take a factor away, and never have it. What they can give is a code for one use.

use clap::Subcommand;
use serde_json::json;

use super::store::{self, Store, explained, undone};
use super::table::{Table, or_dash};
use super::user::Named;
use crate::audit::what::{FactorAdded, FactorRemoved};
use crate::login::one_time_code;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What second factors a person has.
    List(Named),
    /// Take all second factors from somebody who has lost their device, and end their sessions. A password alone signs them in then, until
    /// they set up another.
    Reset(Named),
    /// Make a code for one use that stands in for the second factor: for who has to set up their first, or has lost their device.
    Code(Named),
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(named) => named.factors(store).await,
            Self::Reset(named) => named.reset_factors(store).await,
            Self::Code(named) => named.code(store).await,
        }
    }
}

impl Named {
    async fn factors(self, store: &Store) -> anyhow::Result<()> {
        let user = self.find(store).await?;
        let factors = store.memory.factors.factors(user.id).await.map_err(explained)?;
        if self.place.json {
            return store::print_json(&factors);
        }
        let mut table = Table::new(&["ID", "KIND", "NAME", "ADDED", "LAST USED"]);
        for factor in factors {
            table.row([
                factor.id,
                factor.kind.as_str().to_owned(),
                factor.name,
                factor.created_at.to_string(),
                or_dash(factor.last_used_at),
            ]);
        }
        store::say(table)
    }

    async fn code(self, store: &Store) -> anyhow::Result<()> {
        let user = self.find(store).await?;
        let (code, factor) = one_time_code(&user, store.now)?;
        store.memory.factors.add_factors(std::slice::from_ref(&factor)).await.map_err(explained)?;
        let what = FactorAdded { factor: Some(factor.kind) };
        store.record(&user.tenant, &user.id.to_string(), what).await?;
        if self.place.json {
            return store::print_json(&json!({ "user": user.id, "code": code }));
        }
        store::say(format!("code  {code}\n\nIt works once, for {}, and is shown this once.", user.user_name))
    }

    async fn reset_factors(self, store: &Store) -> anyhow::Result<()> {
        let user = self.find(store).await?;
        let removed = store.memory.factors.remove_factors(user.id, None).await.map_err(explained)?;
        let what = FactorRemoved { factor: None, removed: Some(removed) };
        store.record(&user.tenant, &user.id.to_string(), what).await?;
        let (administration, acting) = self.place.administration(store);
        let ended = administration.end_sessions(&acting, user.id).await.map_err(undone)?;
        if self.place.json {
            return store::print_json(&json!({ "user": user.id, "removed": removed, "sessions_ended": ended }));
        }
        store::say(format!("{removed} second factors of {} were removed; {ended} sessions ended", user.user_name))
    }
}
