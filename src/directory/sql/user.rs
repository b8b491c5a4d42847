//! People: their rows and the statements about them.
//!
//! Refuses to store over a change it has not seen, because a stale write could reactivate somebody.

use super::super::{DirectoryError, Page};
use super::{Outcome, factor, group, program, provisioned, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Json, Query, Readers, Row, changes, query};
use crate::model::{Change, ConnectionId, EmailAddress, FederatedLink, TenantId, User, UserId};

pub(super) struct Stored(pub(super) User);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let link = match row.try_get::<Option<String>>("connection")? {
            Some(connection) => Some(FederatedLink {
                connection: connection.parse().map_err(undecodable)?,
                issuer: row.try_get("issuer")?,
                subject: row.try_get("subject")?,
            }),
            None => None,
        };
        Ok(Self(User {
            id: row.try_get::<String>("id")?.parse().map_err(undecodable)?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            user_name: row.try_get("user_name")?,
            email: row.try_get::<Option<String>>("email")?.map(TryInto::try_into).transpose().map_err(undecodable)?,
            name: row.try_get("name")?,
            active: row.try_get("active")?,
            groups: row.try_get::<Json<_>>("groups")?.0,
            directory_groups: Vec::new(),
            roles: row.try_get::<Json<_>>("roles")?.0,
            link,
            provisioned_by: row
                .try_get::<Option<String>>("provisioner")?
                .map(TryInto::try_into)
                .transpose()
                .map_err(undecodable)?,
            password_hash: row.try_get("password_hash")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        }))
    }
}

pub(super) fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// What makes a name unique and findable.
pub(super) fn folded(user_name: &str) -> String {
    user_name.to_lowercase()
}

pub(super) async fn by_id(readers: &Readers, id: UserId) -> Result<Option<User>, sqlx::Error> {
    let found = query("SELECT * FROM users WHERE id = $1").bind(id.to_string()).fetch_optional(readers).await?;
    whole(readers, found).await
}

/// The person with the directory's groups that they are in.
async fn whole(readers: &Readers, found: Option<Stored>) -> Result<Option<User>, sqlx::Error> {
    Ok(with_groups(readers, found.into_iter().collect()).await?.pop())
}

/// People with the directory's groups that they are in.
pub(super) async fn with_groups(readers: &Readers, found: Vec<Stored>) -> Result<Vec<User>, sqlx::Error> {
    let mut users: Vec<User> = found.into_iter().map(|Stored(user)| user).collect();
    let people: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let mut groups = group::of_people(readers, &people, None).await?;
    for user in &mut users {
        let of_user = groups.remove(&user.id).unwrap_or_default();
        user.directory_groups = of_user.into_iter().map(|membership| membership.display_name).collect();
    }
    Ok(users)
}

/// Whom a connection provisions and nobody has signed in as yet: by the subject, else by the address that is their name or theirs
/// alone.
pub(super) async fn provisioned_for(
    readers: &Readers,
    tenant: &TenantId,
    of: &ConnectionId,
    subject: &str,
    email: Option<&EmailAddress>,
) -> Result<Option<User>, sqlx::Error> {
    let address = email.map(|email| email.as_str().to_ascii_lowercase()).unwrap_or_default();
    let found: Vec<Stored> = query(
        "SELECT * FROM users WHERE id IN (SELECT id FROM users WHERE tenant = $1 AND provisioner = $2 AND external_id = $3 \
         UNION SELECT id FROM users WHERE tenant = $1 AND folded_name = $4 \
         UNION SELECT id FROM users WHERE tenant = $1 AND email IS NOT NULL AND lower(email) = $4) \
         AND provisioner = $2 AND subject IS NULL AND password_hash IS NULL \
         ORDER BY CASE WHEN external_id = $3 THEN 0 WHEN folded_name = $4 THEN 1 ELSE 2 END, id LIMIT 2",
    )
    .bind(tenant.as_str())
    .bind(of.as_str())
    .bind(subject)
    .bind(&address)
    .fetch_all(readers)
    .await?;
    // The directory folds names as Unicode does, in which other letters become an address's; such a name is not the address.
    let named = |user: &User| email.is_some_and(|email| user.user_name.eq_ignore_ascii_case(email.as_str()));
    let mut found = found.into_iter();
    let (first, second) = (found.next(), found.next());
    let sole = second.is_none();
    let certain = first.filter(|Stored(user)| sole || named(user));
    whole(readers, certain).await
}

pub(super) async fn by_name(readers: &Readers, tenant: &TenantId, name: &str) -> Result<Option<User>, sqlx::Error> {
    let found = query("SELECT * FROM users WHERE tenant = $1 AND folded_name = $2")
        .bind(tenant.as_str())
        .bind(folded(name))
        .fetch_optional(readers)
        .await?;
    whole(readers, found).await
}

