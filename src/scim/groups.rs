//! Groups: what is done to one of them.
//!
//! Refuses members that the connection does not look after. Whoever leaves a group is signed out when the answer goes out.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Scim;
use super::call::{Ask, Caller, Reply};
use super::described::{group_document, group_version};
use super::error::ScimError;
use super::membership::{Moved, Moves};
use super::patch;
use super::projection::Projection;
use super::resource::{self, Attributes};
use super::schema::Kind;
use crate::audit::{Members, Personal, what};
use crate::crypto::random;
use crate::directory::{DirectoryError, Redescribed};
use crate::model::{Group, GroupId, Keeper, Member, UserId};

/// Looks at a group that others change at the same time.
const TRIES: usize = 5;
/// Members of a group that is not sent back after each change.
const LARGE: u32 = 500;

/// What a resource says of a group.
struct Said {
    display_name: String,
    external_id: Option<String>,
    members: Vec<Uuid>,
}

fn said(attributes: &Attributes) -> Result<Said, ScimError> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let members = attributes.get("members").and_then(Value::as_array);
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for member in members.into_iter().flatten() {
        let id = member.get("value").and_then(Value::as_str).ok_or_else(|| ScimError::value("A member has no value"))?;
        // What cannot be anybody's id is nobody's, like that of somebody who was removed.
        if let Ok(id) = id.parse::<Uuid>()
            && seen.insert(id)
        {
            ids.push(id);
        }
    }
    Ok(Said { display_name: text("displayName").unwrap_or_default(), external_id: text("externalId"), members: ids })
}

pub(super) fn explained(error: DirectoryError) -> ScimError {
    match error {
        DirectoryError::Missing("member") => ScimError::value("A member is no user or group of this connection"),
        error => error.into(),
    }
}

pub(super) async fn create(scim: &Scim, caller: &Caller, ask: &Ask) -> Result<Reply, ScimError> {
    let id = GroupId(uuid::Builder::from_random_bytes(random::bytes::<16>()?).into_uuid());
    let (group, members) = new(caller, id, ask.body()?)?;
    welcome(scim, caller, &members).await?;
    scim.means.people.create_group(&group, &members).await.map_err(explained)?;
    made(scim, caller, &group, members.len(), &ask.query.projection).await
}

/// The group that a resource describes, and its members.
pub(super) fn new(caller: &Caller, id: GroupId, sent: &Value) -> Result<(Group, Vec<Uuid>), ScimError> {
    let said = said(&resource::normalise(Kind::Group, sent)?)?;
    let group = Group {
        id,
        tenant: caller.by.tenant.clone(),
        connection: Some(caller.by.connection.clone()),
        display_name: said.display_name,
        external_id: said.external_id,
        created_at: caller.now,
        updated_at: caller.now,
    };
    Ok((group, said.members))
}

/// Before people come back by being in a group again: a session that was made while they were put out does not come back with them.
pub(super) async fn welcome(scim: &Scim, caller: &Caller, members: &[Uuid]) -> Result<(), ScimError> {
    let back = scim.means.people.unassigned(&caller.by, members).await?;
    scim.sign_out(&back, caller.now).await.map(drop)
}

/// What follows when a group has been made.
pub(super) async fn made(
    scim: &Scim,
    caller: &Caller,
    group: &Group,
    members: usize,
    projection: &Projection,
) -> Result<Reply, ScimError> {
    let what = what::GroupCreated {
        administrator: members > 0 && scim.roles.group_administers(&group.tenant, &group.display_name),
        name: Some(Personal(group.display_name.clone())),
        members: Some(members as u64),
        connection: Some(caller.by.connection.clone()),
        ..Default::default()
    };
    scim.record(caller, group.id, what).await?;
    reply(scim, StatusCode::CREATED, group, projection).await
}

