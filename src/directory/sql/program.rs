//! Keys and clients: their rows and the statements about them.
//!
//! Refuses to lift a revocation and to keep a third secret alive, because both are how a stolen key survives.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::super::{DirectoryError, Page, ProgramUse};
use super::user::undecodable;
use super::{Outcome, refuse};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, Failure, FromRow, Json, Readers, Row, changes, query};
use crate::model::{Change, Program, ProgramKind, ProgramSecret, Scope, TenantId, UserId};

/// Keys that a person may make for themselves in a day, and dead ones of theirs that are kept, or twice as many as may work at a time if that is
/// more: without a bound, whoever makes and revokes in a loop would fill the store.
const OWN_A_DAY: i64 = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

struct Stored(Program);

/// A secret as the column `secrets` holds it.
#[derive(Serialize, Deserialize)]
struct StoredSecret {
    digest: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl From<&ProgramSecret> for StoredSecret {
    fn from(secret: &ProgramSecret) -> Self {
        Self { digest: secret.digest.to_hex(), created_at: secret.created_at, expires_at: secret.expires_at }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the stored {0} is not one")]
struct Undecodable(&'static str);

impl TryFrom<StoredSecret> for ProgramSecret {
    type Error = Undecodable;

    fn try_from(stored: StoredSecret) -> Result<Self, Undecodable> {
        let digest = Digest::from_hex(&stored.digest).ok_or(Undecodable("digest"))?;
        Ok(Self { digest, created_at: stored.created_at, expires_at: stored.expires_at })
    }
}

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let moment = |column| row.try_get::<Option<i64>>(column).map(|at| at.map(Timestamp::from_millis));
        let Json(scopes): Json<Vec<Scope>> = row.try_get("scopes")?;
        let Json(networks): Json<Vec<IpNet>> = row.try_get("networks")?;
        let Json(secrets): Json<Vec<StoredSecret>> = row.try_get("secrets")?;
        Ok(Self(Program {
            kind: kind_of(row.try_get("kind")?)?,
            id: row.try_get("id")?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            name: row.try_get("name")?,
            owner: row.try_get::<Option<String>>("owner")?.map(|id| id.parse()).transpose().map_err(undecodable)?,
            within_owner: row.try_get("within_owner")?,
            roles: row.try_get::<Json<_>>("roles")?.0,
            scopes,
            networks,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            expires_at: moment("expires_at")?,
            revoked_at: moment("revoked_at")?,
            last_used_at: moment("last_used_at")?,
            secrets: secrets.into_iter().map(TryInto::try_into).collect::<Result<_, _>>().map_err(undecodable)?,
        }))
    }
}

pub(super) fn kind_of(text: &str) -> Result<ProgramKind, sqlx::Error> {
    [ProgramKind::ApiKey, ProgramKind::Client]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| undecodable(Undecodable("kind of program")))
}

/// The word for it in messages to people.
const fn noun(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::ApiKey => "key",
        ProgramKind::Client => "client",
    }
}

pub(super) async fn by_id(readers: &Readers, kind: ProgramKind, id: &str) -> Result<Option<Program>, sqlx::Error> {
    let found =
        query("SELECT * FROM programs WHERE kind = $1 AND id = $2").bind(kind.as_str()).bind(id).fetch_optional(readers).await?;
    Ok(found.map(|Stored(program)| program))
}

pub(super) async fn page(
    readers: &Readers,
    kind: ProgramKind,
    tenant: &TenantId,
    page: &Page,
) -> Result<Vec<Program>, sqlx::Error> {
    let found = query("SELECT * FROM programs WHERE kind = $1 AND tenant = $2 AND id > $3 ORDER BY id LIMIT $4")
        .bind(kind.as_str())
        .bind(tenant.as_str())
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.limit)
        .fetch_all(readers)
        .await?;
    Ok(found.into_iter().map(|Stored(program)| program).collect())
}

pub(super) async fn owned(readers: &Readers, kind: ProgramKind, owner: UserId) -> Result<Vec<Program>, sqlx::Error> {
    let found = query(
        "SELECT * FROM programs WHERE owner = $1 AND kind = $2 AND revoked_at IS NULL \
         ORDER BY created_at DESC, id LIMIT 1000",
    )
    .bind(owner.to_string())
    .bind(kind.as_str())
    .fetch_all(readers)
    .await?;
    Ok(found.into_iter().map(|Stored(program)| program).collect())
}

