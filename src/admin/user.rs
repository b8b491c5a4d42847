//! People: finding, making, changing, locking out, removing.
//!
//! Refuses to leave a session behind: whoever is locked out or removed is signed out in the same breath.

use super::{Acting, Administration, Undone, check_text};
use crate::audit::what::{UserChanged, UserCreated, UserDeactivated, UserDeleted, UserReactivated};
use crate::audit::{Now, Personal};
use crate::clock::Timestamp;
use crate::crypto::random;
use crate::directory::{DirectoryError, Page, UserFilter};
use crate::model::{EmailAddress, User, UserId};

/// Tries at a change that others keep overtaking.
const TRIES: usize = 5;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 254;
/// Groups of one person.
const MOST_GROUPS: usize = 500;

/// Somebody to be.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub user_name: String,
    pub email: Option<EmailAddress>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub roles: Vec<String>,
    /// Argon2id, in PHC form; without it an identity provider signs the person in.
    pub password_hash: Option<String>,
}

/// What is to be different; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    pub user_name: Option<String>,
    pub email: Option<Option<EmailAddress>>,
    pub name: Option<Option<String>>,
    pub groups: Option<Vec<String>>,
    pub roles: Option<Vec<String>>,
}

impl Administration {
    /// Those of the tenant who fit, ordered by id.
    pub async fn users(&self, acting: &Acting, filter: &UserFilter, page: &Page) -> Result<Vec<User>, Undone> {
        Ok(self.means.directory.find_users(&acting.tenant, filter, page).await?)
    }

    pub async fn user(&self, acting: &Acting, id: UserId) -> Result<User, Undone> {
        let found = self.means.directory.user(id).await?.filter(|user| user.tenant == acting.tenant);
        found.ok_or(Undone::Missing("user"))
    }

    pub async fn create_user(&self, acting: &Acting, new: NewUser) -> Result<User, Undone> {
        let user_name = new.user_name.trim().to_owned();
        check_user_name(&user_name)?;
        check_full_name(new.name.as_deref())?;
        check_groups(&new.groups)?;
        self.check_roles(&new.roles)?;
        let now = self.now();
        let user = User {
            id: UserId(uuid::Builder::from_random_bytes(random::bytes()?).into_uuid()),
            tenant: acting.tenant.clone(),
            user_name,
            email: new.email,
            name: new.name,
            active: true,
            groups: new.groups,
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: new.roles,
            link: None,
            password_hash: new.password_hash,
            created_at: now,
            updated_at: now,
        };
        self.means.directory.create_user(&user).await?;
        let what = UserCreated {
            administrator: self.roles.promotes(None, &user),
            user_name: Some(Personal(user.user_name.clone())),
            roles: Some(user.roles.clone()),
            groups: Some(Personal(user.groups.clone())),
            ..UserCreated::default()
        };
        self.record(acting, &user.id.to_string(), what).await?;
        Ok(user)
    }

    /// Changes the person; with a `version`, only the one that was read as that.
    pub async fn change_user(
        &self,
        acting: &Acting,
        id: UserId,
        version: Option<Timestamp>,
        change: UserChange,
    ) -> Result<User, Undone> {
        if let Some(name) = &change.user_name {
            check_user_name(name.trim())?;
        }
        check_full_name(change.name.as_ref().and_then(Option::as_deref))?;
        check_groups(change.groups.as_deref().unwrap_or_default())?;
        self.check_roles(change.roles.as_deref().unwrap_or_default())?;
        let (before, after) = self.amend(acting, id, version, |user| change.apply(user)).await?;
        if before.updated_at != after.updated_at {
            let what = UserChanged { administrator: self.roles.promotes(Some(&before), &after), ..changed(&before, &after) };
            self.record(acting, &id.to_string(), what).await?;
        }
        Ok(after)
    }

    /// Refuses the person from now on and ends their sessions; what belongs to them stops working too. Says how many sessions.
    pub async fn deactivate_user(&self, acting: &Acting, id: UserId) -> Result<(User, u64), Undone> {
        let (before, after) = self.amend(acting, id, None, |user| user.active = false).await?;
        let ended = self.means.sessions.end_all(id, self.now()).await?;
        if before.active {
            let what = UserDeactivated {
                user_name: Some(Personal(after.user_name.clone())),
                active: Some(false),
                sessions: Some(ended),
                ..UserDeactivated::default()
            };
            self.record(acting, &id.to_string(), what).await?;
        }
        Ok((after, ended))
    }

