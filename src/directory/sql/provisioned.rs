//! People whom a connection provisions: rows with attributes, and the index that they are searched by.
//!
//! Refuses to reach beyond its provisioner: every statement names the tenant and the connection (threats K2).

use super::super::DirectoryError;
use super::super::provisioning::{Arrival, Described, Indexed};
use super::super::search::{Found, Search};
use super::provision_search::{Of, Sql};
use super::user::{self, Stored, folded};
use super::walk::{Place, Placed, Reached, Walks};
use super::{Outcome, group, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Json, Readers, Row, changes, query};
use crate::model::{Change, ConnectionId, Domain, EmailAddress, Provisioned, Provisioner, User, UserId};

/// Values that one statement binds.
pub(super) const CHUNK: usize = 500;

/// So many that fit a condition are looked for first and put in order then.
const FEW: u64 = 1000;

/// A person without their groups, which are read apart.
struct Line(Provisioned);

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let Stored(user) = Stored::from_row(row)?;
        let attributes: Option<Json<_>> = row.try_get("attributes")?;
        Ok(Self(Provisioned {
            active: row.try_get("wanted_active")?,
            external_id: row.try_get("external_id")?,
            attributes: attributes.map(|Json(attributes)| attributes).unwrap_or_default(),
            groups: Vec::new(),
            user,
        }))
    }
}

pub(super) async fn by_id(readers: &Readers, by: Provisioner, id: UserId) -> Result<Option<Provisioned>, sqlx::Error> {
    let found = query("SELECT * FROM users WHERE id = $1 AND tenant = $2 AND provisioner = $3")
        .bind(id.to_string())
        .bind(by.tenant.as_str())
        .bind(by.connection.as_str())
        .fetch_optional(readers)
        .await?;
    let Some(Line(person)) = found else { return Ok(None) };
    Ok(with_groups(readers, &by, vec![person]).await?.pop())
}

/// Fills in those of the provisioner's groups that they are in: the administrators' are none of its business (threats K2).
async fn with_groups(readers: &Readers, by: &Provisioner, mut people: Vec<Provisioned>) -> Result<Vec<Provisioned>, sqlx::Error> {
    let ids: Vec<UserId> = people.iter().map(|person| person.user.id).collect();
    let mut groups = group::of_people(readers, &ids, Some(&by.connection)).await?;
    for person in &mut people {
        person.groups = groups.remove(&person.user.id).unwrap_or_default();
        person.user.directory_groups = person.groups.iter().map(|group| group.display_name.clone()).collect();
    }
    Ok(people)
}

impl Placed for Line {
    fn place(&self) -> Place {
        Place { created_at: self.0.user.created_at.millis(), id: self.0.user.id.to_string() }
    }
}

/// A search as it goes on to statements.
struct Asked<'s> {
    of: Of,
    by: &'s Provisioner,
    search: &'s Search,
}

impl Asked<'_> {
    const fn table(&self) -> &'static str {
        match self.of {
            Of::People => "users",
            Of::Groups => "directory_groups",
        }
    }

    /// `FROM` and `WHERE`.
    fn found(&self, sql: &mut Sql) {
        sql.push(self.table());
        sql.push(" t WHERE t.tenant = ");
        sql.text(self.by.tenant.as_str());
        sql.push(match self.of {
            Of::People => " AND t.provisioner = ",
            Of::Groups => " AND t.connection = ",
        });
        sql.text(self.by.connection.as_str());
        if let Some(condition) = &self.search.condition {
            sql.push(" AND ");
            sql.condition(self.of, condition);
        }
    }

    async fn count(&self, readers: &Readers) -> Result<u64, sqlx::Error> {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        self.found(&mut sql);
        let total: i64 = sql.query().fetch_one(readers).await?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// The rows that were asked for, of `total`.
    async fn rows<T: FromRow>(&self, readers: &Readers, total: u64, reached: Option<&Reached>) -> Result<Vec<T>, sqlx::Error> {
        let mut sql;
        if self.search.condition.is_some() && total <= FEW {
            // Left to themselves, engines walk through everybody in order until they have met the few that fit.
            sql = Sql::new("WITH few AS MATERIALIZED (SELECT t.id AS few_id FROM ");
            self.found(&mut sql);
            sql.push(") SELECT t.* FROM few JOIN ");
            sql.push(self.table());
            sql.push(" t ON t.id = few.few_id WHERE (1 = 1)");
        } else {
            sql = Sql::new("SELECT t.* FROM ");
            self.found(&mut sql);
        }
        if let Some(reached) = reached {
            sql.after(&reached.last);
        }
        sql.order(self.of, self.search.order.as_ref());
        sql.push(" LIMIT ");
        sql.integer(i64::from(self.search.limit));
        if reached.is_none() {
            sql.push(" OFFSET ");
            sql.integer(i64::try_from(self.search.offset).unwrap_or(i64::MAX));
        }
        sql.query().fetch_all(readers).await
    }
}

