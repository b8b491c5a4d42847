//! `doorward user invite` and what becomes of invitations.
//!
//! Refuses to invite by a connection that makes or knows everybody by itself: the invitation would promise what it does not decide.

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::place::Place;
use super::store::{self, Store, undone};
use super::table::{Table, listed};
use crate::admin::invitation::{Invited, NewInvitation, Posted};
use crate::config::Span;
use crate::model::{ConnectionId, EmailAddress, Invitation};

#[derive(Debug, Args)]
pub(super) struct Invite {
    address: EmailAddress,
    /// A role the person will have. Can be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How the person is to sign in; may be left out where one connection only is for those who are invited.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<ConnectionId>,
    /// How long the invitation is good for.
    #[arg(long, default_value = "7d", value_name = "TIME")]
    expires: Span,
    /// Show the link instead of mailing it.
    #[arg(long)]
    no_mail: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Invitations {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Uninvite {
    /// The invitation's id, or the address that was invited.
    invitation: String,
    #[command(flatten)]
    place: Place,
}

/// An invitation, with its link where it was not mailed: it is shown now and never again.
#[derive(Serialize)]
struct Shown<'i> {
    #[serde(flatten)]
    invitation: &'i Invitation,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'i str>,
}

impl Invite {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = self.place.administration(store);
        let new = NewInvitation {
            address: self.address.clone(),
            roles: self.roles.clone(),
            connection: self.connection.clone(),
            lasts: self.expires.0,
            by_mail: !self.no_mail,
        };
        let Invited { invitation, link, letter } = administration.invite(&acting, new).await.map_err(undone)?;
        match letter {
            Posted::Failed(error) => bail!(
                "{} is invited, but the letter was not sent: {error}. The invitation's link, for this person only: {link}",
                self.address
            ),
            Posted::Sent => self.tell(store, &invitation, None),
            Posted::NotSent => self.tell(store, &invitation, Some(&link)),
        }
    }

    fn tell(&self, store: &Store, invitation: &Invitation, link: Option<&str>) -> anyhow::Result<()> {
        if self.place.json {
            return store::print_json(&Shown { invitation, state: invitation.state(store.now), link });
        }
        let (address, id, until) = (&self.address, &invitation.id, invitation.expires_at);
        store::say(match link {
            None => format!("{address} is invited ({id}) until {until}; the letter is on its way"),
            Some(link) => format!(
                "{address} is invited ({id}) until {until}\n\nlink  {link}\n\nIt is shown this once: give it to this person and nobody else."
            ),
        })
    }
}

impl Invitations {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = self.place.administration(store);
        let found = administration.invitations(&acting).await.map_err(undone)?;
        if self.place.json {
            let shown: Vec<_> =
                found.iter().map(|invitation| Shown { invitation, state: invitation.state(store.now), link: None }).collect();
            return store::print_json(&shown);
        }
        let mut table = Table::new(&["ID", "STATE", "ADDRESS", "CONNECTION", "ROLES", "UNTIL", "INVITED BY"]);
        for invitation in found {
            table.row([
                invitation.id.to_string(),
                invitation.state(store.now).to_owned(),
                invitation.address.to_string(),
                invitation.connection.to_string(),
                listed(&invitation.roles),
                invitation.expires_at.to_string(),
                invitation.invited_by,
            ]);
        }
        store::say(table)
    }
}

impl Uninvite {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = self.place.administration(store);
        let all = administration.invitations(&acting).await.map_err(undone)?;
        let address = self.invitation.parse::<EmailAddress>().ok().map(|address| address.folded());
        let meant = |one: &&Invitation| one.id.0 == self.invitation || address.as_deref() == Some(one.address.as_str());
        let open: Vec<&Invitation> =
            all.iter().filter(meant).filter(|one| one.used_at.is_none() && one.revoked_at.is_none()).collect();
        if open.is_empty() {
            bail!("there is no open invitation {}; `doorward user invitations` lists them", self.invitation);
        }
        for invitation in &open {
            administration.uninvite(&acting, &invitation.id.0).await.map_err(undone)?;
        }
        if self.place.json {
            return store::print_json(&json!({ "revoked": open.iter().map(|one| &one.id).collect::<Vec<_>>() }));
        }
        store::say(format!("the invitation of {} was revoked", open[0].address))
    }
}