    /// Lets the person in again.
    pub async fn reactivate_user(&self, acting: &Acting, id: UserId) -> Result<User, Undone> {
        let (before, after) = self.amend(acting, id, None, |user| user.active = true).await?;
        if !before.active {
            let what = UserReactivated {
                administrator: self.roles.promotes(Some(&before), &after),
                user_name: Some(Personal(after.user_name.clone())),
                active: Some(true),
                ..UserReactivated::default()
            };
            self.record(acting, &id.to_string(), what).await?;
        }
        Ok(after)
    }

    /// Gives the person another password and ends their sessions.
    pub async fn set_password(&self, acting: &Acting, id: UserId, hash: &str) -> Result<User, Undone> {
        let user = self.user(acting, id).await?;
        if let Some(link) = &user.link {
            let (name, connection) = (&user.user_name, &link.connection);
            return Err(Undone::Standing(format!("{name} signs in with {connection}; a password would be a way around it")));
        }
        let (_, after) = self.amend(acting, id, None, |user| user.password_hash = Some(hash.to_owned())).await?;
        let what = UserChanged { password: Some("changed"), ..UserChanged::default() };
        self.record(acting, &id.to_string(), what).await?;
        self.end_sessions(acting, id).await?;
        Ok(after)
    }

    /// Removes the person: sessions end, and the keys they own are revoked.
    pub async fn delete_user(&self, acting: &Acting, id: UserId) -> Result<User, Undone> {
        let user = self.user(acting, id).await?;
        // First, so that a failure in between leaves somebody who can be removed again. Who signs in meanwhile has a session of nobody.
        let ended = self.means.sessions.end_all(id, self.now()).await?;
        self.means.directory.delete_user(id).await?;
        let what =
            UserDeleted { user_name: Some(Personal(user.user_name.clone())), sessions: Some(ended), ..UserDeleted::default() };
        self.record(acting, &id.to_string(), what).await?;
        Ok(user)
    }

    /// Changes the person, again and again if somebody else changes them at the same time: as they were, and as they are.
    pub(super) async fn amend(
        &self,
        acting: &Acting,
        id: UserId,
        version: Option<Timestamp>,
        change: impl Fn(&mut User),
    ) -> Result<(User, User), Undone> {
        for _ in 0..TRIES {
            let before = self.user(acting, id).await?;
            if version.is_some_and(|version| version != before.updated_at) {
                return Err(Undone::Stale("user"));
            }
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok((before, after));
            }
            match self.means.directory.update_user(&after).await {
                Err(DirectoryError::Stale(_)) => {}
                done => return Ok((before, done?)),
            }
        }
        Err(Undone::Stale("user"))
    }
}

impl UserChange {
    fn apply(&self, user: &mut User) {
        if let Some(user_name) = &self.user_name {
            user_name.trim().clone_into(&mut user.user_name);
        }
        if let Some(email) = &self.email {
            user.email.clone_from(email);
        }
        if let Some(name) = &self.name {
            user.name.clone_from(name);
        }
        if let Some(groups) = &self.groups {
            user.groups.clone_from(groups);
        }
        if let Some(roles) = &self.roles {
            user.roles.clone_from(roles);
        }
    }
}

/// What a change was: its new values.
fn changed(before: &User, after: &User) -> UserChanged {
    UserChanged {
        user_name: (before.user_name != after.user_name).then(|| Personal(after.user_name.clone())),
        email: (before.email != after.email).then(|| Now(after.email.clone().map(Personal))),
        name: (before.name != after.name).then(|| Now(after.name.clone().map(Personal))),
        groups: (before.groups != after.groups).then(|| Personal(after.groups.clone())),
        roles: (before.roles != after.roles).then(|| after.roles.clone()),
        ..UserChanged::default()
    }
}

fn check_user_name(name: &str) -> Result<(), Undone> {
    check_text("user_name", name, LONGEST_NAME)
}

fn check_full_name(name: Option<&str>) -> Result<(), Undone> {
    name.map_or(Ok(()), |name| check_text("name", name, LONGEST_NAME))
}

fn check_groups(groups: &[String]) -> Result<(), Undone> {
    if groups.len() > MOST_GROUPS {
        return Err(Undone::unfit("groups", format!("at most {MOST_GROUPS}")));
    }
    groups.iter().try_for_each(|group| check_text("groups", group, LONGEST_NAME))
}