/// How many there are, and the rows of the part that was asked for. In the midst of a walk the number is that of a page before.
pub(super) async fn part<T: FromRow + Placed>(
    readers: &Readers,
    walks: &Walks,
    of: Of,
    by: &Provisioner,
    search: &Search,
) -> Result<(u64, Vec<T>), sqlx::Error> {
    let asked = Asked { of, by, search };
    let reached = walks.reached(of, by, search).await;
    let mut total = match &reached {
        Some(reached) => reached.total,
        None => asked.count(readers).await?,
    };
    if search.limit == 0 || search.offset >= total {
        return Ok((total, Vec::new()));
    }
    let rows: Vec<T> = asked.rows(readers, total, reached.as_ref()).await?;
    let seen = search.offset + rows.len() as u64;
    let whole = rows.len() == search.limit as usize;
    if reached.is_some() && (!whole || seen >= total) {
        // The client takes the end for the end: it has to be one.
        total = asked.count(readers).await?;
    }
    if let Some(last) = rows.last().filter(|_| whole) {
        walks.note(of, by, search, seen, Reached { last: last.place(), total }).await;
    }
    Ok((total, rows))
}

pub(super) async fn search(
    readers: &Readers,
    walks: &Walks,
    by: Provisioner,
    search: Search,
) -> Result<Found<Provisioned>, sqlx::Error> {
    let (total, rows) = part(readers, walks, Of::People, &by, &search).await?;
    let people = rows.into_iter().map(|Line(person)| person).collect();
    Ok(Found { total, part: with_groups(readers, &by, people).await? })
}

