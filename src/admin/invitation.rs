//! Invitations: letting somebody have an account, by a letter with a link.
//!
//! Refuses to invite by a connection that makes or knows everybody by itself: the invitation would promise what it does not decide.

use std::time::Duration;

use super::{Acting, Administration, Undone};
use crate::audit::Personal;
use crate::audit::what::{InvitationCreated, InvitationRevoked};
use crate::config::connection::{Connection, Provision, opened};
use crate::config::{Path, Problems};
use crate::crypto::{Secret, token};
use crate::login::letters::{self, InvitationLetter};
use crate::login::pages;
use crate::mail::{MailError, Outbox, Server};
use crate::model::{ConnectionId, Domain, EmailAddress, Invitation, InvitationId};

/// Whom to invite, and how.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub address: EmailAddress,
    pub roles: Vec<String>,
    /// May be left out where one connection only is for those who are invited.
    pub connection: Option<ConnectionId>,
    pub lasts: Duration,
    /// Whether to send the letter, if there is a mail server.
    pub by_mail: bool,
}

/// Somebody who was invited.
#[derive(Debug)]
pub struct Invited {
    pub invitation: Invitation,
    /// For this person only; it cannot be shown again.
    pub link: String,
    pub letter: Posted,
}

/// What became of the letter.
#[derive(Debug)]
pub enum Posted {
    Sent,
    /// It was not to be sent, or there is no mail server.
    NotSent,
    Failed(MailError),
}

impl Administration {
    /// The tenant's, newest first.
    pub async fn invitations(&self, acting: &Acting) -> Result<Vec<Invitation>, Undone> {
        Ok(self.means.invitations.invitations(&acting.tenant).await?)
    }

    pub async fn invitation(&self, acting: &Acting, id: &str) -> Result<Invitation, Undone> {
        let all = self.invitations(acting).await?;
        all.into_iter().find(|invitation| invitation.id.0 == id).ok_or(Undone::Missing("invitation"))
    }

    /// Invites somebody; an open invitation for the same address and connection is replaced.
    pub async fn invite(&self, acting: &Acting, new: NewInvitation) -> Result<Invited, Undone> {
        self.send(acting, new, None).await
    }

    /// Sends an open or expired invitation again: with a new link, for as long again.
    pub async fn invite_again(&self, acting: &Acting, id: &str) -> Result<Invited, Undone> {
        let before = self.invitation(acting, id).await?;
        if before.used_at.is_some() || before.revoked_at.is_some() {
            return Err(Undone::Standing("the invitation was used or revoked; invite them anew".to_owned()));
        }
        let new = NewInvitation {
            address: before.address,
            roles: before.roles,
            connection: Some(before.connection),
            lasts: before.expires_at.since(before.created_at),
            by_mail: true,
        };
        self.send(acting, new, Some(before.id)).await
    }

    /// Takes an invitation back.
    pub async fn uninvite(&self, acting: &Acting, id: &str) -> Result<Invitation, Undone> {
        let found = self.invitation(acting, id).await?;
        if !self.means.invitations.revoke_invitation(&acting.tenant, &found.id, self.now()).await? {
            return Err(Undone::Standing("the invitation was used or revoked already".to_owned()));
        }
        let (address, connection) = (Some(Personal(found.address.clone())), Some(found.connection.clone()));
        self.record(acting, &found.id.0, InvitationRevoked { address, connection }).await?;
        Ok(found)
    }

