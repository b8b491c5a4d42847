//! Connections: their rows and the statements about them.
//!
//! Refuses to store over a change it has not seen, because two administrators may mend one connection at once.

use async_trait::async_trait;

use super::super::connections::Connections;
use super::user::undecodable;
use super::{DirectoryError, Outcome, SqlDirectory, refuse};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Json, Row, changes, query};
use crate::model::{Change, ConnectionId, StoredConnection};

struct Stored(StoredConnection);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self(StoredConnection {
            id: row.try_get::<String>("id")?.parse().map_err(undecodable)?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            document: row.try_get::<Json<_>>("document")?.0,
            secrets: row.try_get("secrets")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        }))
    }
}

#[async_trait]
impl Connections for SqlDirectory {
    async fn create_connection(&self, connection: &StoredConnection) -> Result<(), DirectoryError> {
        let (new, now) = (connection.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(create(connection, new, now))).await?)
    }

    async fn connections(&self) -> Result<Vec<StoredConnection>, DirectoryError> {
        let query = query("SELECT * FROM connections ORDER BY id");
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Stored(connection)| connection).collect())
    }

    async fn update_connection(&self, connection: &StoredConnection) -> Result<StoredConnection, DirectoryError> {
        let (new, now) = (connection.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(update(connection, new, now))).await?)
    }

    async fn delete_connection(&self, id: &ConnectionId) -> Result<(), DirectoryError> {
        let (id, now) = (id.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(delete(connection, id, now))).await?)
    }
}

async fn create(connection: &mut Connection, new: StoredConnection, now: Timestamp) -> Outcome<()> {
    query("INSERT INTO connections (id, tenant, document, secrets, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(new.id.as_str())
        .bind(new.tenant.as_str())
        .bind(Json(&new.document))
        .bind(&new.secrets)
        .bind(new.created_at.millis())
        .bind(new.updated_at.millis())
        .execute(&mut *connection)
        .await
        .map_err(|error| taken(error, &new.id))?;
    changes::announce(connection, &Change::Connections, now).await?;
    Ok(())
}

async fn update(connection: &mut Connection, mut new: StoredConnection, now: Timestamp) -> Outcome<StoredConnection> {
    let stored: Option<i64> = query("SELECT updated_at FROM connections WHERE id = $1")
        .bind(new.id.as_str())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => return refuse(DirectoryError::Missing("connection")),
        Some(stored) if stored != new.updated_at.millis() => return refuse(DirectoryError::Stale("connection")),
        Some(_) => {}
    }
    // Always moves on: it is the version, too.
    new.updated_at = now.max(Timestamp::from_millis(new.updated_at.millis().saturating_add(1)));
    query("UPDATE connections SET tenant = $2, document = $3, secrets = $4, updated_at = $5 WHERE id = $1")
        .bind(new.id.as_str())
        .bind(new.tenant.as_str())
        .bind(Json(&new.document))
        .bind(&new.secrets)
        .bind(new.updated_at.millis())
        .execute(&mut *connection)
        .await?;
    changes::announce(connection, &Change::Connections, now).await?;
    Ok(new)
}

async fn delete(connection: &mut Connection, id: ConnectionId, now: Timestamp) -> Outcome<()> {
    let gone = query("DELETE FROM connections WHERE id = $1").bind(id.as_str()).execute(&mut *connection).await?;
    if gone == 0 {
        return refuse(DirectoryError::Missing("connection"));
    }
    changes::announce(connection, &Change::Connections, now).await?;
    Ok(())
}

fn taken(error: sqlx::Error, id: &ConnectionId) -> Failure<DirectoryError> {
    match &error {
        sqlx::Error::Database(conflict) if conflict.is_unique_violation() => {
            Failure::Refused(DirectoryError::Conflict(format!("the connection id {id}")))
        }
        _ => error.into(),
    }
}
