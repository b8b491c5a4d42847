//! Groups and who is in them.
//!
//! Refuses members whom the group's provisioner does not look after, and to let somebody out of their last group unnoticed: they are
//! inactive from the same transaction on.

use super::super::DirectoryError;
use super::super::provisioning::Redescribed;
use super::super::search::{Found, Search};
use super::provision_search::{Of, Sql};
use super::provisioned::{self, CHUNK, after};
use super::user::{folded, undecodable};
use super::{Outcome, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Readers, Row, changes, query};
use crate::model::{Change, Group, GroupId, Member, Membership, Provisioner, UserId};

/// Changed people whom caches are told of one by one; more are told of at once.
const TOLD: usize = 500;

struct Line(Group);

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self(Group {
            id: row.try_get::<String>("id")?.parse().map_err(undecodable)?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            display_name: row.try_get("display_name")?,
            external_id: row.try_get("external_id")?,
            connection: row.try_get::<String>("connection")?.parse().map_err(undecodable)?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        }))
    }
}

const BY_ID: &str = "SELECT * FROM directory_groups WHERE id = $1 AND tenant = $2 AND connection = $3";

const MEMBERS: &str = "SELECT user_id FROM group_members WHERE group_id = $1 ORDER BY user_id";

pub(super) async fn by_id(readers: &Readers, by: Provisioner, id: GroupId) -> Result<Option<Group>, sqlx::Error> {
    let found =
        query(BY_ID).bind(id.to_string()).bind(by.tenant.as_str()).bind(by.connection.as_str()).fetch_optional(readers).await?;
    Ok(found.map(|Line(group)| group))
}

pub(super) async fn search(readers: &Readers, by: Provisioner, search: Search) -> Result<Found<Group>, sqlx::Error> {
    let (total, rows) = provisioned::part(readers, Of::Groups, &by, &search).await?;
    Ok(Found { total, part: rows.into_iter().map(|Line(group)| group).collect() })
}

pub(super) async fn members(readers: &Readers, group: GroupId, named: bool) -> Result<Vec<Member>, sqlx::Error> {
    let member = |id: &str, display| Ok(Member { user: id.parse().map_err(undecodable)?, display });
    if !named {
        let rows: Vec<String> = query(MEMBERS).bind(group.to_string()).fetch_all(readers).await?;
        return rows.iter().map(|id| member(id, None)).collect();
    }
    let rows: Vec<(String, String)> = query(
        "SELECT u.id, coalesce(u.name, u.user_name) FROM group_members m JOIN users u ON u.id = m.user_id \
         WHERE m.group_id = $1 ORDER BY m.user_id",
    )
    .bind(group.to_string())
    .fetch_all(readers)
    .await?;
    rows.into_iter().map(|(id, name)| member(&id, Some(name))).collect()
}

/// The groups of each of these people, by name.
pub(super) async fn of_people(readers: &Readers, people: Vec<UserId>) -> Result<Vec<(UserId, Membership)>, sqlx::Error> {
    let mut all = Vec::new();
    for people in people.chunks(CHUNK) {
        let mut sql = Sql::new(
            "SELECT m.user_id, g.id, g.display_name FROM group_members m JOIN directory_groups g ON g.id = m.group_id \
             WHERE m.user_id IN (",
        );
        sql.list(people.iter().map(ToString::to_string));
        sql.push(") ORDER BY m.user_id, g.folded_name");
        let rows: Vec<(String, String, String)> = sql.query().fetch_all(readers).await?;
        for (user, group, name) in rows {
            all.push(provisioned::membership(&user, &group, name)?);
        }
    }
    Ok(all)
}

