//! Groups and who is in them.
//!
//! Refuses members whom the group's keeper does not look after, to give anybody anything by a group within a group, and to let somebody out
//! of their provisioner's last group unnoticed: they are inactive from the same transaction on. A group of the administrators' keeps nobody
//! active, and its end makes nobody inactive.

use std::collections::HashMap;

use uuid::Uuid;

use super::super::provisioning::Redescribed;
use super::super::search::{Found, Search};
use super::super::{DirectoryError, Page};
use super::provision_search::{Of, Sql};
use super::provisioned::{self, CHUNK, after};
use super::search::pattern;
use super::user::{self, Stored, folded, undecodable};
use super::walk::{Place, Placed, Walks};
use super::{Outcome, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Query, Readers, Row, changes, query};
use crate::model::{Change, ConnectionId, Group, GroupId, Keeper, Member, Membership, Provisioner, TenantId, User, UserId};

/// Changed people whom caches are told of one by one; more are told of at once.
const TOLD: usize = 500;

/// In the place of a connection's id, which is never empty: no directory's client asks for it, not even one of a version before.
const ADMINISTRATORS: &str = "";

fn owner(keeper: &Keeper) -> &str {
    keeper.connection.as_ref().map_or(ADMINISTRATORS, ConnectionId::as_str)
}

struct Line(Group);

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self(Group {
            id: row.try_get::<String>("id")?.parse().map_err(undecodable)?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            display_name: row.try_get("display_name")?,
            external_id: row.try_get("external_id")?,
            connection: Some(row.try_get::<String>("connection")?)
                .filter(|id| *id != ADMINISTRATORS)
                .map(|id| id.parse().map_err(undecodable))
                .transpose()?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        }))
    }
}

const BY_ID: &str = "SELECT * FROM directory_groups WHERE id = $1 AND tenant = $2 AND connection = $3";

const PEOPLE: &str = "SELECT user_id FROM group_members WHERE group_id = $1 AND NOT is_group ORDER BY user_id";

pub(super) async fn by_id(readers: &Readers, by: Provisioner, id: GroupId) -> Result<Option<Group>, sqlx::Error> {
    let found =
        query(BY_ID).bind(id.to_string()).bind(by.tenant.as_str()).bind(by.connection.as_str()).fetch_optional(readers).await?;
    Ok(found.map(|Line(group)| group))
}

impl Placed for Line {
    fn place(&self) -> Place {
        Place { created_at: self.0.created_at.millis(), id: self.0.id.to_string() }
    }
}

pub(super) async fn search(
    readers: &Readers,
    walks: &Walks,
    by: Provisioner,
    search: Search,
) -> Result<Found<Group>, sqlx::Error> {
    let (total, rows) = provisioned::part(readers, walks, Of::Groups, &by, &search).await?;
    Ok(Found { total, part: rows.into_iter().map(|Line(group)| group).collect() })
}

pub(super) async fn members(
    readers: &Readers,
    group: GroupId,
    named: bool,
    limit: Option<u32>,
) -> Result<Vec<Member>, sqlx::Error> {
    let query = if named {
        query(
            "SELECT m.user_id, m.is_group, coalesce(g.display_name, u.name, u.user_name) FROM group_members m \
             LEFT JOIN users u ON u.id = m.user_id LEFT JOIN directory_groups g ON g.id = m.user_id \
             WHERE m.group_id = $1 ORDER BY m.user_id LIMIT $2",
        )
    } else {
        query("SELECT user_id, is_group, NULL FROM group_members WHERE group_id = $1 ORDER BY user_id LIMIT $2")
    };
    let query = query.bind(group.to_string()).bind(limit.map_or(i64::MAX, i64::from));
    query.fetch_all(readers).await?.into_iter().map(member).collect()
}

fn member((id, is_group, display): (String, bool, Option<String>)) -> Result<Member, sqlx::Error> {
    Ok(Member { id: id.parse().map_err(undecodable)?, is_group, display })
}

pub(super) async fn members_among(readers: &Readers, group: GroupId, ids: &[Uuid]) -> Result<Vec<Member>, sqlx::Error> {
    let mut all = Vec::new();
    for ids in ids.chunks(CHUNK) {
        let mut sql = Sql::new("SELECT user_id, is_group, NULL FROM group_members WHERE group_id = ");
        sql.text(group.to_string());
        sql.push(" AND user_id IN (");
        sql.list(ids.iter().map(ToString::to_string));
        sql.push(")");
        for row in sql.query().fetch_all(readers).await? {
            all.push(member(row)?);
        }
    }
    Ok(all)
}

