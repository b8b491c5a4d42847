//! From groups to roles to scopes.
//!
//! Refuses roles that the configuration does not declare, because a role that is misspelt is a rule that never applies.

use std::collections::{BTreeMap, HashMap};

use crate::config::{Config, Path, Problems};
use crate::model::{Scope, TenantId, User};

/// The roles, ranked, and how they are come by.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// Ranked ones highest first, then those beside the ranking.
    order: Vec<String>,
    /// How they are come by where a tenant has no table of its own.
    common: Mapping,
    tenants: HashMap<TenantId, Mapping>,
    scopes: BTreeMap<String, Vec<Scope>>,
    /// Those whose holders may administrate.
    administrators: Vec<String>,
}

/// How roles are come by.
#[derive(Clone, Debug, Default)]
struct Mapping {
    default: Option<String>,
    groups: HashMap<String, String>,
}

/// Why somebody has a role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Grant {
    pub role: String,
    #[serde(flatten)]
    pub from: Source,
}

/// What gives a role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Source {
    /// It was assigned to the person or program itself.
    Direct,
    /// A group gives it, by the table at this place of the configuration.
    Group { group: String, table: String },
    /// There is no other; the place of the configuration that says so.
    Default { table: String },
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
        let own = config.tenants.iter().enumerate().filter_map(|(index, tenant)| {
            let roles = tenant.roles.as_ref()?;
            Some((Path::from("tenants").item(index).key("roles"), &roles.default, &roles.groups))
        });
        for (at, default, groups) in std::iter::once((at.clone(), &typed.default, &typed.groups)).chain(own) {
            if let Some(role) = default {
                declared(at.key("default"), role);
            }
            for (group, role) in groups {
                declared(at.key("groups").key(group), role);
            }
        }
        for role in typed.scopes.keys() {
            declared(at.key("scopes").key(role), role);
        }
        for (place, role) in config.own_keys.iter().flat_map(|keys| &keys.roles).enumerate() {
            declared(Path::from("own_keys").key("roles").item(place), role);
        }
        for (place, role) in config.client_certificates.iter().flat_map(|certificates| &certificates.roles).enumerate() {
            declared(Path::from("client_certificates").key("roles").item(place), role);
        }
        for (tier, roles) in config.license.iter().flat_map(|license| &license.roles) {
            for (place, role) in roles.iter().enumerate() {
                declared(Path::from("license").key("roles").key(tier).item(place), role);
            }
        }
        for (place, role) in config.admin_api.roles.iter().enumerate() {
            declared(Path::from("admin_api").key("roles").item(place), role);
        }
        for (index, route) in config.routes.iter().enumerate() {
            for (place, role) in route.roles.iter().enumerate() {
                declared(Path::from("routes").item(index).key("roles").item(place), role);
            }
        }
        let mapping = |default: &Option<String>, groups: &BTreeMap<String, String>| Mapping {
            default: default.clone(),
            groups: groups.clone().into_iter().collect(),
        };
        let own = config.tenants.iter().filter_map(|tenant| {
            let roles = tenant.roles.as_ref()?;
            Some((tenant.id.clone(), mapping(&roles.default, &roles.groups)))
        });
        Self {
            common: mapping(&typed.default, &typed.groups),
            tenants: own.collect(),
            scopes: typed.scopes.clone(),
            administrators: config.admin_api.roles.clone(),
            order,
        }
    }

    /// The roles of somebody of `tenant` who was given `direct` ones and is in `groups`: highest first, each once; the default role
    /// if there is no other. Roles that are not declared are left out.
    #[must_use]
    pub fn of(&self, tenant: &TenantId, direct: &[String], groups: &[String]) -> Vec<String> {
        let mapping = self.mapping(tenant);
        let mapped: Vec<&String> = groups.iter().filter_map(|group| mapping.groups.get(group)).chain(direct).collect();
        let held: Vec<String> = self.order.iter().filter(|role| mapped.contains(role)).cloned().collect();
        if held.is_empty() { mapping.default.iter().cloned().collect() } else { held }
    }

    /// Why they are those of [`Self::of`]: every way to each, in its order.
    #[must_use]
    pub fn why(&self, tenant: &TenantId, direct: &[String], groups: &[String]) -> Vec<Grant> {
        let mapping = self.mapping(tenant);
        let at = if self.tenants.contains_key(tenant) { format!("tenants[{tenant}].roles") } else { "roles".to_owned() };
        let mut grants = Vec::new();
        for role in self.of(tenant, direct, groups) {
            let before = grants.len();
            if direct.contains(&role) {
                grants.push(Grant { role: role.clone(), from: Source::Direct });
            }
            for group in groups.iter().filter(|group| mapping.groups.get(*group) == Some(&role)) {
                let from = Source::Group { group: group.clone(), table: format!("{at}.groups") };
                grants.push(Grant { role: role.clone(), from });
            }
            if grants.len() == before {
                grants.push(Grant { role, from: Source::Default { table: format!("{at}.default") } });
            }
        }
        grants
    }

    /// The table that counts for somebody of `tenant`: its own, or else the common one. Never both: whoever names the groups of one
    /// tenant must not be able to name one that means something elsewhere.
    fn mapping(&self, tenant: &TenantId) -> &Mapping {
        self.tenants.get(tenant).unwrap_or(&self.common)
    }

    /// The roles of a person of the directory: assigned, or by whichever kind of group.
    #[must_use]
    pub fn of_user(&self, user: &User) -> Vec<String> {
        self.of(&user.tenant, &user.roles, &user.all_groups())
    }

    /// Whether one of these roles lets somebody administrate.
    #[must_use]
    pub fn administer(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.administrators.contains(role))
    }

    /// Whether the person may administrate as they are `after` a change, and could not `before`.
    #[must_use]
    pub fn promotes(&self, before: Option<&User>, after: &User) -> bool {
        let administers = |user: &User| user.active && self.administer(&self.of_user(user));
        administers(after) && !before.is_some_and(administers)
    }

    /// Whether to be in the group called `name` lets people of `tenant` administrate.
    #[must_use]
    pub fn group_administers(&self, tenant: &TenantId, name: &str) -> bool {
        self.mapping(tenant).groups.get(name).is_some_and(|role| self.administer(std::slice::from_ref(role)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        let text = "version: 1\npublic_url: https://app.example.com\nlisteners: []\nupstream: { url: http://127.0.0.1:1 }\n\
             secret_key: 0123456789abcdef0123456789abcdef\n\
             roles: { ranked: [admin, editor, viewer], others: [approver], default: viewer, groups: { Staff: editor, Board: admin } }\n\
             tenants: [{ id: a, roles: { groups: { Staff: approver } } }, { id: b }]";
        let (config, mut problems): (Config, _) = (serde_yaml::from_str(text).unwrap(), Problems::default());
        let roles = Roles::compile(&config, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        roles
    }

    fn held(tenant: &str, direct: &[&str], groups: &[&str]) -> Vec<String> {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let (tenant, direct, groups) = (tenant.parse().unwrap(), own(direct), own(groups));
        let (roles, held) = (roles(), roles().of(&tenant, &direct, &groups));
        let mut why: Vec<String> = roles.why(&tenant, &direct, &groups).into_iter().map(|grant| grant.role).collect();
        why.dedup();
        assert_eq!(why, held, "each role has its reason, and nothing else has one");
        held
    }

    #[test]
    fn the_highest_comes_first_and_those_beside_the_ranking_last() {
        assert_eq!(held("b", &["approver", "viewer"], &["Staff", "Board"]), ["admin", "editor", "viewer", "approver"]);
        assert_eq!(
            held("default", &["king"], &["staff", "Chess"]),
            ["viewer"],
            "the default, where nothing that is declared is held"
        );
    }

    #[test]
    fn a_tenants_own_table_takes_the_place_of_the_common_one_whole() {
        assert_eq!(held("a", &[], &["Staff", "Board"]), ["approver"]);
        assert_eq!(held("a", &[], &["Board"]), [""; 0], "neither the common groups nor the common default");
        assert_eq!(held("a", &["editor"], &["Board"]), ["editor"]);
    }

    #[test]
    fn every_way_to_a_role_is_told() {
        let (tenant, names) = (TenantId::default(), |text: &str| vec![text.to_owned()]);
        let table = "roles.groups".to_owned();
        let why = roles().why(&tenant, &names("editor"), &names("Staff"));
        let by_group = Source::Group { group: "Staff".to_owned(), table };
        let wanted = [Source::Direct, by_group].map(|from| Grant { role: "editor".to_owned(), from });
        assert_eq!(why, wanted);
    }
}
