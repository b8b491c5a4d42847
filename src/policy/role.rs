//! From groups to roles to scopes.
//!
//! Refuses roles that the configuration does not declare, because a role that is misspelt is a rule that never applies.

use std::collections::{BTreeMap, HashMap};

use crate::config::{Config, Path, Problems};
use crate::model::Scope;

/// The roles, ranked, and how they are come by.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// Ranked ones highest first, then those beside the ranking.
    order: Vec<String>,
    default: Option<String>,
    groups: HashMap<String, String>,
    scopes: BTreeMap<String, Vec<Scope>>,
}

/// A role has one rank.
fn twice(config: &Config, problems: &mut Problems) {
    let lists = [("ranked", &config.roles.ranked), ("others", &config.roles.others)];
    let mut seen = HashMap::new();
    for (list, roles) in lists {
        for (place, role) in roles.iter().enumerate() {
            let path = Path::from("roles").key(list).item(place);
            if let Some(first) = seen.insert(role, path.clone()) {
                problems.add(path, format!("role `{role}` is declared twice"), format!("`{first}` has it"));
            }
        }
    }
}

impl Roles {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let typed = &config.roles;
        let order: Vec<String> = typed.ranked.iter().chain(&typed.others).cloned().collect();
        let at = Path::from("roles");
        twice(config, problems);
        let mut declared = |path: Path, role: &String| {
            if !order.contains(role) {
                problems.add(path, format!("role `{role}` is not declared"), "add it to `roles.ranked` or `roles.others`");
            }
        };
        if let Some(role) = &typed.default {
            declared(at.key("default"), role);
        }
        for (group, role) in &typed.groups {
            declared(at.key("groups").key(group), role);
        }
        for role in typed.scopes.keys() {
            declared(at.key("scopes").key(role), role);
        }
        for (place, role) in config.client_certificates.iter().flat_map(|certificates| &certificates.roles).enumerate() {
            declared(Path::from("client_certificates").key("roles").item(place), role);
        }
        for (tier, roles) in config.license.iter().flat_map(|license| &license.roles) {
            for (place, role) in roles.iter().enumerate() {
                declared(Path::from("license").key("roles").key(tier).item(place), role);
            }
        }
        for (index, route) in config.routes.iter().enumerate() {
            for (place, role) in route.roles.iter().enumerate() {
                declared(Path::from("routes").item(index).key("roles").item(place), role);
            }
        }
        Self {
            default: typed.default.clone(),
            groups: typed.groups.clone().into_iter().collect(),
            scopes: typed.scopes.clone(),
            order,
        }
    }

    /// The roles of somebody who was given `direct` ones and is in `groups`: highest first, each once; the default role if
    /// there is no other. Roles that are not declared are left out.
    #[must_use]
    pub fn of(&self, direct: &[String], groups: &[String]) -> Vec<String> {
        let mapped: Vec<&String> = groups.iter().filter_map(|group| self.groups.get(group)).chain(direct).collect();
        let held: Vec<String> = self.order.iter().filter(|role| mapped.contains(role)).cloned().collect();
        if held.is_empty() { self.default.iter().cloned().collect() } else { held }
    }

    /// What these roles may do.
    #[must_use]
    pub fn scopes_of(&self, roles: &[String]) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = roles.iter().filter_map(|role| self.scopes.get(role)).flatten().cloned().collect();
        scopes.sort();
        scopes.dedup();
        scopes
    }

    #[must_use]
    pub fn is_declared(&self, role: &str) -> bool {
        self.order.iter().any(|known| known == role)
    }
}
