//! From what a provider asserts to a person of the directory.
//!
//! Refuses to find anybody by a claim that can change hands: a person is (connection, issuer, subject), and an e-mail address counts
//! only if the provider says that it is verified and the connection may speak for its domain (threats J12).

use uuid::Builder;

use super::connection::Connection;
use super::{Login, SignInError};
use crate::audit::what::{UserChanged, UserCreated};
use crate::audit::{Event, Now, Outcome, Personal};
use crate::config::connection::Provision;
use crate::crypto::{Digest, random};
use crate::directory::DirectoryError;
use crate::model::{EmailAddress, FederatedLink, Invitation, TenantId, User, UserId};

/// Groups that are kept; more than this is a provider's mistake.
const MOST_GROUPS: usize = 500;
/// Longest text that is kept, in bytes.
const LONGEST: usize = 256;

/// Who the provider says somebody is.
#[derive(Clone, Debug)]
pub(super) struct Asserted {
    pub link: FederatedLink,
    pub user_name: Option<String>,
    /// Verified, or taken on trust by configuration.
    pub email: Option<EmailAddress>,
    pub name: Option<String>,
    /// `None` where the provider said nothing about groups.
    pub groups: Option<Vec<String>>,
}

/// A text as it is kept: trimmed, not empty, and without control characters, which no header could carry.
pub(super) fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

/// Groups as they are kept: in order, each once.
pub(super) fn groups<'a>(named: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut groups: Vec<String> = named.into_iter().filter_map(plain).take(MOST_GROUPS).collect();
    groups.sort();
    groups.dedup();
    groups
}

impl Login {
    /// The person of the directory whom `asserted` means, brought up to date; made or adopted where the connection says so.
    pub(super) async fn recognise(&self, connection: &Connection, asserted: &Asserted) -> Result<User, SignInError> {
        if !connection.serves(asserted.email.as_ref()) {
            return Err(SignInError::ForeignAddress);
        }
        let tenant = connection.tenant.clone();
        // Somebody may change the person, or finish another tab's first sign-in, in between: then everything is looked at anew.
        for _ in 0..5 {
            let found = match self.means.directory.user_by_link(&tenant, &asserted.link).await? {
                Some(user) => self.refresh(connection, user, asserted).await,
                None => self.welcome(connection, &tenant, asserted).await,
            };
            match found {
                Err(Attempted::Again) => {}
                Err(Attempted::Failed(error)) => return Err(error),
                Ok(user) if !user.active => return Err(SignInError::Inactive),
                Ok(user) => return Ok(user),
            }
        }
        Err(SignInError::internal("the directory changed at every look"))
    }

    /// Somebody who has not come this way before: whom an administrator has made, who is invited, or who is made now, as the
    /// connection says.
    async fn welcome(&self, connection: &Connection, tenant: &TenantId, asserted: &Asserted) -> Result<User, Attempted> {
        // A provider that makes people does not take over those whom somebody else made, unless it is their mailbox.
        let makes = connection.provision == Provision::Jit && !connection.proves_mailboxes();
        if makes && self.looked_after(connection, tenant, asserted).await?.is_none() {
            return self.create(tenant, asserted, None).await;
        }
        match (self.adopt(connection, tenant, asserted).await, connection.provision) {
            (Err(Attempted::Failed(SignInError::NoAccount)), Provision::Jit) => self.create(tenant, asserted, None).await,
            (Err(Attempted::Failed(SignInError::NoAccount)), Provision::Invited) => {
                let invitation = self.invited(connection, tenant, asserted).await?;
                self.create(tenant, asserted, Some(&invitation)).await
            }
            (found, _) => found,
        }
    }

    /// Whether [`Self::recognise`] would let this person in, without making or changing anybody.
    pub(super) async fn expect(&self, connection: &Connection, asserted: &Asserted) -> Result<(), SignInError> {
        let email = asserted.email.as_ref();
        if !connection.serves(email) || !self.may_use(connection, email) {
            return Err(SignInError::ForeignAddress);
        }
        let tenant = &connection.tenant;
        if let Some(user) = self.means.directory.user_by_link(tenant, &asserted.link).await? {
            return if user.active { Ok(()) } else { Err(SignInError::Inactive) };
        }
        match self.adoptable(connection, tenant, asserted).await {
            Ok(user) if user.active => Ok(()),
            Ok(_) => Err(SignInError::Inactive),
            Err(SignInError::NoAccount) if connection.provision == Provision::Jit => Ok(()),
            Err(SignInError::NoAccount) if connection.provision == Provision::Invited => {
                self.invited(connection, tenant, asserted).await.map(drop)
            }
            Err(error) => Err(error),
        }
    }

