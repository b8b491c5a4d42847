//! A group's members as a PATCH moves them: who comes and who goes, by their ids.
//!
//! Refuses to guess: what is about anything else than members named by their ids is left to the patch of the whole resource. Most changes
//! of groups are of this kind, and one member more must not cost what reading ten thousand does.

use std::collections::{BTreeMap, HashSet};

use scim_v2::filter::{AttrExp, CompValue, CompareOp, ValFilter};
use serde_json::Value;
use uuid::Uuid;

use super::patch::{Op, Operation, Target};
use super::resource;
use super::schema::{Attribute, Kind};
use crate::directory::{DirectoryError, Provisioning};
use crate::model::{GroupId, Member};

/// What becomes of the members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// Nobody stays but whom the moves name.
    anew: bool,
    /// Who is in afterwards, and who is not.
    named: BTreeMap<Uuid, bool>,
}

/// Who comes and who goes.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub joins: Vec<Uuid>,
    pub leaves: Vec<Member>,
}

impl Moves {
    /// What the operations do, if that is all they do.
    pub(super) fn of(operations: &[Operation]) -> Option<Self> {
        let mut moves = Self::default();
        for operation in operations {
            moves.then(operation)?;
        }
        Some(moves)
    }

    fn then(&mut self, Operation { op, target, value }: &Operation) -> Option<()> {
        match (op, target, value) {
            (_, Target::Nothing, _) => {}
            (Op::Add, Target::At(place), Some(value)) if is_members(place.attribute, place.part) => {
                self.join(&ids(place.attribute, value)?);
            }
            (Op::Replace, Target::At(place), Some(value)) if is_members(place.attribute, place.part) => {
                let ids = ids(place.attribute, value)?;
                *self = Self { anew: true, named: BTreeMap::new() };
                self.join(&ids);
            }
            (Op::Remove, Target::At(place), Some(value)) if is_members(place.attribute, place.part) => {
                // To remove nobody in particular is to remove everybody.
                self.leave(&Some(ids(place.attribute, value)?).filter(|ids| !ids.is_empty())?);
            }
            (Op::Remove, Target::At(place), None) if is_members(place.attribute, place.part) => {
                *self = Self { anew: true, named: BTreeMap::new() };
            }
            (Op::Remove, Target::Chosen { place, fits, part: None }, _) if is_members(place.attribute, None) => {
                self.leave(&[named(fits)?]);
            }
            _ => return None,
        }
        Some(())
    }

    /// What is no id is nobody's, like that of somebody who was removed.
    fn join(&mut self, ids: &[String]) {
        self.named.extend(ids.iter().filter_map(|id| Some((id.parse().ok()?, true))));
    }

    /// Members are told with their ids as they are written here, and no other spelling is one of theirs (RFC 7643 §2.2, `caseExact`).
    fn leave(&mut self, ids: &[String]) {
        let written = |id: &String| id.parse().ok().filter(|known: &Uuid| known.to_string() == *id);
        self.named.extend(ids.iter().filter_map(|id| Some((written(id)?, false))));
    }

    /// Who comes and who goes of the group as it is now.
    pub(super) async fn of_group(&self, people: &dyn Provisioning, group: GroupId) -> Result<Moved, DirectoryError> {
        let named: Vec<Uuid> = self.named.keys().copied().collect();
        let before =
            if self.anew { people.members(group, false, None).await? } else { people.members_among(group, &named).await? };
        let there: HashSet<Uuid> = before.iter().map(|member| member.id).collect();
        let stays = |id: &Uuid| self.named.get(id).copied().unwrap_or(!self.anew);
        Ok(Moved {
            joins: named.into_iter().filter(|id| stays(id) && !there.contains(id)).collect(),
            leaves: before.into_iter().filter(|member| !stays(&member.id)).collect(),
        })
    }
}

fn is_members(attribute: &Attribute, part: Option<&Attribute>) -> bool {
    part.is_none() && Kind::Group.attribute("members") == Some(attribute)
}