    async fn send(&self, acting: &Acting, new: NewInvitation, replaces: Option<InvitationId>) -> Result<Invited, Undone> {
        self.check_roles(&new.roles)?;
        let connection = self.for_the_invited(acting, new.connection.as_ref()).await?;
        self.check_address(acting, &connection, &new.address).await?;
        let (token, digest) = token::new_mailed()?;
        let now = self.now();
        let invitation = Invitation {
            id: InvitationId(token::new_id()?),
            tenant: acting.tenant.clone(),
            address: new.address.folded().parse().map_err(Undone::internal)?,
            connection: connection.id.clone(),
            roles: new.roles,
            invited_by: acting.actor.clone(),
            token: digest,
            created_at: now,
            expires_at: now.after(new.lasts),
            accepted_at: None,
            used_at: None,
            revoked_at: None,
        };
        self.means.invitations.invite(&invitation).await?;
        let what = InvitationCreated {
            address: Some(Personal(invitation.address.clone())),
            connection: Some(invitation.connection.clone()),
            roles: Some(invitation.roles.clone()),
            replaces,
        };
        self.record(acting, &invitation.id.0, what).await?;
        let link = self.link(acting, &token);
        let letter = if new.by_mail { self.post(&connection, &new.address, &invitation, &link).await } else { Posted::NotSent };
        Ok(Invited { invitation, link, letter })
    }

    /// The connection by which somebody who is invited signs in.
    async fn for_the_invited(&self, acting: &Acting, named: Option<&ConnectionId>) -> Result<Connection, Undone> {
        let mut all = self.config.connections.clone();
        for stored in self.means.connections.connections().await? {
            if !all.iter().any(|own| own.id == stored.id) {
                // One that cannot be used is told of where it is taken over.
                all.extend(opened(&stored, self.master()).ok());
            }
        }
        all.retain(|one| one.tenant == acting.tenant && one.provision == Provision::Invited);
        let names = all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", ");
        let unfit = |message: String| Undone::unfit("connection", message);
        match named {
            _ if all.is_empty() => Err(unfit(format!(
                "no connection of tenant {} has `provision: invited`; the others need no invitation",
                acting.tenant
            ))),
            None if all.len() > 1 => Err(unfit(format!("say by which connection the person is to sign in: {names}"))),
            None => all.pop().ok_or_else(|| unfit(names)),
            Some(id) => all
                .into_iter()
                .find(|one| one.id == *id)
                .ok_or_else(|| unfit(format!("{id} is not a connection with `provision: invited`; there is: {names}"))),
        }
    }

    async fn check_address(&self, acting: &Acting, connection: &Connection, address: &EmailAddress) -> Result<(), Undone> {
        let served = |domain: &Domain| domain.as_str() == address.domain();
        if !connection.domains.is_empty() && !connection.domains.iter().any(served) {
            let message = format!("the connection {} is not for addresses of {}", connection.id, address.domain());
            return Err(Undone::unfit("address", message));
        }
        match self.means.directory.user_by_name(&acting.tenant, address.as_str()).await? {
            Some(_) => Err(Undone::Standing(format!("{address} has an account already"))),
            None => Ok(()),
        }
    }

    fn link(&self, acting: &Acting, token: &Secret) -> String {
        let origin = &self.tenancy.site(self.tenancy.home(&acting.tenant)).public_url;
        format!("{origin}{}/invitation?token={}", self.config.prefix, token.expose())
    }

    async fn post(&self, connection: &Connection, to: &EmailAddress, invitation: &Invitation, link: &str) -> Posted {
        let common = self.config.mail.as_ref();
        let own = || connection.magic_link.as_ref().and_then(|magic| magic.mail(common));
        let Some(typed) = common.cloned().or_else(own) else { return Posted::NotSent };
        // A configuration that is in force has no problems.
        let Some(server) = Server::compile(&typed, &Path::from("mail"), &mut Problems::default()) else { return Posted::NotSent };
        let letter = letters::invitation(&InvitationLetter {
            title: &pages::title(&self.config),
            to: to.clone(),
            link,
            written_at: invitation.created_at,
            until: invitation.expires_at,
        });
        let outbox = Outbox::new(server, self.means.post.clone(), self.means.clock.clone());
        outbox.send_now(&letter).await.map_or_else(Posted::Failed, |()| Posted::Sent)
    }
}
