//! Groups of the directory: those that administrators make, and those that a company's directory provisions.
//!
//! Refuses to change what a directory provisions: it would be undone with the directory's next word. It changes there.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Acting, Administration, Undone, check_text};
use crate::audit::what::{GroupChanged, GroupCreated, GroupRemoved};
use crate::audit::{Members, Personal};
use crate::clock::Timestamp;
use crate::crypto::random;
use crate::directory::{DirectoryError, Page, Redescribed};
use crate::model::{Group, GroupId, User, UserId};

/// Looks at a group that others change at the same time.
const TRIES: usize = 5;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 256;

/// What is to be different; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    pub name: Option<String>,
    /// These and nobody else.
    pub members: Option<Vec<UserId>>,
}

/// How a group is to be.
enum Wish {
    /// Called so, if anything, with these members in the order of their ids, if any are said.
    Be {
        name: Option<String>,
        members: Option<Vec<Uuid>>,
    },
    Hold(UserId),
    Lack(UserId),
}

impl Administration {
    /// The tenant's, whoever keeps them, ordered by id; those whose name holds `text`.
    pub async fn groups(&self, acting: &Acting, text: Option<&str>, page: &Page) -> Result<Vec<Group>, Undone> {
        Ok(self.means.provisioning.groups(&acting.tenant, text, page).await?)
    }

    pub async fn group(&self, acting: &Acting, id: GroupId) -> Result<Group, Undone> {
        self.means.provisioning.group_of(&acting.tenant, id).await?.ok_or(Undone::Missing("group"))
    }

    /// Who is in it, ordered by id.
    pub async fn group_members(&self, acting: &Acting, id: GroupId, page: &Page) -> Result<Vec<User>, Undone> {
        let group = self.group(acting, id).await?;
        Ok(self.means.provisioning.people_in(group.id, page).await?)
    }

    /// Makes a group. The roles that it gives count from its members' next requests.
    pub async fn create_group(&self, acting: &Acting, name: &str, members: &[UserId]) -> Result<Group, Undone> {
        let now = self.now();
        let group = Group {
            id: GroupId(uuid::Builder::from_random_bytes(random::bytes()?).into_uuid()),
            tenant: acting.tenant.clone(),
            display_name: checked(name)?,
            external_id: None,
            connection: None,
            created_at: now,
            updated_at: now,
        };
        let members = distinct(members);
        self.means.provisioning.create_group(&group, &members).await.map_err(explained)?;
        let what = GroupCreated {
            administrator: !members.is_empty() && self.roles.group_administers(&acting.tenant, &group.display_name),
            name: Some(Personal(group.display_name.clone())),
            joined: Some(Members::of(&members)),
            ..GroupCreated::default()
        };
        self.record(acting, &group.id.to_string(), what).await?;
        Ok(group)
    }

    /// Changes the group; with a `version`, only the one that was read as that.
    pub async fn change_group(
        &self,
        acting: &Acting,
        id: GroupId,
        version: Option<Timestamp>,
        change: GroupChange,
    ) -> Result<Group, Undone> {
        let name = change.name.as_deref().map(checked).transpose()?;
        let members = change.members.as_deref().map(distinct);
        self.amend_group(acting, id, version, &Wish::Be { name, members }).await
    }

    /// Takes the person into the group.
    pub async fn join_group(&self, acting: &Acting, id: GroupId, user: UserId) -> Result<Group, Undone> {
        self.amend_group(acting, id, None, &Wish::Hold(user)).await
    }

    /// Takes the person out of the group. Nobody is locked out by that, whatever groups they are left in.
    pub async fn leave_group(&self, acting: &Acting, id: GroupId, user: UserId) -> Result<Group, Undone> {
        self.amend_group(acting, id, None, &Wish::Lack(user)).await
    }