pub(super) async fn create(connection: &mut Connection, group: Group, members: Vec<UserId>, now: Timestamp) -> Outcome<()> {
    let by = Provisioner { tenant: group.tenant.clone(), connection: group.connection.clone() };
    query(
        "INSERT INTO directory_groups (id, tenant, connection, display_name, folded_name, external_id, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(group.id.to_string())
    .bind(group.tenant.as_str())
    .bind(group.connection.as_str())
    .bind(&group.display_name)
    .bind(folded(&group.display_name))
    .bind(&group.external_id)
    .bind(group.created_at.millis())
    .bind(group.updated_at.millis())
    .execute(&mut *connection)
    .await
    .map_err(|error| taken(error, &group.display_name))?;
    join(connection, &by, group.id, &members, now).await?;
    announce(connection, &members, now).await
}

pub(super) async fn update(
    connection: &mut Connection,
    by: Provisioner,
    id: GroupId,
    new: Redescribed,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<Group> {
    let mut group = checked(connection, &by, id, version).await?;
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
    join(connection, &by, id, &new.joins, now).await?;
    leave(connection, id, &new.leaves, now).await?;
    let mut affected = if renamed { all_members(connection, id).await? } else { new.joins };
    affected.extend(new.leaves);
    announce(connection, &affected, now).await?;
    Ok(group)
}

pub(super) async fn delete(
    connection: &mut Connection,
    by: Provisioner,
    id: GroupId,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<Vec<UserId>> {
    checked(connection, &by, id, version).await?;
    let members = all_members(connection, id).await?;
    leave(connection, id, &members, now).await?;
    query("DELETE FROM directory_groups WHERE id = $1").bind(id.to_string()).execute(&mut *connection).await?;
    announce(connection, &members, now).await?;
    Ok(members)
}

async fn checked(connection: &mut Connection, by: &Provisioner, id: GroupId, version: Timestamp) -> Outcome<Group> {
    let stored = query(BY_ID)
        .bind(id.to_string())
        .bind(by.tenant.as_str())
        .bind(by.connection.as_str())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => refuse(DirectoryError::Missing("group")),
        Some(Line(group)) if group.updated_at != version => refuse(DirectoryError::Stale("group")),
        Some(Line(group)) => Ok(group),
    }
}

async fn all_members(connection: &mut Connection, id: GroupId) -> Outcome<Vec<UserId>> {
    let rows: Vec<String> = query(MEMBERS).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(|id| id.parse().map_err(|error| undecodable(error).into())).collect()
}

async fn join(connection: &mut Connection, by: &Provisioner, id: GroupId, joins: &[UserId], now: Timestamp) -> Outcome<()> {
    for people in joins.chunks(CHUNK) {
        let names = || people.iter().map(ToString::to_string);
        let mut sql = Sql::new("SELECT id FROM users WHERE tenant = ");
        sql.text(by.tenant.as_str());
        sql.push(" AND provisioner = ");
        sql.text(by.connection.as_str());
        sql.push(" AND id IN (");
        sql.list(names());
        sql.push(")");
        let known: Vec<String> = sql.query().for_update().fetch_all(&mut *connection).await?;
        if known.len() < people.len() && are_elsewhere(connection, people, &known).await? {
            return refuse(DirectoryError::Missing("member"));
        }
        if known.is_empty() {
            continue;
        }
        let mut sql = Sql::new("INSERT INTO group_members (group_id, user_id) VALUES ");
        for (place, user) in known.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { ", (" });
            sql.text(id.to_string());
            sql.push(", ");
            sql.text(user.as_str());
            sql.push(")");
        }
        sql.push(" ON CONFLICT DO NOTHING");
        sql.query().execute(&mut *connection).await?;
        let mut sql = Sql::new("UPDATE users SET unassigned = FALSE, active = coalesce(wanted_active, active), ");
        moved_on(&mut sql, now);
        sql.push(" WHERE unassigned AND id IN (");
        sql.list(names());
        sql.push(")");
        sql.query().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether any of `people` but the `known` is somebody, whom another looks after.
async fn are_elsewhere(connection: &mut Connection, people: &[UserId], known: &[String]) -> Outcome<bool> {
    let unknown = people.iter().map(ToString::to_string).filter(|id| !known.contains(id));
    let mut sql = Sql::new("SELECT count(*) FROM users WHERE id IN (");
    sql.list(unknown);
    sql.push(")");
    let found: i64 = sql.query().fetch_one(connection).await?;
    Ok(found > 0)
}

async fn leave(connection: &mut Connection, id: GroupId, leaves: &[UserId], now: Timestamp) -> Outcome<()> {
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
        let mut sql = Sql::new("UPDATE users SET unassigned = TRUE, active = FALSE, ");
        moved_on(&mut sql, now);
        sql.push(" WHERE id IN (");
        sql.list(names());
        sql.push(") AND NOT EXISTS (SELECT 1 FROM group_members m WHERE m.user_id = users.id)");
        sql.query().execute(&mut *connection).await?;
    }
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