/// Whom a value names; `None` where it is not well-formed, which the patch of the whole resource explains.
fn ids(members: &Attribute, value: &Value) -> Option<Vec<String>> {
    let Some(value) = resource::value(members, value).ok()? else { return Some(Vec::new()) };
    value.as_array()?.iter().map(|member| Some(member.get("value")?.as_str()?.to_owned())).collect()
}

/// Whom `value eq "…"` names.
fn named(fits: &ValFilter) -> Option<String> {
    match fits {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(text)))
            if path.uri.is_none() && path.sub_attr.is_none() && path.name.eq_ignore_ascii_case("value") =>
        {
            Some(text.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::patch;
    use super::*;

    const ADA: &str = "5f0c1a52-9a1c-4e0e-8f54-0d6a3ce7d4aa";
    const BOB: &str = "0b0f4f4e-0a3f-4b39-9be0-30b6a3f4b1bb";

    fn moves(operations: &Value) -> Option<Moves> {
        Moves::of(&patch::read(Kind::Group, &json!({ "Operations": operations })).unwrap())
    }

    fn named(anew: bool, named: &[(&str, bool)]) -> Moves {
        Moves { anew, named: named.iter().map(|(id, stays)| (id.parse().unwrap(), *stays)).collect() }
    }

    #[test]
    fn members_that_are_named_are_moved_without_the_others() {
        let (ada, bob) = (json!({ "value": ADA }), json!({ "value": BOB }));
        for (operations, expected) in [
            (json!([{ "op": "add", "path": "members", "value": [ada, bob] }]), named(false, &[(ADA, true), (BOB, true)])),
            (json!([{ "op": "Add", "path": "members", "value": ADA.to_uppercase() }]), named(false, &[(ADA, true)])),
            (json!([{ "op": "remove", "path": format!("members[value eq \"{ADA}\"]") }]), named(false, &[(ADA, false)])),
            (json!([{ "op": "Remove", "path": "members", "value": [ada] }]), named(false, &[(ADA, false)])),
            (
                json!([{ "op": "remove", "path": "members", "value": [ada] }, { "op": "add", "path": "members", "value": [ada] }]),
                named(false, &[(ADA, true)]),
            ),
            (json!([{ "op": "replace", "path": "members", "value": [bob] }]), named(true, &[(BOB, true)])),
            (json!([{ "op": "replace", "path": "members", "value": [] }]), named(true, &[])),
            (
                json!([{ "op": "remove", "path": "members" }, { "op": "add", "path": "members", "value": [ada] }]),
                named(true, &[(ADA, true)]),
            ),
            (json!([{ "op": "add", "path": "members", "value": [{ "value": "no id" }, { "type": "User" }] }]), named(false, &[])),
            (json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ADA.to_uppercase()) }]), named(false, &[])),
        ] {
            assert_eq!(moves(&operations), Some(expected), "{operations}");
        }
    }

    #[test]
    fn what_is_about_anything_else_is_no_move() {
        for operations in [
            json!([{ "op": "replace", "path": "displayName", "value": "Admins" }]),
            json!([{ "op": "add", "value": { "displayName": "Admins" } }]),
            json!([{ "op": "add", "path": "members", "value": [{ "value": ADA }] }, { "op": "remove", "path": "externalId" }]),
            json!([{ "op": "remove", "path": format!("members[value ne \"{ADA}\"]") }]),
            json!([{ "op": "remove", "path": format!("members[not (value eq \"{ADA}\")]") }]),
            json!([{ "op": "remove", "path": "members[type eq \"User\"]" }]),
            json!([{ "op": "remove", "path": "members.value" }]),
            json!([{ "op": "remove", "path": "members", "value": [] }]),
            json!([{ "op": "add", "path": "members", "value": 5 }]),
        ] {
            assert_eq!(moves(&operations), None, "{operations}");
        }
    }
}