async fn reply(scim: &Scim, status: StatusCode, group: &Group, projection: &Projection) -> Result<Reply, ScimError> {
    let wanted = projection.wants(Kind::Group, "members");
    let members = if wanted { Some(members(scim, group.id, projection, None).await?) } else { None };
    Ok(whole_reply(scim, status, group, members.as_deref(), projection))
}

fn whole_reply(scim: &Scim, status: StatusCode, group: &Group, members: Option<&[Member]>, projection: &Projection) -> Reply {
    Reply {
        status,
        body: Some(Value::Object(told(scim, group, members, projection))),
        version: Some(group_version(group)),
        location: Some(format!("{}/Groups/{}", scim.base, group.id)),
    }
}

/// The members as they are to be told, at most `limit` of them: with their names only where those are asked for.
pub(super) async fn members(
    scim: &Scim,
    group: GroupId,
    projection: &Projection,
    limit: Option<u32>,
) -> Result<Vec<Member>, ScimError> {
    let named = matches!(projection, Projection::Only(names) if names.iter().any(|name| name.to_ascii_lowercase().ends_with("members.display")));
    Ok(scim.means.people.members(group, named, limit).await?)
}

pub(super) fn told(scim: &Scim, group: &Group, members: Option<&[Member]>, projection: &Projection) -> Map<String, Value> {
    projection.apply(Kind::Group, group_document(&scim.base, group, members))
}

pub(super) async fn read(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let group = find(scim, caller, id).await?;
    let version = group_version(&group);
    if ask.has(&version) {
        return Ok(Reply { version: Some(version), ..Reply::empty(StatusCode::NOT_MODIFIED) });
    }
    reply(scim, StatusCode::OK, &group, &ask.query.projection).await
}

async fn find(scim: &Scim, caller: &Caller, id: &str) -> Result<Group, ScimError> {
    let missing = || ScimError::missing(id);
    let parsed: GroupId = id.parse().map_err(|_| missing())?;
    scim.means.people.group(&caller.by, parsed).await?.ok_or_else(missing)
}

pub(super) async fn replace(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let attributes = resource::normalise(Kind::Group, ask.body()?)?;
    let group = change(scim, caller, ask, id, &New::Whole(&|_| Ok(attributes.clone()))).await?;
    reply(scim, StatusCode::OK, &group, &ask.query.projection).await
}

/// Answers a large group without itself, unless its attributes are asked for (RFC 7644 §3.5.2).
pub(super) async fn patch(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let operations = patch::read(Kind::Group, ask.body()?)?;
    let new = match Moves::of(&operations) {
        Some(moves) => New::Members(moves),
        None => New::Whole(&|before| patch::apply(Kind::Group, before, &operations)),
    };
    let group = change(scim, caller, ask, id, &new).await?;
    let projection = &ask.query.projection;
    if *projection != Projection::Usual {
        return reply(scim, StatusCode::OK, &group, projection).await;
    }
    let members = members(scim, group.id, projection, Some(LARGE + 1)).await?;
    if members.len() > LARGE as usize {
        return Ok(Reply { version: Some(group_version(&group)), ..Reply::empty(StatusCode::NO_CONTENT) });
    }
    Ok(whole_reply(scim, StatusCode::OK, &group, Some(&members), projection))
}

/// What is to become of a group.
enum New<'n> {
    /// What this makes of the whole resource.
    Whole(&'n (dyn Fn(&Attributes) -> Result<Attributes, ScimError> + Send + Sync)),
    /// Some come, some go.
    Members(Moves),
}