pub(super) async fn local_by_email(
    readers: &Readers,
    tenant: &TenantId,
    email: &EmailAddress,
) -> Result<Option<User>, sqlx::Error> {
    let mut found = query("SELECT * FROM users WHERE tenant = $1 AND lower(email) = $2 AND password_hash IS NOT NULL LIMIT 2")
        .bind(tenant.as_str())
        .bind(email.as_str().to_ascii_lowercase())
        .fetch_all(readers)
        .await?;
    let one = found.pop().filter(|_| found.is_empty());
    whole(readers, one).await
}

pub(super) async fn by_link(readers: &Readers, tenant: &TenantId, link: &FederatedLink) -> Result<Option<User>, sqlx::Error> {
    let found = query("SELECT * FROM users WHERE tenant = $1 AND connection = $2 AND issuer = $3 AND subject = $4")
        .bind(tenant.as_str())
        .bind(link.connection.as_str())
        .bind(&link.issuer)
        .bind(&link.subject)
        .fetch_optional(readers)
        .await?;
    whole(readers, found).await
}

pub(super) async fn page(readers: &Readers, tenant: &TenantId, page: &Page) -> Result<Vec<User>, sqlx::Error> {
    let found = query("SELECT * FROM users WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(tenant.as_str())
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.limit)
        .fetch_all(readers)
        .await?;
    with_groups(readers, found).await
}

pub(super) async fn create(connection: &mut Connection, user: User) -> Outcome<()> {
    written(
        "INSERT INTO users (id, user_name, folded_name, email, name, active, \"groups\", roles, \
         connection, issuer, subject, password_hash, updated_at, tenant, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        &user,
    )
    .bind(user.tenant.as_str())
    .bind(user.created_at.millis())
    .execute(connection)
    .await
    .map_err(|error| taken(error, &user))?;
    Ok(())
}

/// The statement with what may change of a person, from `$1`, their id, to `$13`, when they were changed.
fn written(text: &'static str, user: &User) -> Query {
    let link = user.link.as_ref();
    query(text)
        .bind(user.id.to_string())
        .bind(&user.user_name)
        .bind(folded(&user.user_name))
        .bind(user.email.as_ref().map(EmailAddress::as_str))
        .bind(&user.name)
        .bind(user.active)
        .bind(Json(&user.groups))
        .bind(Json(&user.roles))
        .bind(link.map(|link| link.connection.as_str()))
        .bind(link.map(|link| &link.issuer))
        .bind(link.map(|link| &link.subject))
        .bind(&user.password_hash)
        .bind(user.updated_at.millis())
}

pub(super) async fn update(connection: &mut Connection, mut user: User, now: Timestamp) -> Outcome<User> {
    let stored: Option<i64> = query("SELECT updated_at FROM users WHERE id = $1 AND tenant = $2")
        .bind(user.id.to_string())
        .bind(user.tenant.as_str())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => return refuse(DirectoryError::Missing("user")),
        Some(stored) if stored != user.updated_at.millis() => return refuse(DirectoryError::Stale("user")),
        Some(_) => {}
    }
    // Always moves on, even within a millisecond or when the clock was set back: it is the version, too.
    user.updated_at = now.max(Timestamp::from_millis(user.updated_at.millis().saturating_add(1)));
    replace(connection, &user).await?;
    changes::announce(connection, &Change::User(user.id), now).await?;
    Ok(user)
}

async fn replace(connection: &mut Connection, user: &User) -> Outcome<()> {
    written(
        "UPDATE users SET user_name = $2, folded_name = $3, email = $4, name = $5, active = $6, \"groups\" = $7, roles = $8, \
         connection = $9, issuer = $10, subject = $11, password_hash = $12, updated_at = $13, \
         wanted_active = CASE WHEN active <> $6 AND provisioner IS NOT NULL THEN $6 ELSE wanted_active END, \
         unassigned = CASE WHEN $6 THEN FALSE ELSE unassigned END WHERE id = $1",
        user,
    )
    .execute(connection)
    .await
    .map_err(|error| taken(error, user))?;
    Ok(())
}

pub(super) async fn delete(connection: &mut Connection, id: UserId, now: Timestamp) -> Outcome<()> {
    let gone = query("DELETE FROM users WHERE id = $1").bind(id.to_string()).execute(&mut *connection).await?;
    if gone == 0 {
        return refuse(DirectoryError::Missing("user"));
    }
    provisioned::forget(connection, id).await?;
    factor::remove_all(connection, id, None).await?;
    program::revoke_owned(connection, id, now).await?;
    changes::announce(connection, &Change::User(id), now).await?;
    Ok(())
}

/// Which name is taken: PostgreSQL names the index, SQLite its columns.
fn taken(error: sqlx::Error, user: &User) -> Failure<DirectoryError> {
    match &error {
        sqlx::Error::Database(conflict) if conflict.is_unique_violation() => {
            let linked = user
                .link
                .as_ref()
                .filter(|_| conflict.constraint() == Some("users_by_link") || conflict.message().contains("users.subject"));
            Failure::Refused(DirectoryError::Conflict(match linked {
                Some(link) => format!("the account {} of connection {}", link.subject, link.connection),
                None => format!("the user name {}", user.user_name),
            }))
        }
        _ => error.into(),
    }
}
