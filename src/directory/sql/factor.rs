//! Second factors: their rows and the statements about them.
//!
//! Refuses to read and then write: a use is one statement that only the first of several callers gets through.

use async_trait::async_trait;

use super::super::factors::{FactorUse, Factors, MOST_FACTORS};
use super::user::undecodable;
use super::{DirectoryError, Outcome, SqlDirectory, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, FromRow, Row, query};
use crate::model::{Factor, FactorKind, InvalidName, UserId};

struct Stored(Factor);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let kind: String = row.try_get("kind")?;
        let kind = FactorKind::ALL.into_iter().find(|known| known.as_str() == kind);
        Ok(Self(Factor {
            id: row.try_get("id")?,
            user: row.try_get::<String>("user")?.parse().map_err(undecodable)?,
            kind: kind.ok_or_else(|| undecodable(InvalidName("a kind of second factor that is not known")))?,
            name: row.try_get("name")?,
            secret: row.try_get("secret")?,
            counter: row.try_get("counter")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            last_used_at: row.try_get::<Option<i64>>("last_used_at")?.map(Timestamp::from_millis),
        }))
    }
}

#[async_trait]
impl Factors for SqlDirectory {
    async fn factors(&self, user: UserId) -> Result<Vec<Factor>, DirectoryError> {
        let query = query("SELECT * FROM factors WHERE \"user\" = $1 ORDER BY created_at, id").bind(user.to_string());
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Stored(factor)| factor).collect())
    }

    async fn add_factors(&self, factors: &[Factor]) -> Result<(), DirectoryError> {
        let factors = factors.to_vec();
        Ok(self.database.write(|connection| Box::pin(add(connection, factors))).await?)
    }

    async fn replace_factors(&self, user: UserId, kind: FactorKind, factors: &[Factor]) -> Result<(), DirectoryError> {
        let factors = factors.to_vec();
        Ok(self.database.write(move |connection| Box::pin(replace(connection, user, kind, factors))).await?)
    }

    async fn remove_factor(&self, user: UserId, id: &str) -> Result<bool, DirectoryError> {
        let id = id.to_owned();
        Ok(self.database.write(move |connection| Box::pin(remove(connection, user, id))).await?)
    }

    async fn remove_factors(&self, user: UserId, kind: Option<FactorKind>) -> Result<u64, DirectoryError> {
        Ok(self.database.write(move |connection| Box::pin(remove_all(connection, user, kind))).await?)
    }

    async fn use_factor(&self, user: UserId, id: &str, used: &FactorUse) -> Result<bool, DirectoryError> {
        let (id, used) = (id.to_owned(), used.clone());
        Ok(self.database.write(move |connection| Box::pin(take(connection, user, id, used))).await?)
    }
}

async fn add(connection: &mut Connection, factors: Vec<Factor>) -> Outcome<()> {
    for factor in factors {
        // The person's row stands for all their factors: who holds it counts and adds alone.
        let person = query("SELECT id FROM users WHERE id = $1").bind(factor.user.to_string()).for_update();
        if person.fetch_optional::<String>(&mut *connection).await?.is_none() {
            return refuse(DirectoryError::Missing("user"));
        }
        let count = query("SELECT count(*) FROM factors WHERE \"user\" = $1").bind(factor.user.to_string());
        let held: i64 = count.fetch_one(&mut *connection).await?;
        if usize::try_from(held).is_ok_and(|held| held >= MOST_FACTORS) {
            return refuse(DirectoryError::Conflict(format!("every place of {MOST_FACTORS} second factors")));
        }
        query(
            "INSERT INTO factors (id, \"user\", kind, name, secret, counter, created_at, last_used_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(factor.id)
        .bind(factor.user.to_string())
        .bind(factor.kind.as_str())
        .bind(factor.name)
        .bind(factor.secret)
        .bind(factor.counter)
        .bind(factor.created_at.millis())
        .bind(factor.last_used_at.map(Timestamp::millis))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn replace(connection: &mut Connection, user: UserId, kind: FactorKind, factors: Vec<Factor>) -> Outcome<()> {
    remove_all(connection, user, Some(kind)).await?;
    add(connection, factors).await
}

async fn remove(connection: &mut Connection, user: UserId, id: String) -> Outcome<bool> {
    // Whoever adds one at the same time waits: what the last device is, is decided alone.
    let person = query("SELECT id FROM users WHERE id = $1").bind(user.to_string()).for_update();
    person.fetch_optional::<String>(&mut *connection).await?;
    let gone = query("DELETE FROM factors WHERE \"user\" = $1 AND id = $2 RETURNING kind").bind(user.to_string()).bind(id);
    let Some(kind) = gone.fetch_optional::<String>(&mut *connection).await? else { return Ok(false) };
    let codes = FactorKind::RecoveryCode.as_str();
    if kind != codes {
        query(
            "DELETE FROM factors WHERE \"user\" = $1 AND kind = $2 \
             AND NOT EXISTS (SELECT device.id FROM factors device WHERE device.\"user\" = $1 AND device.kind <> $2)",
        )
        .bind(user.to_string())
        .bind(codes)
        .execute(connection)
        .await?;
    }
    Ok(true)
}

pub(super) async fn remove_all(connection: &mut Connection, user: UserId, kind: Option<FactorKind>) -> Outcome<u64> {
    let gone = query("DELETE FROM factors WHERE \"user\" = $1 AND ($2 IS NULL OR kind = $2)")
        .bind(user.to_string())
        .bind(kind.map(FactorKind::as_str));
    Ok(gone.execute(connection).await?)
}

async fn take(connection: &mut Connection, user: UserId, id: String, used: FactorUse) -> Outcome<bool> {
    let taken = query(
        "UPDATE factors SET counter = $3, secret = coalesce($4, secret), last_used_at = $5 \
         WHERE \"user\" = $1 AND id = $2 AND counter < $3",
    )
    .bind(user.to_string())
    .bind(id)
    .bind(used.counter)
    .bind(used.secret)
    .bind(used.at.millis())
    .execute(connection)
    .await?;
    Ok(taken == 1)
}