    /// The invitation that lets this person have an account: for the address asserted, by this connection, and accepted, which whoever
    /// reads the mailbox need not say twice.
    async fn invited(&self, connection: &Connection, tenant: &TenantId, asserted: &Asserted) -> Result<Invitation, SignInError> {
        let email = asserted.email.as_ref().ok_or(SignInError::NoAccount)?;
        let found = self.means.invitations.invitation_for(tenant, &connection.id, email).await?;
        let good = |invitation: &Invitation| {
            invitation.is_open(self.now()) && (invitation.accepted_at.is_some() || connection.proves_mailboxes())
        };
        found.filter(good).ok_or(SignInError::NoAccount)
    }

    async fn record_newcomer(
        &self,
        user: &User,
        asserted: &Asserted,
        invitation: Option<&Invitation>,
    ) -> Result<(), SignInError> {
        let what = UserCreated {
            administrator: self.makes_administrator(None, user),
            invitation: invitation.map(|invitation| invitation.id.clone()),
            roles: invitation.map(|invitation| invitation.roles.clone()),
            ..UserCreated::default()
        };
        let mut event = Event::new(self.now(), what, Outcome::Success, &user.tenant);
        event.actor = Some(asserted.link.connection.to_string());
        event.target = Some(user.id.to_string());
        Ok(self.means.audit.record(event).await?)
    }

    /// Where nothing is kept everybody is new at each start, and that is no news.
    fn makes_administrator(&self, before: Option<&User>, after: &User) -> bool {
        self.rules.keeps_people && self.rules.roles.promotes(before, after)
    }

    async fn refresh(&self, connection: &Connection, user: User, asserted: &Asserted) -> Result<User, Attempted> {
        let mut fresh = user.clone();
        // What a directory says of somebody it looks after counts more than what is said in passing.
        if user.provisioned_by.is_none() {
            fresh.name = asserted.name.clone().or(fresh.name);
            fresh.email.clone_from(&asserted.email);
        } else if fresh.email.is_none() {
            fresh.email.clone_from(&asserted.email);
        }
        match (&asserted.groups, connection.provision) {
            (Some(groups), _) => fresh.groups.clone_from(groups),
            // A provider that leaves the claim out says that there are none.
            (None, Provision::Jit) if !connection.proves_mailboxes() => fresh.groups.clear(),
            // An administrator made this person, or nobody else can say anything of groups: they may have been set here.
            (None, _) => {}
        }
        if fresh == user || !user.active {
            return Ok(user);
        }
        match self.means.directory.update_user(&fresh).await {
            Err(DirectoryError::Stale(_) | DirectoryError::Missing(_)) => Err(Attempted::Again),
            done => {
                let done = done?;
                self.record_refreshed(connection, &user, &done).await?;
                Ok(done)
            }
        }
    }

    /// What the provider says of somebody is different from what was known.
    async fn record_refreshed(&self, connection: &Connection, before: &User, after: &User) -> Result<(), SignInError> {
        let what = UserChanged {
            administrator: self.makes_administrator(Some(before), after),
            email: (before.email != after.email).then(|| Now(after.email.clone().map(Personal))),
            name: (before.name != after.name).then(|| Now(after.name.clone().map(Personal))),
            groups: (before.groups != after.groups).then(|| Personal(after.groups.clone())),
            ..UserChanged::default()
        };
        let mut event = Event::new(self.now(), what, Outcome::Success, &after.tenant);
        event.actor = Some(connection.id.to_string());
        event.target = Some(after.id.to_string());
        Ok(self.means.audit.record(event).await?)
    }

    /// Makes the person; with an `invitation` their roles come from it, and it is used up by it.
    async fn create(&self, tenant: &TenantId, asserted: &Asserted, invitation: Option<&Invitation>) -> Result<User, Attempted> {
        let now = self.now();
        let mut user = User {
            id: self.new_id(tenant, &asserted.link)?,
            tenant: tenant.clone(),
            user_name: String::new(),
            email: asserted.email.clone(),
            name: asserted.name.clone(),
            active: true,
            groups: asserted.groups.clone().unwrap_or_default(),
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: invitation.map(|invitation| invitation.roles.clone()).unwrap_or_default(),
            link: Some(asserted.link.clone()),
            password_hash: None,
            created_at: now,
            updated_at: now,
        };
        for name in names(asserted) {
            user.user_name = name;
            let made = match invitation {
                Some(invitation) => self.means.invitations.take_up(&invitation.id, &user, now).await,
                None => self.means.directory.create_user(&user).await,
            };
            match made {
                // The invitation was used or revoked a moment ago.
                Err(DirectoryError::Missing(_)) => return Err(Attempted::Again),
                // The name or the link: the next look tells, as a link that is taken is then found.
                Err(DirectoryError::Conflict(_)) if self.is_linked(tenant, &asserted.link).await? => {
                    return Err(Attempted::Again);
                }
                Err(DirectoryError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    self.record_newcomer(&user, asserted, invitation).await?;
                    return Ok(user);
                }
            }
        }
        Err(Attempted::Failed(SignInError::internal("every user name for the new person is taken")))
    }