impl New<'_> {
    /// And the people who leave.
    async fn of(&self, scim: &Scim, before: &Group) -> Result<(Redescribed, Vec<UserId>), ScimError> {
        let people = scim.means.people.as_ref();
        let (display_name, external_id, joins, leaves) = match self {
            Self::Members(moves) => {
                let Moved { joins, leaves } = moves.of_group(people, before.id).await?;
                (before.display_name.clone(), before.external_id.clone(), joins, leaves)
            }
            Self::Whole(new) => {
                let members = people.members(before.id, false, None).await?;
                let said = said(&new(&whole(before, &members))?)?;
                let old: HashSet<Uuid> = members.iter().map(|member| member.id).collect();
                let new: HashSet<Uuid> = said.members.iter().copied().collect();
                let joins = said.members.into_iter().filter(|id| !old.contains(id)).collect();
                let leaves = members.into_iter().filter(|member| !new.contains(&member.id)).collect();
                (said.display_name, said.external_id, joins, leaves)
            }
        };
        let left = leaves.iter().filter_map(Member::person).collect();
        let leaves = leaves.into_iter().map(|member| member.id).collect();
        Ok((Redescribed { display_name, external_id, joins, leaves }, left))
    }
}

/// Makes of the group what is `new` of it.
async fn change(scim: &Scim, caller: &Caller, ask: &Ask, id: &str, new: &New<'_>) -> Result<Group, ScimError> {
    for _ in 0..TRIES {
        let before = find(scim, caller, id).await?;
        ask.check_match(&group_version(&before))?;
        let (redescribed, left) = new.of(scim, &before).await?;
        let renamed = before.display_name != redescribed.display_name || before.external_id != redescribed.external_id;
        if !renamed && redescribed.joins.is_empty() && redescribed.leaves.is_empty() {
            return Ok(before);
        }
        welcome(scim, caller, &redescribed.joins).await?;
        match scim.means.people.update_group(&Keeper::from(&caller.by), before.id, &redescribed, before.updated_at).await {
            Err(DirectoryError::Stale(_)) => {}
            Err(DirectoryError::Missing("group")) => return Err(ScimError::missing(id)),
            Err(error) => return Err(explained(error)),
            Ok(group) => {
                let sessions = Some(scim.sign_out(&left, caller.now).await?);
                let gives = |name: &str| scim.roles.group_administers(&group.tenant, name);
                let more = !redescribed.joins.is_empty() || !gives(&before.display_name);
                let what = what::GroupChanged {
                    administrator: more && gives(&group.display_name),
                    name: Some(Personal(group.display_name.clone())),
                    joined: Some(Members::of(&redescribed.joins)),
                    left: Some(Members::of(&redescribed.leaves)),
                    sessions,
                    connection: Some(caller.by.connection.clone()),
                };
                scim.record(caller, group.id, what).await?;
                return Ok(group);
            }
        }
    }
    Err(ScimError::new(StatusCode::CONFLICT, "The resource is changed by others all the time"))
}

/// The whole resource as a PATCH sees it.
fn whole(group: &Group, members: &[Member]) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert("displayName".to_owned(), group.display_name.clone().into());
    if let Some(id) = &group.external_id {
        attributes.insert("externalId".to_owned(), id.clone().into());
    }
    if !members.is_empty() {
        let value = |member: &Member| json!({ "value": member.id.to_string() });
        attributes.insert("members".to_owned(), members.iter().map(value).collect());
    }
    attributes
}

pub(super) async fn delete(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    for _ in 0..TRIES {
        let before = find(scim, caller, id).await?;
        ask.check_match(&group_version(&before))?;
        match scim.means.people.delete_group(&Keeper::from(&caller.by), before.id, before.updated_at).await {
            Err(DirectoryError::Stale(_)) => {}
            Err(DirectoryError::Missing(_)) => return Err(ScimError::missing(id)),
            Err(error) => return Err(error.into()),
            Ok(left) => {
                let sessions = Some(scim.sign_out(&left, caller.now).await?);
                let what = what::GroupRemoved {
                    name: Some(Personal(before.display_name.clone())),
                    left: Some(Members::of(&left)),
                    sessions,
                    connection: Some(caller.by.connection.clone()),
                };
                scim.record(caller, before.id, what).await?;
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            }
        }
    }
    Err(ScimError::new(StatusCode::CONFLICT, "The resource is changed by others all the time"))
}