/// The tenant's, whoever keeps them, ordered by id.
pub(super) async fn page(
    readers: &Readers,
    tenant: TenantId,
    text: Option<String>,
    page: Page,
) -> Result<Vec<Group>, sqlx::Error> {
    let rows: Vec<Line> = query(
        "SELECT * FROM directory_groups WHERE tenant = $1 AND id > $2 AND ($4 IS NULL OR folded_name LIKE $4 ESCAPE '!') \
         ORDER BY id LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(page.after.unwrap_or_default())
    .bind(page.limit)
    .bind(text.as_deref().map(pattern))
    .fetch_all(readers)
    .await?;
    Ok(rows.into_iter().map(|Line(group)| group).collect())
}

/// The tenant's, whoever keeps it.
pub(super) async fn of_tenant(readers: &Readers, tenant: TenantId, id: GroupId) -> Result<Option<Group>, sqlx::Error> {
    let find = query("SELECT * FROM directory_groups WHERE id = $1 AND tenant = $2");
    let found = find.bind(id.to_string()).bind(tenant.as_str()).fetch_optional(readers).await?;
    Ok(found.map(|Line(group)| group))
}

/// Which people are in it, ordered by id.
pub(super) async fn people_in(readers: &Readers, group: GroupId, page: Page) -> Result<Vec<User>, sqlx::Error> {
    let found: Vec<Stored> = query(
        "SELECT u.* FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_id = $1 AND m.user_id > $2 \
         ORDER BY m.user_id LIMIT $3",
    )
    .bind(group.to_string())
    .bind(page.after.unwrap_or_default())
    .bind(page.limit)
    .fetch_all(readers)
    .await?;
    user::with_groups(readers, found).await
}

/// The groups of each of these people, by name; only those that `of` provisions, if it is given.
pub(super) async fn of_people(
    readers: &Readers,
    people: &[UserId],
    of: Option<&ConnectionId>,
) -> Result<HashMap<UserId, Vec<Membership>>, sqlx::Error> {
    let mut all: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for people in people.chunks(CHUNK) {
        let mut sql = Sql::new(
            "SELECT m.user_id, g.id, g.display_name FROM group_members m JOIN directory_groups g ON g.id = m.group_id \
             WHERE m.user_id IN (",
        );
        sql.list(people.iter().map(ToString::to_string));
        if let Some(of) = of {
            sql.push(") AND g.connection IN (");
            sql.text(of.as_str());
        }
        sql.push(") ORDER BY m.user_id, g.folded_name");
        let rows: Vec<(String, String, String)> = sql.query().fetch_all(readers).await?;
        for (user, group, name) in rows {
            let user = user.parse().map_err(undecodable)?;
            let membership = Membership { group: group.parse().map_err(undecodable)?, display_name: name };
            all.entry(user).or_default().push(membership);
        }
    }
    Ok(all)
}

pub(super) async fn create(connection: &mut Connection, group: Group, members: Vec<Uuid>, now: Timestamp) -> Outcome<()> {
    insert(connection, &group).await?;
    fill(connection, &group, &members, now).await
}

/// The group as nobody is in it yet.
pub(super) async fn insert(connection: &mut Connection, group: &Group) -> Outcome<()> {
    query(
        "INSERT INTO directory_groups (id, tenant, connection, display_name, folded_name, external_id, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(group.id.to_string())
    .bind(group.tenant.as_str())
    .bind(owner(&group.keeper()))
    .bind(&group.display_name)
    .bind(folded(&group.display_name))
    .bind(&group.external_id)
    .bind(group.created_at.millis())
    .bind(group.updated_at.millis())
    .execute(&mut *connection)
    .await
    .map_err(|error| taken(error, &group.display_name))?;
    Ok(())
}

/// The first members of a group.
pub(super) async fn fill(connection: &mut Connection, group: &Group, members: &[Uuid], now: Timestamp) -> Outcome<()> {
    let joined = join(connection, &group.keeper(), group.id, members, now).await?;
    announce(connection, &joined, now).await
}

pub(super) async fn update(
    connection: &mut Connection,
    keeper: Keeper,
    id: GroupId,
    new: Redescribed,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<Group> {
    let mut group = checked(connection, &keeper, id, version).await?;
    let renamed = group.display_name != new.display_name;
    (group.display_name, group.external_id, group.updated_at) = (new.display_name, new.external_id, after(version, now));
    query("UPDATE directory_groups SET display_name = $2, folded_name = $3, external_id = $4, updated_at = $5 WHERE id = $1")
        .bind(id.to_string())
        .bind(&group.display_name)
        .bind(folded(&group.display_name))
        .bind(&group.external_id)
        .bind(group.updated_at.millis())
        .execute(&mut *connection)
        .await
        .map_err(|error| taken(error, &group.display_name))?;
    let joined = join(connection, &keeper, id, &new.joins, now).await?;
    leave(connection, &keeper, id, &new.leaves, now).await?;
    let mut affected = if renamed { people(connection, id).await? } else { joined };
    // The id of a group is nobody's, and what is told of nobody disturbs nobody.
    affected.extend(new.leaves.into_iter().map(UserId));
    announce(connection, &affected, now).await?;
    Ok(group)
}

pub(super) async fn delete(
    connection: &mut Connection,
    keeper: Keeper,
    id: GroupId,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<Vec<UserId>> {
    checked(connection, &keeper, id, version).await?;
    let members = people(connection, id).await?;
    let ids: Vec<Uuid> = members.iter().map(|user| user.0).collect();
    leave(connection, &keeper, id, &ids, now).await?;
    for statement in [
        "DELETE FROM group_members WHERE group_id = $1",
        "DELETE FROM group_members WHERE user_id = $1",
        "DELETE FROM directory_groups WHERE id = $1",
    ] {
        query(statement).bind(id.to_string()).execute(&mut *connection).await?;
    }
    announce(connection, &members, now).await?;
    Ok(members)
}

async fn checked(connection: &mut Connection, keeper: &Keeper, id: GroupId, version: Timestamp) -> Outcome<Group> {
    let stored = query(BY_ID)
        .bind(id.to_string())
        .bind(keeper.tenant.as_str())
        .bind(owner(keeper))
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => refuse(DirectoryError::Missing("group")),
        Some(Line(group)) if group.updated_at != version => refuse(DirectoryError::Stale("group")),
        Some(Line(group)) => Ok(group),
    }
}

async fn people(connection: &mut Connection, id: GroupId) -> Outcome<Vec<UserId>> {
    let rows: Vec<String> = query(PEOPLE).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(|id| id.parse().map_err(|error| undecodable(error).into())).collect()
}

/// Lets people and groups of this keeper in; answers which people those are. Those of the administrators' hold people alone.
async fn join(connection: &mut Connection, keeper: &Keeper, id: GroupId, joins: &[Uuid], now: Timestamp) -> Outcome<Vec<UserId>> {
    let mut joined = Vec::new();
    for chunk in joins.chunks(CHUNK) {
        let mut strangers: Vec<String> = chunk.iter().map(ToString::to_string).collect();
        let people = owned(keeper, ["SELECT id FROM users WHERE tenant = ", " AND provisioner = "], &strangers)
            .for_update()
            .fetch_all(&mut *connection)
            .await?;
        strangers.retain(|id| !people.contains(id));
        enter(connection, id, &people, false).await?;
        if keeper.connection.is_some() {
            assign(connection, &people, now).await?;
        } else if !strangers.is_empty() {
            // Who is not there is a mistake of an administrator's; a client that knows somebody who was removed makes none.
            return refuse(DirectoryError::Missing("member"));
        }
        if !strangers.is_empty() {
            let groups: Vec<String> =
                owned(keeper, ["SELECT id FROM directory_groups WHERE tenant = ", " AND connection = "], &strangers)
                    .fetch_all(&mut *connection)
                    .await?;
            strangers.retain(|id| !groups.contains(id));
            enter(connection, id, &groups, true).await?;
        }
        if are_elsewhere(connection, &strangers).await? {
            return refuse(DirectoryError::Missing("member"));
        }
        for person in people {
            joined.push(person.parse().map_err(undecodable)?);
        }
    }
    Ok(joined)
}

/// Which of `ids` a keeper looks after: the beginning of the statement up to the tenant, and up to the owner.
fn owned(keeper: &Keeper, [tenant, owner]: [&str; 2], ids: &[String]) -> Query {
    let mut sql = Sql::new(tenant);
    sql.text(keeper.tenant.as_str());
    if let Some(connection) = &keeper.connection {
        sql.push(owner);
        sql.text(connection.as_str());
    }
    sql.push(" AND id IN (");
    sql.list(ids.iter().cloned());
    sql.push(")");
    sql.query()
}

pub(super) async fn unassigned(readers: &Readers, by: Provisioner, ids: Vec<Uuid>) -> Result<Vec<UserId>, sqlx::Error> {
    let (keeper, mut found) = (Keeper::from(&by), Vec::new());
    for chunk in ids.chunks(CHUNK) {
        let ids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
        let rows: Vec<String> =
            owned(&keeper, ["SELECT id FROM users WHERE unassigned AND tenant = ", " AND provisioner = "], &ids)
                .fetch_all(readers)
                .await?;
        for id in rows {
            found.push(id.parse().map_err(undecodable)?);
        }
    }
    Ok(found)
}

async fn enter(connection: &mut Connection, id: GroupId, members: &[String], are_groups: bool) -> Outcome<()> {
    if members.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new("INSERT INTO group_members (group_id, user_id, is_group) VALUES ");
    for (place, member) in members.iter().enumerate() {
        sql.push(if place == 0 { "(" } else { ", (" });
        sql.text(id.to_string());
        sql.push(", ");
        sql.text(member.as_str());
        sql.push(if are_groups { ", TRUE)" } else { ", FALSE)" });
    }
    sql.push(" ON CONFLICT DO NOTHING");
    sql.query().execute(connection).await?;
    Ok(())
}

/// Who had left their last group is active again, if their provisioner wants them to be.
async fn assign(connection: &mut Connection, people: &[String], now: Timestamp) -> Outcome<()> {
    let mut sql = Sql::new("UPDATE users SET unassigned = FALSE, active = coalesce(wanted_active, active), ");
    moved_on(&mut sql, now);
    sql.push(" WHERE unassigned AND id IN (");
    sql.list(people.iter().cloned());
    sql.push(")");
    sql.query().execute(connection).await?;
    Ok(())
}

/// Whether any of `ids` is somebody, or a group, whom another looks after.
async fn are_elsewhere(connection: &mut Connection, ids: &[String]) -> Outcome<bool> {
    if ids.is_empty() {
        return Ok(false);
    }
    for table in ["users", "directory_groups"] {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.push(table);
        sql.push(" WHERE id IN (");
        sql.list(ids.iter().cloned());
        sql.push(")");
        let found: i64 = sql.query().fetch_one(&mut *connection).await?;
        if found > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn leave(connection: &mut Connection, keeper: &Keeper, id: GroupId, leaves: &[Uuid], now: Timestamp) -> Outcome<()> {
    for people in leaves.chunks(CHUNK) {
        let names = || people.iter().map(ToString::to_string);
        // Whoever leaves two groups at once, by two transactions, leaves one after the other.
        let mut sql = Sql::new("SELECT id FROM users WHERE id IN (");
        sql.list(names());
        sql.push(")");
        let _: Vec<String> = sql.query().for_update().fetch_all(&mut *connection).await?;
        let mut sql = Sql::new("DELETE FROM group_members WHERE group_id = ");
        sql.text(id.to_string());
        sql.push(" AND user_id IN (");
        sql.list(names());
        sql.push(")");
        sql.query().execute(&mut *connection).await?;
        if let Some(provisioner) = &keeper.connection {
            unassign(connection, provisioner, people, now).await?;
        }
    }
    Ok(())
}

/// Refuses those from now on who are in none of the provisioner's groups any more; one of the administrators' does not count.
async fn unassign(connection: &mut Connection, provisioner: &ConnectionId, people: &[Uuid], now: Timestamp) -> Outcome<()> {
    let mut sql = Sql::new("UPDATE users SET unassigned = TRUE, active = FALSE, ");
    moved_on(&mut sql, now);
    sql.push(" WHERE id IN (");
    sql.list(people.iter().map(ToString::to_string));
    sql.push(
        ") AND NOT EXISTS (SELECT 1 FROM group_members m JOIN directory_groups g ON g.id = m.group_id \
         WHERE m.user_id = users.id AND g.connection = ",
    );
    sql.text(provisioner.as_str());
    sql.push(")");
    sql.query().execute(connection).await?;
    Ok(())
}

/// Moves the version of people on, so that a late write of what was read before does not bring them back.
fn moved_on(sql: &mut Sql, now: Timestamp) {
    sql.push("updated_at = CASE WHEN updated_at >= ");
    sql.integer(now.millis());
    sql.push(" THEN updated_at + 1 ELSE ");
    sql.integer(now.millis());
    sql.push(" END");
}

async fn announce(connection: &mut Connection, people: &[UserId], now: Timestamp) -> Outcome<()> {
    if people.len() > TOLD {
        changes::announce(connection, &Change::Everything, now).await?;
        return Ok(());
    }
    for user in people {
        changes::announce(connection, &Change::User(*user), now).await?;
    }
    Ok(())
}

fn taken(error: sqlx::Error, name: &str) -> Failure<DirectoryError> {
    match &error {
        sqlx::Error::Database(conflict) if conflict.is_unique_violation() => {
            Failure::Refused(DirectoryError::Conflict(format!("The displayName {name}")))
        }
        _ => error.into(),
    }
}
