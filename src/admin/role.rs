//! Roles: those that are declared, who has them, and giving them to people.
//!
//! Refuses to touch what groups give: that changes with the groups.

use super::{Acting, Administration, Undone};
use crate::audit::what::{RoleAssigned, RoleUnassigned};
use crate::directory::{Page, UserFilter};
use crate::model::{Scope, User, UserId};

/// People looked at in one go while looking for those who have a role.
const CHUNK: u32 = 500;
/// How many such chunks one page may cost.
const MOST_CHUNKS: usize = 20;

/// A role that the configuration declares.
#[derive(Clone, Debug)]
pub struct DeclaredRole {
    pub name: String,
    /// 1 is the highest; `None`: beside the ranking.
    pub rank: Option<usize>,
    pub scopes: Vec<Scope>,
}

/// Some of those who have a role, and from whom to look on.
#[derive(Clone, Debug)]
pub struct Holders {
    pub users: Vec<User>,
    /// Nobody after this one was looked at; `None`: everybody was.
    pub next: Option<UserId>,
}

impl Administration {
    /// Highest first, then those beside the ranking.
    #[must_use]
    pub fn declared_roles(&self) -> Vec<DeclaredRole> {
        let typed = &self.config.roles;
        let ranked = typed.ranked.iter().enumerate().map(|(place, name)| (name, Some(place + 1)));
        let all = ranked.chain(typed.others.iter().map(|name| (name, None)));
        let scopes = |name: &String| typed.scopes.get(name).cloned().unwrap_or_default();
        all.map(|(name, rank)| DeclaredRole { name: name.clone(), rank, scopes: scopes(name) }).collect()
    }

    /// All roles that the person has: assigned, by group, or by default.
    #[must_use]
    pub fn roles_of(&self, user: &User) -> Vec<String> {
        self.roles.of_user(user)
    }

    /// Who has `role`, however they come by it. A page may be short, or empty, though there are more: it says from where to look on.
    pub async fn holders(&self, acting: &Acting, role: &str, page: &Page) -> Result<Holders, Undone> {
        if !self.roles.is_declared(role) {
            return Err(Undone::Missing("role"));
        }
        let most = page.limit as usize;
        let (mut users, mut at) = (Vec::new(), page.after.clone());
        for _ in 0..MOST_CHUNKS {
            let part = Page { after: at.clone(), limit: CHUNK };
            let chunk = self.means.directory.find_users(&acting.tenant, &UserFilter::default(), &part).await?;
            let whole = chunk.len() == CHUNK as usize;
            for user in chunk {
                at = Some(user.id.to_string());
                if self.roles_of(&user).iter().any(|held| held == role) {
                    users.push(user);
                    if users.len() == most {
                        return Ok(Holders { next: at.and_then(|id| id.parse().ok()), users });
                    }
                }
            }
            if !whole {
                return Ok(Holders { users, next: None });
            }
        }
        Ok(Holders { next: at.and_then(|id| id.parse().ok()), users })
    }

    /// Gives the person the role, besides those that their groups give. It counts from the next request.
    pub async fn assign_role(&self, acting: &Acting, id: UserId, role: &str) -> Result<User, Undone> {
        if !self.roles.is_declared(role) {
            return Err(Undone::Missing("role"));
        }
        let give = |user: &mut User| {
            if !user.roles.iter().any(|held| held == role) {
                user.roles.push(role.to_owned());
            }
        };
        let (before, after) = self.amend(acting, id, None, give).await?;
        if before.roles != after.roles {
            let what = RoleAssigned {
                administrator: self.roles.promotes(Some(&before), &after),
                role: Some(role.to_owned()),
                roles: Some(after.roles.clone()),
            };
            self.record(acting, &id.to_string(), what).await?;
        }
        Ok(after)
    }

    /// Takes the role from the person if it was given to them; one that is no longer declared, too.
    pub async fn unassign_role(&self, acting: &Acting, id: UserId, role: &str) -> Result<User, Undone> {
        let (before, after) = self.amend(acting, id, None, |user| user.roles.retain(|held| held != role)).await?;
        if before.roles != after.roles {
            let what = RoleUnassigned { role: Some(role.to_owned()), roles: Some(after.roles.clone()) };
            self.record(acting, &id.to_string(), what).await?;
        }
        Ok(after)
    }
}