    /// A new person's id. Where nothing is kept it is the same at every sign-in and every replica, because the application knows the
    /// person by it; where people are kept nobody gets the id of somebody who was removed.
    fn new_id(&self, tenant: &TenantId, link: &FederatedLink) -> Result<UserId, SignInError> {
        if self.rules.keeps_people {
            let bytes = random::bytes().map_err(SignInError::internal)?;
            return Ok(UserId(Builder::from_random_bytes(bytes).into_uuid()));
        }
        let parts = [tenant.as_str(), link.connection.as_str(), &link.issuer, &link.subject].map(str::as_bytes);
        let digest = Digest::of_parts(&parts);
        let bytes = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(UserId(Builder::from_custom_bytes(bytes).into_uuid()))
    }

    async fn is_linked(&self, tenant: &TenantId, link: &FederatedLink) -> Result<bool, SignInError> {
        Ok(self.means.directory.user_by_link(tenant, link).await?.is_some())
    }

    /// Links somebody whom an administrator has made, at their first sign-in.
    async fn adopt(&self, connection: &Connection, tenant: &TenantId, asserted: &Asserted) -> Result<User, Attempted> {
        let mut user = self.adoptable(connection, tenant, asserted).await?;
        user.link = Some(asserted.link.clone());
        match self.means.directory.update_user(&user).await {
            Err(DirectoryError::Stale(_) | DirectoryError::Conflict(_)) => Err(Attempted::Again),
            done => self.refresh(connection, done?, asserted).await,
        }
    }

    /// Whom an administrator has made and who may be meant: by the address that is their user name, if the connection is configured to
    /// speak for its domain or has seen that they read the mailbox, and nobody else, nor a password, has that account already.
    async fn adoptable(&self, connection: &Connection, tenant: &TenantId, asserted: &Asserted) -> Result<User, SignInError> {
        if let Some(user) = self.looked_after(connection, tenant, asserted).await? {
            return Ok(user);
        }
        let speaks = connection.has_domains() || connection.proves_mailboxes();
        let email = asserted.email.as_ref().filter(|_| speaks).ok_or(SignInError::NoAccount)?;
        let found = self.means.directory.user_by_name(tenant, email.as_str()).await?;
        // The directory folds names as Unicode does, in which other letters become an address's; such a name is not the address.
        let free = |user: &User| {
            user.link.is_none()
                && user.password_hash.is_none()
                && user.provisioned_by.is_none()
                && user.user_name.eq_ignore_ascii_case(email.as_str())
        };
        found.filter(free).ok_or(SignInError::NoAccount)
    }

    /// Whom the connection's own directory has provisioned and who has not signed in before.
    async fn looked_after(
        &self,
        connection: &Connection,
        tenant: &TenantId,
        asserted: &Asserted,
    ) -> Result<Option<User>, SignInError> {
        let (subject, email) = (&asserted.link.subject, asserted.email.as_ref());
        Ok(self.means.directory.provisioned_user(tenant, &connection.id, subject, email).await?)
    }
}

/// Why a look at the directory did not settle it.
enum Attempted {
    Again,
    Failed(SignInError),
}

impl From<SignInError> for Attempted {
    fn from(error: SignInError) -> Self {
        Self::Failed(error)
    }
}

impl From<DirectoryError> for Attempted {
    fn from(error: DirectoryError) -> Self {
        Self::Failed(error.into())
    }
}

/// User names for a new person, best first. The last cannot be anybody else's; a taken name is never shared (threats J12).
fn names(asserted: &Asserted) -> impl Iterator<Item = String> {
    let link = &asserted.link;
    let preferred = asserted.user_name.clone();
    let email = asserted.email.as_ref().map(ToString::to_string);
    [email, preferred, Some(format!("{}:{}", link.connection, link.subject))].into_iter().flatten()
}