    /// Removes the group; answers what it was.
    pub async fn delete_group(&self, acting: &Acting, id: GroupId) -> Result<Group, Undone> {
        for _ in 0..TRIES {
            let before = self.own_group(acting, id).await?;
            match self.means.provisioning.delete_group(&before.keeper(), id, before.updated_at).await {
                Err(DirectoryError::Stale(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(left) => {
                    let what = GroupRemoved {
                        name: Some(Personal(before.display_name.clone())),
                        left: Some(Members::of(&left)),
                        ..GroupRemoved::default()
                    };
                    self.record(acting, &id.to_string(), what).await?;
                    return Ok(before);
                }
            }
        }
        Err(Undone::Stale("group"))
    }

    /// One that administrators keep.
    async fn own_group(&self, acting: &Acting, id: GroupId) -> Result<Group, Undone> {
        let group = self.group(acting, id).await?;
        match &group.connection {
            None => Ok(group),
            Some(connection) => Err(Undone::Standing(format!(
                "the group {} is kept by the directory of the connection {connection}: it is changed there",
                group.display_name
            ))),
        }
    }

    /// What has to be done to `group`, as it is, for the wish to come true.
    async fn fulfilled(&self, acting: &Acting, group: &Group, wish: &Wish) -> Result<Redescribed, Undone> {
        let display_name = group.display_name.clone();
        let mut new = Redescribed { display_name, external_id: None, joins: Vec::new(), leaves: Vec::new() };
        match wish {
            Wish::Be { name, members } => {
                new.display_name = name.clone().unwrap_or(new.display_name);
                if let Some(members) = members {
                    let known = self.means.provisioning.members(group.id, false, None).await?;
                    let known: HashSet<Uuid> = known.into_iter().map(|member| member.id).collect();
                    new.joins = members.iter().filter(|id| !known.contains(id)).copied().collect();
                    new.leaves = known.into_iter().filter(|id| members.binary_search(id).is_err()).collect();
                }
            }
            Wish::Hold(user) if !self.is_in(acting, group, *user).await? => new.joins.push(user.0),
            Wish::Lack(user) if self.is_in(acting, group, *user).await? => new.leaves.push(user.0),
            Wish::Hold(_) | Wish::Lack(_) => {}
        }
        Ok(new)
    }

    /// Names are unique in a tenant.
    async fn is_in(&self, acting: &Acting, group: &Group, user: UserId) -> Result<bool, Undone> {
        Ok(self.user(acting, user).await?.directory_groups.contains(&group.display_name))
    }

    /// Makes the wish come true, again and again if somebody else changes it at the same time.
    async fn amend_group(&self, acting: &Acting, id: GroupId, version: Option<Timestamp>, wish: &Wish) -> Result<Group, Undone> {
        for _ in 0..TRIES {
            let before = self.own_group(acting, id).await?;
            if version.is_some_and(|version| version != before.updated_at) {
                return Err(Undone::Stale("group"));
            }
            let new = self.fulfilled(acting, &before, wish).await?;
            if new.display_name == before.display_name && new.joins.is_empty() && new.leaves.is_empty() {
                return Ok(before);
            }
            match self.means.provisioning.update_group(&before.keeper(), id, &new, before.updated_at).await {
                Err(DirectoryError::Stale(_)) => {}
                Err(error) => return Err(explained(error)),
                Ok(group) => {
                    let gives = |name: &str| self.roles.group_administers(&acting.tenant, name);
                    let renamed = !gives(&before.display_name);
                    let what = GroupChanged {
                        administrator: gives(&group.display_name) && (renamed || !new.joins.is_empty()),
                        name: Some(Personal(group.display_name.clone())),
                        joined: Some(Members::of(&new.joins)),
                        left: Some(Members::of(&new.leaves)),
                        ..GroupChanged::default()
                    };
                    self.record(acting, &id.to_string(), what).await?;
                    return Ok(group);
                }
            }
        }
        Err(Undone::Stale("group"))
    }
}

fn checked(name: &str) -> Result<String, Undone> {
    check_text("name", name.trim(), LONGEST_NAME)?;
    Ok(name.trim().to_owned())
}

/// Each once, in the order of their ids.
fn distinct(members: &[UserId]) -> Vec<Uuid> {
    let mut members: Vec<Uuid> = members.iter().map(|user| user.0).collect();
    members.sort();
    members.dedup();
    members
}

fn explained(error: DirectoryError) -> Undone {
    match error {
        DirectoryError::Missing("member") => Undone::unfit("members", "one of them is nobody in this tenant"),
        DirectoryError::Conflict(_) => Undone::Conflict("the name of the group".to_owned()),
        error => error.into(),
    }
}
