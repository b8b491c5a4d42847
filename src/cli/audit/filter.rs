//! Which events: what every command on the trail can be asked for.
//!
//! Refuses a word that nothing can be called, because nothing would be found and look as if nothing had happened.

use std::net::IpAddr;

use clap::Args;

use crate::audit::{AuditFilter, Kind, Outcome, Severity};
use crate::cli::store::{Store, undone};
use crate::clock::Timestamp;
use crate::config::Span;
use crate::model::TenantId;

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only from then on: so long ago (`24h`), or a moment (`2026-11-22T04:00:00Z`).
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only before then.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// Only of this kind. Can be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// Only what this one did: a user id, key id, client id or `cli:NAME`.
    #[arg(long)]
    actor: Option<String>,
    /// Only what was done to this.
    #[arg(long)]
    target: Option<String>,
    /// Only what this person did or what was done to them: an id, or the name they sign in with.
    #[arg(long)]
    user: Option<String>,
    /// Only of this tenant.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Only `success`, or only `failure`.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Only what matters at least so much: `info`, `notice`, `warning` or `alarm`.
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// Only what failed for this reason, such as `wrong_password`.
    #[arg(long)]
    reason: Option<String>,
    /// Only from this address.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Only in the session with this handle.
    #[arg(long, value_name = "HANDLE")]
    session: Option<String>,
    /// Only at the request with this id.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only what this replica wrote (its `audit.source`).
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Ago(Span),
    At(Timestamp),
}

impl std::str::FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| "a duration such as `24h`, or a moment such as `2026-11-22T04:00:00Z`")?;
        Ok(Self::At(Timestamp::from_millis(moment.as_millisecond())))
    }
}

impl When {
    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.before(span.0),
            Self::At(moment) => moment,
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::named(text)
        .ok_or_else(|| format!("one of {}", Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")))
}

fn outcome(text: &str) -> Result<Outcome, &'static str> {
    [Outcome::Success, Outcome::Failure].into_iter().find(|outcome| outcome.as_str() == text).ok_or("`success` or `failure`")
}

fn severity(text: &str) -> Result<Severity, &'static str> {
    Severity::named(text).ok_or("`info`, `notice`, `warning` or `alarm`")
}

impl Filter {
    /// What is asked of the trail, in its usual order.
    pub(super) async fn asked(self, store: &Store) -> anyhow::Result<AuditFilter> {
        let users = match &self.user {
            Some(user) => {
                let (administration, acting) = store.administration(&self.tenant.clone().unwrap_or_default());
                administration.known_as(&acting, user).await.map_err(undone)?
            }
            None => Vec::new(),
        };
        Ok(AuditFilter {
            since: self.since.map(|since| since.moment(store.now)),
            until: self.until.map(|until| until.moment(store.now)),
            kinds: self.kinds,
            actor: self.actor,
            target: self.target,
            users,
            tenant: self.tenant.map(|tenant| tenant.to_string()),
            outcome: self.outcome,
            severity: self.severity,
            reason: self.reason,
            source: self.source,
            session: self.session,
            request_id: self.request_id,
            chain: self.chain,
            ..AuditFilter::default()
        })
    }
}