pub(super) async fn provision(
    connection: &mut Connection,
    by: Provisioner,
    id: UserId,
    described: Described,
    domains: Vec<Domain>,
    now: Timestamp,
) -> Outcome<(UserId, Arrival)> {
    let adopted = adoptable(connection, &by, &described, &domains).await?;
    let (id, arrival, version) = if let Some(user) = &adopted {
        (user.id, Arrival::Adopted, user.updated_at)
    } else {
        user::create(connection, bare(&by, id, &described, now)).await?;
        (id, Arrival::Created, now)
    };
    query(
        "UPDATE users SET provisioner = $2, wanted_active = $3, unassigned = FALSE, \
         active = CASE WHEN $3 = FALSE THEN FALSE ELSE active END WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(by.connection.as_str())
    .bind(described.active)
    .execute(&mut *connection)
    .await?;
    let version = if arrival == Arrival::Created { version } else { after(version, now) };
    describe(connection, id, &described, version).await?;
    changes::announce(connection, &Change::User(id), now).await?;
    Ok((id, arrival))
}

/// The person as nobody has described them yet.
fn bare(by: &Provisioner, id: UserId, described: &Described, now: Timestamp) -> User {
    User {
        id,
        tenant: by.tenant.clone(),
        user_name: described.user_name.clone(),
        email: None,
        name: None,
        active: described.active != Some(false),
        groups: Vec::new(),
        directory_groups: Vec::new(),
        roles: Vec::new(),
        link: None,
        provisioned_by: None,
        password_hash: None,
        created_at: now,
        updated_at: now,
    }
}

/// Always moves on, even within a millisecond or when the clock was set back: it is the version, too.
pub(super) fn after(version: Timestamp, now: Timestamp) -> Timestamp {
    now.max(Timestamp::from_millis(version.millis().saturating_add(1)))
}

/// Whom the description means among those whom nobody provisions; a conflict where the name is somebody else's.
pub(super) async fn adoptable(
    connection: &mut Connection,
    by: &Provisioner,
    described: &Described,
    domains: &[Domain],
) -> Outcome<Option<User>> {
    let named = query("SELECT * FROM users WHERE tenant = $1 AND folded_name = $2")
        .bind(by.tenant.as_str())
        .bind(folded(&described.user_name))
        .fetch_optional(&mut *connection)
        .await?
        .map(|Stored(user)| user);
    // Who came by this connection: the subject it is known by there, or an address that the provider had verified.
    let mut linked: Vec<Stored> = query(
        "SELECT * FROM users WHERE id IN (SELECT id FROM users WHERE tenant = $1 AND connection = $2 AND subject = $3 \
         UNION SELECT id FROM users WHERE tenant = $1 AND email IS NOT NULL AND lower(email) = $4) \
         AND connection = $2 AND provisioner IS NULL AND password_hash IS NULL \
         ORDER BY CASE WHEN subject = $3 THEN 0 ELSE 1 END, id LIMIT 3",
    )
    .bind(by.tenant.as_str())
    .bind(by.connection.as_str())
    .bind(described.external_id.clone().unwrap_or_default())
    .bind(described.email.as_ref().map(|email| email.as_str().to_ascii_lowercase()).unwrap_or_default())
    .fetch_all(&mut *connection)
    .await?;
    let by_subject = |user: &User| user.link.as_ref().is_some_and(|link| Some(&link.subject) == described.external_id.as_ref());
    let sole = linked.len() == 1 || linked.first().is_some_and(|Stored(user)| by_subject(user));
    let linked = if sole { linked.drain(..).next().map(|Stored(user)| user) } else { None };
    match (named, linked) {
        (None, linked) => Ok(linked),
        (Some(named), Some(linked)) if named.id == linked.id => Ok(Some(named)),
        (Some(named), None) if is_free(&named, &by.connection, domains) => Ok(Some(named)),
        (Some(_), _) => refuse(DirectoryError::Conflict(format!("The userName {}", described.user_name))),
    }
}

/// Whether the person may be adopted by their name: they came by this connection, or wait to come by one that speaks for their address.
fn is_free(user: &User, connection: &ConnectionId, domains: &[Domain]) -> bool {
    let address = || user.user_name.parse::<EmailAddress>().ok();
    user.provisioned_by.is_none()
        && user.password_hash.is_none()
        && match &user.link {
            Some(link) => link.connection == *connection,
            None => address().is_some_and(|address| domains.iter().any(|domain| domain.as_str() == address.domain())),
        }
}

pub(super) async fn reprovision(
    connection: &mut Connection,
    by: Provisioner,
    id: UserId,
    described: Described,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<()> {
    check_version(connection, &by, id, version).await?;
    // What counts changes only where the provisioner changes its mind: an administrator's word stands until then.
    query(
        "UPDATE users SET active = CASE WHEN $2 IS NULL OR wanted_active = $2 THEN active WHEN unassigned THEN FALSE ELSE $2 END, \
         wanted_active = $2 WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(described.active)
    .execute(&mut *connection)
    .await?;
    describe(connection, id, &described, after(version, now)).await?;
    changes::announce(connection, &Change::User(id), now).await?;
    Ok(())
}

async fn check_version(connection: &mut Connection, by: &Provisioner, id: UserId, version: Timestamp) -> Outcome<()> {
    let stored: Option<i64> = query("SELECT updated_at FROM users WHERE id = $1 AND tenant = $2 AND provisioner = $3")
        .bind(id.to_string())
        .bind(by.tenant.as_str())
        .bind(by.connection.as_str())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => refuse(DirectoryError::Missing("user")),
        Some(stored) if stored != version.millis() => refuse(DirectoryError::Stale("user")),
        Some(_) => Ok(()),
    }
}

/// Writes what describes the person, and what they are found by.
async fn describe(connection: &mut Connection, id: UserId, described: &Described, version: Timestamp) -> Outcome<()> {
    query(
        "UPDATE users SET user_name = $2, folded_name = $3, email = $4, name = $5, external_id = $6, attributes = $7, \
         updated_at = $8 WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(&described.user_name)
    .bind(folded(&described.user_name))
    .bind(described.email.as_ref().map(EmailAddress::as_str))
    .bind(&described.name)
    .bind(&described.external_id)
    .bind(Json(&described.attributes))
    .bind(version.millis())
    .execute(&mut *connection)
    .await
    .map_err(|error| taken(error, described))?;
    query("DELETE FROM user_attributes WHERE user_id = $1").bind(id.to_string()).execute(&mut *connection).await?;
    for entries in described.index.chunks(CHUNK / 5) {
        index(connection, id, entries).await?;
    }
    Ok(())
}

async fn index(connection: &mut Connection, id: UserId, entries: &[Indexed]) -> Outcome<()> {
    let mut sql = Sql::new("INSERT INTO user_attributes (user_id, attribute, element, part, value) VALUES ");
    for (place, entry) in entries.iter().enumerate() {
        sql.push(if place == 0 { "(" } else { ", (" });
        sql.text(id.to_string());
        sql.push(", ");
        sql.text(entry.attribute.as_str());
        sql.push(", ");
        sql.integer(entry.element);
        sql.push(", ");
        sql.text(entry.part.as_str());
        sql.push(", ");
        sql.text(entry.value.as_str());
        sql.push(")");
    }
    sql.query().execute(connection).await?;
    Ok(())
}

pub(super) async fn deprovision(
    connection: &mut Connection,
    by: Provisioner,
    id: UserId,
    version: Timestamp,
    now: Timestamp,
) -> Outcome<()> {
    check_version(connection, &by, id, version).await?;
    user::delete(connection, id, now).await
}

/// What of a person is kept elsewhere than in their row.
pub(super) async fn forget(connection: &mut Connection, id: UserId) -> Outcome<()> {
    for statement in ["DELETE FROM user_attributes WHERE user_id = $1", "DELETE FROM group_members WHERE user_id = $1"] {
        query(statement).bind(id.to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Which of the two names is taken.
fn taken(error: sqlx::Error, described: &Described) -> Failure<DirectoryError> {
    match &error {
        sqlx::Error::Database(conflict) if conflict.is_unique_violation() => {
            let external = ["users_by_external_id", "users.external_id"].iter().any(|name| conflict.message().contains(name));
            let external = described.external_id.as_ref().filter(|_| external);
            Failure::Refused(DirectoryError::Conflict(match external {
                Some(id) => format!("The externalId {id}"),
                None => format!("The userName {}", described.user_name),
            }))
        }
        _ => error.into(),
    }
}
