//! What somebody wants of a new key, and whether they may give it.
//!
//! Refuses a role or scope that the person does not have instead of leaving it out, because a key that silently does less than it says
//! is found out in production.

use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::Keeper;
use super::error::KeysError;
use crate::config::Span;
use crate::model::Scope;

/// How long a key works of which nothing was said.
pub(super) const USUAL: Duration = Duration::from_secs(90 * 86400);
/// The shortest that one works.
const SHORTEST: Duration = Duration::from_secs(60);
/// Letters of a name.
pub(super) const LONGEST_NAME: usize = 60;
/// Roles, scopes or networks of one key.
const MOST: usize = 50;

/// A key as it is asked for, in JSON as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    pub name: String,
    /// None: the key has no role.
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// None: from everywhere.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    #[serde(default)]
    pub expires_in: Option<Span>,
}

/// What of an old secret is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    #[serde(default)]
    pub overlap: Option<Span>,
}

impl Rotation {
    /// How long the old secret works yet: a day where nothing was said, a week at most.
    pub(super) fn overlap(&self) -> Result<Duration, KeysError> {
        let overlap = self.overlap.map_or(Duration::from_secs(86400), |span| span.0);
        if overlap <= Duration::from_secs(7 * 86400) {
            Ok(overlap)
        } else {
            Err(KeysError::Unfit("The old secret works for seven days more at most.".to_owned()))
        }
    }
}

impl Wish {
    /// The same, if the person may give it; and how long it is to work.
    pub(super) fn within(mut self, keeper: &Keeper<'_>) -> Result<(Self, Duration), KeysError> {
        let unfit = |why: String| Err(KeysError::Unfit(why));
        self.name = self.name.trim().to_owned();
        let letters = self.name.chars().count();
        if letters == 0 || letters > LONGEST_NAME || self.name.chars().any(char::is_control) {
            return unfit(format!("Give the key a name of at most {LONGEST_NAME} letters."));
        }
        if [self.roles.len(), self.scopes.len(), self.networks.len()].iter().any(|count| *count > MOST) {
            return unfit(format!("A key has at most {MOST} roles, scopes or networks."));
        }
        if let Some(role) = self.roles.iter().find(|role| !keeper.roles.contains(role)) {
            return unfit(format!("You do not have the role {}.", shown(role)));
        }
        let held = |scope: &&Scope| keeper.scopes.iter().any(|held| held.covers(scope));
        if let Some(scope) = self.scopes.iter().find(|scope| !held(scope)) {
            return unfit(format!("You do not have the permission {}.", shown(scope.as_str())));
        }
        let longest = keeper.rules.longest.0;
        let lifetime = self.expires_in.map_or(USUAL.min(longest), |span| span.0);
        if lifetime < SHORTEST || lifetime > longest {
            let days = longest.as_secs() / 86400;
            return unfit(format!("A key works for a minute at least and {days} days at most."));
        }
        Ok((self, lifetime))
    }
}

/// What was typed, as far as it belongs into a sentence.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(60).collect()
}