/// The owner's row is locked before it is counted, so that two at once are not both the last one.
pub(super) async fn create_own(connection: &mut Connection, program: Program, most: u32, now: Timestamp) -> Outcome<()> {
    check_owner(connection, &program).await?;
    let there: i64 = query(
        "SELECT count(*) FROM programs WHERE owner = $1 AND within_owner AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(program.owner.map(|owner| owner.to_string()))
    .bind(now.millis())
    .fetch_one(&mut *connection)
    .await?;
    if there >= i64::from(most) {
        return refuse(DirectoryError::Full("keys"));
    }
    let lately: i64 = query("SELECT count(*) FROM programs WHERE owner = $1 AND within_owner AND created_at > $2")
        .bind(program.owner.map(|owner| owner.to_string()))
        .bind(now.before(DAY).millis())
        .fetch_one(&mut *connection)
        .await?;
    let bound = OWN_A_DAY.max(i64::from(most) * 2);
    if lately >= bound {
        return refuse(DirectoryError::Overused("keys"));
    }
    forget_dead(connection, &program, bound, now).await?;
    insert(connection, program).await
}

/// Removes what of its owner's does not work any more, but for the newest: the trail keeps what became of the others.
async fn forget_dead(connection: &mut Connection, program: &Program, kept: i64, now: Timestamp) -> Outcome<()> {
    query(
        "DELETE FROM programs WHERE (kind, id) IN (SELECT kind, id FROM programs WHERE owner = $1 AND within_owner \
         AND (revoked_at IS NOT NULL OR expires_at <= $2) ORDER BY created_at DESC, id LIMIT $4 OFFSET $3)",
    )
    .bind(program.owner.map(|owner| owner.to_string()))
    .bind(now.millis())
    .bind(kept)
    .bind(i64::MAX)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn create(connection: &mut Connection, program: Program) -> Outcome<()> {
    check_owner(connection, &program).await?;
    insert(connection, program).await
}

async fn insert(connection: &mut Connection, program: Program) -> Outcome<()> {
    let secrets: Vec<StoredSecret> = program.secrets.iter().map(StoredSecret::from).collect();
    query(
        "INSERT INTO programs (kind, id, tenant, name, owner, roles, scopes, networks, secrets, created_at, expires_at, \
         revoked_at, last_used_at, within_owner) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(program.kind.as_str())
    .bind(&program.id)
    .bind(program.tenant.as_str())
    .bind(&program.name)
    .bind(program.owner.map(|owner| owner.to_string()))
    .bind(Json(&program.roles))
    .bind(Json(&program.scopes))
    .bind(Json(&program.networks))
    .bind(Json(secrets))
    .bind(program.created_at.millis())
    .bind(program.expires_at.map(Timestamp::millis))
    .bind(program.revoked_at.map(Timestamp::millis))
    .bind(program.last_used_at.map(Timestamp::millis))
    .bind(program.within_owner)
    .execute(connection)
    .await
    .map_err(|error| taken(error, &program))?;
    Ok(())
}

fn taken(error: sqlx::Error, program: &Program) -> Failure<DirectoryError> {
    match &error {
        sqlx::Error::Database(conflict) if conflict.is_unique_violation() => {
            Failure::Refused(DirectoryError::Conflict(format!("the {} id {}", noun(program.kind), program.id)))
        }
        _ => error.into(),
    }
}

/// A key acts with its owner's standing, so an owner from another tenant would cross the line between tenants.
async fn check_owner(connection: &mut Connection, program: &Program) -> Outcome<()> {
    let Some(owner) = program.owner else { return Ok(()) };
    let known: Option<String> = query("SELECT id FROM users WHERE id = $1 AND tenant = $2")
        .bind(owner.to_string())
        .bind(program.tenant.as_str())
        .for_update()
        .fetch_optional(connection)
        .await?;
    if known.is_some() { Ok(()) } else { refuse(DirectoryError::Missing("owner")) }
}

pub(super) async fn update(connection: &mut Connection, before: Program, program: Program, now: Timestamp) -> Outcome<()> {
    let stored = query("SELECT * FROM programs WHERE kind = $1 AND id = $2 AND tenant = $3")
        .bind(program.kind.as_str())
        .bind(&program.id)
        .bind(program.tenant.as_str())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => return refuse(DirectoryError::Missing(noun(program.kind))),
        Some(Stored(stored)) if !is_as_before(&stored, &before) => return refuse(DirectoryError::Stale(noun(program.kind))),
        Some(_) => {}
    }
    check_owner(connection, &program).await?;
    query(
        "UPDATE programs SET name = $4, owner = $5, roles = $6, scopes = $7, networks = $8, expires_at = $9 \
         WHERE kind = $1 AND id = $2 AND tenant = $3",
    )
    .bind(program.kind.as_str())
    .bind(&program.id)
    .bind(program.tenant.as_str())
    .bind(&program.name)
    .bind(program.owner.map(|owner| owner.to_string()))
    .bind(Json(&program.roles))
    .bind(Json(&program.scopes))
    .bind(Json(&program.networks))
    .bind(program.expires_at.map(Timestamp::millis))
    .execute(&mut *connection)
    .await?;
    changes::announce(connection, &Change::Program(program.kind, program.id), now).await?;
    Ok(())
}

/// Whether nothing that an update replaces was changed meanwhile; use and rotation go on all the time.
fn is_as_before(stored: &Program, before: &Program) -> bool {
    stored.name == before.name
        && (stored.owner, stored.expires_at) == (before.owner, before.expires_at)
        && (&stored.roles, &stored.scopes, &stored.networks) == (&before.roles, &before.scopes, &before.networks)
}

pub(super) async fn rotate(
    connection: &mut Connection,
    kind: ProgramKind,
    id: String,
    secret: ProgramSecret,
    previous_until: Timestamp,
) -> Outcome<()> {
    let found: Option<(Json<Vec<StoredSecret>>, Option<i64>)> =
        query("SELECT secrets, revoked_at FROM programs WHERE kind = $1 AND id = $2")
            .bind(kind.as_str())
            .bind(&id)
            .for_update()
            .fetch_optional(&mut *connection)
            .await?;
    let Some((Json(before), revoked_at)) = found else { return refuse(DirectoryError::Missing(noun(kind))) };
    if revoked_at.is_some() {
        return refuse(DirectoryError::Revoked(noun(kind)));
    }
    let mut secrets = vec![StoredSecret::from(&secret)];
    secrets.extend(before.into_iter().take(1).map(|mut previous| {
        previous.expires_at = Some(previous.expires_at.map_or(previous_until, |end| end.min(previous_until)));
        previous
    }));
    query("UPDATE programs SET secrets = $3 WHERE kind = $1 AND id = $2")
        .bind(kind.as_str())
        .bind(&id)
        .bind(Json(secrets))
        .execute(&mut *connection)
        .await?;
    changes::announce(connection, &Change::Program(kind, id), secret.created_at).await?;
    Ok(())
}

pub(super) async fn revoke(connection: &mut Connection, kind: ProgramKind, id: String, at: Timestamp) -> Outcome<()> {
    let done = query("UPDATE programs SET revoked_at = $3 WHERE kind = $1 AND id = $2 AND revoked_at IS NULL")
        .bind(kind.as_str())
        .bind(&id)
        .bind(at.millis())
        .execute(&mut *connection)
        .await?;
    if done == 1 {
        changes::announce(connection, &Change::Program(kind, id), at).await?;
        return Ok(());
    }
    let there = query("SELECT id FROM programs WHERE kind = $1 AND id = $2").bind(kind.as_str()).bind(&id);
    match there.fetch_optional::<String>(connection).await? {
        Some(_) => Ok(()),
        None => refuse(DirectoryError::Missing(noun(kind))),
    }
}

/// Revokes what a person that is being removed owns.
pub(super) async fn revoke_owned(connection: &mut Connection, owner: UserId, at: Timestamp) -> Outcome<()> {
    let revoked: Vec<(String, String)> =
        query("UPDATE programs SET revoked_at = $2 WHERE owner = $1 AND revoked_at IS NULL RETURNING kind, id")
            .bind(owner.to_string())
            .bind(at.millis())
            .fetch_all(&mut *connection)
            .await?;
    for (kind, id) in revoked {
        changes::announce(connection, &Change::Program(kind_of(&kind)?, id), at).await?;
    }
    Ok(())
}

pub(super) async fn record_use(connection: &mut Connection, mut uses: Vec<ProgramUse>) -> Outcome<()> {
    // In one order on every replica, so that none waits for another that waits for it.
    uses.sort_unstable_by(|one, other| (one.kind.as_str(), &one.id).cmp(&(other.kind.as_str(), &other.id)));
    for usage in uses {
        query(
            "UPDATE programs SET last_used_at = $3 WHERE kind = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .bind(usage.kind.as_str())
        .bind(usage.id)
        .bind(usage.at.millis())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
