//! `doorward user invite` and what becomes of invitations.
//!
//! Refuses to invite by a connection that makes or knows everybody by itself: the invitation would promise what it does not decide.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::store::{self, Store, explained};
use super::table::{Table, listed};
use crate::audit::Kind;
use crate::config::connection::{Connection, Provision};
use crate::config::{Path, Problems, Span};
use crate::crypto::{Secret, token};
use crate::login::letters::{self, InvitationLetter};
use crate::mail::{MailError, Outbox, Server};
use crate::model::{ConnectionId, EmailAddress, Invitation, InvitationId, TenantId};
use crate::policy::tenancy::Tenancy;

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
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Invitations {
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Uninvite {
    /// The invitation's id, or the address that was invited.
    invitation: String,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
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
        store.check_roles(&self.roles)?;
        let connection = self.connection(store)?;
        self.check_address(store, connection).await?;
        let (token, digest) = token::new_mailed()?;
        let invitation = Invitation {
            id: InvitationId(token::new_id()?),
            tenant: connection.tenant.clone(),
            address: self.address.folded().parse()?,
            connection: connection.id.clone(),
            roles: self.roles.clone(),
            invited_by: store.actor().to_owned(),
            token: digest,
            created_at: store.now,
            expires_at: store.now.after(self.expires.0),
            accepted_at: None,
            used_at: None,
            revoked_at: None,
        };
        store.memory.invitations.invite(&invitation).await.map_err(explained)?;
        let details = json!({ "address": invitation.address, "connection": invitation.connection, "roles": invitation.roles });
        store.record(Kind::InvitationCreated, &invitation.tenant, &invitation.id.0, details).await?;
        let link = link(store, &invitation.tenant, &token);
        match self.mail(store, connection, &invitation, &link).await? {
            Some(Err(error)) => bail!(
                "{} is invited, but the letter was not sent: {error}. The invitation's link, for this person only: {link}",
                self.address
            ),
            Some(Ok(())) => self.tell(store, &invitation, None),
            None => self.tell(store, &invitation, Some(&link)),
        }
    }

    fn connection<'s>(&self, store: &'s Store) -> anyhow::Result<&'s Connection> {
        let all = &store.config.connections;
        let own = all.iter().filter(|one| one.tenant == self.tenant);
        let invited: Vec<&Connection> = own.filter(|one| one.provision == Provision::Invited).collect();
        let names = || invited.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", ");
        match (&self.connection, invited.as_slice()) {
            (_, []) => bail!("no connection of tenant {} has `provision: invited`; the others need no invitation", self.tenant),
            (None, [only]) => Ok(only),
            (None, _) => bail!("say by which --connection the person is to sign in: {}", names()),
            (Some(id), _) => {
                let found = invited.iter().find(|one| one.id == *id).copied();
                found.ok_or_else(|| anyhow!("{id} is not a connection with `provision: invited`; there is: {}", names()))
            }
        }
    }

    async fn check_address(&self, store: &Store, connection: &Connection) -> anyhow::Result<()> {
        let served = |domain: &crate::model::Domain| domain.as_str() == self.address.domain();
        if !connection.domains.is_empty() && !connection.domains.iter().any(served) {
            bail!("the connection {} is not for addresses of {}", connection.id, self.address.domain());
        }
        let found = store.directory().user_by_name(&connection.tenant, self.address.as_str()).await.map_err(explained)?;
        if found.is_some() {
            bail!("{} has an account already; `doorward user show {}` shows it", self.address, self.address);
        }
        Ok(())
    }

    /// Mails the link; `None` where it was not to be, or cannot be, mailed.
    async fn mail(
        &self,
        store: &Store,
        connection: &Connection,
        invitation: &Invitation,
        link: &str,
    ) -> anyhow::Result<Option<Result<(), MailError>>> {
        let common = store.config.mail.as_ref();
        let own = || connection.magic_link.as_ref().and_then(|magic| magic.mail(common));
        let Some(typed) = common.cloned().or_else(own).filter(|_| !self.no_mail) else { return Ok(None) };
        let mut problems = Problems::default();
        let server = Server::compile(&typed, &Path::from("mail"), &mut problems);
        let server = server.context("the mail server's settings are wrong; `doorward check` says how")?;
        let letter = letters::invitation(&InvitationLetter {
            title: &store.title(),
            to: self.address.clone(),
            link,
            written_at: invitation.created_at,
            until: invitation.expires_at,
        });
        let outbox = Outbox::new(server, store.memory.post.clone(), store.clock());
        Ok(Some(outbox.send_now(&letter).await))
    }

    fn tell(&self, store: &Store, invitation: &Invitation, link: Option<&str>) -> anyhow::Result<()> {
        if self.json {
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

fn link(store: &Store, tenant: &TenantId, token: &Secret) -> String {
    let (tenancy, prefix) = (Tenancy::compile(&store.config), &store.config.prefix);
    let origin = &tenancy.site(tenancy.home(tenant)).public_url;
    format!("{origin}{prefix}/invitation?token={}", token.expose())
}

impl Invitations {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let found = store.memory.invitations.invitations(&self.tenant).await.map_err(explained)?;
        if self.json {
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
        let all = store.memory.invitations.invitations(&self.tenant).await.map_err(explained)?;
        let address = self.invitation.parse::<EmailAddress>().ok().map(|address| address.folded());
        let meant = |one: &&Invitation| one.id.0 == self.invitation || address.as_deref() == Some(one.address.as_str());
        let open: Vec<&Invitation> =
            all.iter().filter(meant).filter(|one| one.used_at.is_none() && one.revoked_at.is_none()).collect();
        if open.is_empty() {
            bail!("there is no open invitation {}; `doorward user invitations` lists them", self.invitation);
        }
        for invitation in &open {
            store.memory.invitations.revoke_invitation(&self.tenant, &invitation.id, store.now).await.map_err(explained)?;
            let details = json!({ "address": invitation.address, "connection": invitation.connection });
            store.record(Kind::InvitationRevoked, &self.tenant, &invitation.id.0, details).await?;
        }
        if self.json {
            return store::print_json(&json!({ "revoked": open.iter().map(|one| &one.id).collect::<Vec<_>>() }));
        }
        store::say(format!("the invitation of {} was revoked", open[0].address))
    }
}
