//! From which networks programs are used: the rows and the statements about them.
//!
//! Refuses to let two replicas tell the same: whoever's row it is tells it, and a row is there once.

use std::time::Duration;

use async_trait::async_trait;

use super::super::networks::{MOST_NETWORKS, Networks, NewNetwork, Visit, neighbourhood};
use super::super::{DirectoryError, SqlDirectory};
use super::Outcome;
use super::program::kind_of;
use super::user::undecodable;
use crate::clock::Timestamp;
use crate::db::{Connection, FromRow, Row, query};

#[async_trait]
impl Networks for SqlDirectory {
    async fn learn(&self, visits: &[(Visit, Timestamp)], learning: Option<Duration>) -> Result<Vec<NewNetwork>, DirectoryError> {
        let visits = visits.to_vec();
        Ok(self.database.write(move |connection| Box::pin(learn(connection, visits, learning))).await?)
    }

    async fn untold(&self, before: Timestamp, now: Timestamp) -> Result<Vec<NewNetwork>, DirectoryError> {
        let count = query("SELECT count(*) FROM program_networks WHERE untold_since < $1").bind(before.millis());
        let waiting: i64 = self.database.read(count.fetch_one(self.database.readers())).await?;
        if waiting == 0 {
            return Ok(Vec::new());
        }
        Ok(self.database.write(move |connection| Box::pin(untold(connection, before, now))).await?)
    }

    async fn told(&self, new: &[NewNetwork]) -> Result<(), DirectoryError> {
        let new = new.to_vec();
        Ok(self.database.write(|connection| Box::pin(told(connection, new))).await?)
    }

    async fn purge_networks(&self, before: Timestamp) -> Result<u64, DirectoryError> {
        Ok(self.database.write(move |connection| Box::pin(purge(connection, before))).await?)
    }
}

const FOUND: &str = "SELECT n.kind, n.id, p.tenant, p.owner, n.network, n.address, n.first_at FROM program_networks n \
                     JOIN programs p ON p.kind = n.kind AND p.id = n.id WHERE ";

impl FromRow for NewNetwork {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let text = |column| row.try_get::<String>(column);
        let owner: Option<String> = row.try_get("owner")?;
        Ok(Self {
            kind: kind_of(row.try_get("kind")?)?,
            id: text("id")?,
            tenant: text("tenant")?.parse().map_err(undecodable)?,
            owner: owner.map(|owner| owner.parse()).transpose().map_err(undecodable)?,
            network: text("network")?.parse().map_err(undecodable)?,
            address: text("address")?.parse().map_err(undecodable)?,
            at: Timestamp::from_millis(row.try_get("first_at")?),
        })
    }
}

async fn learn(
    connection: &mut Connection,
    visits: Vec<(Visit, Timestamp)>,
    learning: Option<Duration>,
) -> Outcome<Vec<NewNetwork>> {
    let mut new = Vec::new();
    for (visit, at) in visits {
        let network = neighbourhood(visit.address).to_string();
        query("UPDATE programs SET networks_since = $3 WHERE kind = $1 AND id = $2 AND networks_since IS NULL")
            .bind(visit.kind.as_str())
            .bind(&visit.id)
            .bind(at.millis())
            .execute(&mut *connection)
            .await?;
        // What was there before has been used before; nobody has to be told of that.
        let kept: Option<Option<i64>> = query(
            "INSERT INTO program_networks (kind, id, network, address, first_at, last_at, untold_since) \
             SELECT kind, id, $3, $4, $5, $5, CASE WHEN networks_since < $6 THEN $5 END FROM programs WHERE kind = $1 AND id = $2 \
             AND (EXISTS (SELECT 1 FROM program_networks WHERE kind = $1 AND id = $2 AND network = $3) \
             OR (SELECT count(*) FROM program_networks WHERE kind = $1 AND id = $2) < $7) \
             ON CONFLICT (kind, id, network) DO UPDATE SET last_at = excluded.last_at WHERE program_networks.last_at < excluded.last_at \
             RETURNING CASE WHEN last_at = first_at THEN untold_since END",
        )
        .bind(visit.kind.as_str())
        .bind(&visit.id)
        .bind(&network)
        .bind(visit.address.to_canonical().to_string())
        .bind(at.millis())
        .bind(learning.map(|learning| at.before(learning).millis()))
        .bind(MOST_NETWORKS)
        .fetch_optional(&mut *connection)
        .await?;
        if kept.flatten().is_some() {
            let found = query(sqlx::AssertSqlSafe(format!("{FOUND} n.kind = $1 AND n.id = $2 AND n.network = $3")));
            let found = found.bind(visit.kind.as_str()).bind(&visit.id).bind(&network);
            new.extend(found.fetch_all::<NewNetwork>(&mut *connection).await?);
        }
    }
    Ok(new)
}

async fn untold(connection: &mut Connection, before: Timestamp, now: Timestamp) -> Outcome<Vec<NewNetwork>> {
    let claim = query("UPDATE program_networks SET untold_since = $2 WHERE untold_since < $1");
    claim.bind(before.millis()).bind(now.millis()).execute(&mut *connection).await?;
    let found = query(sqlx::AssertSqlSafe(format!("{FOUND} n.untold_since = $1"))).bind(now.millis());
    Ok(found.fetch_all(connection).await?)
}

async fn told(connection: &mut Connection, new: Vec<NewNetwork>) -> Outcome<()> {
    for new in new {
        query("UPDATE program_networks SET untold_since = NULL WHERE kind = $1 AND id = $2 AND network = $3")
            .bind(new.kind.as_str())
            .bind(new.id)
            .bind(new.network.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// From where somebody who is erased used theirs.
pub(super) async fn forget_of(connection: &mut Connection, owner: &str) -> Outcome<()> {
    query("DELETE FROM program_networks WHERE (kind, id) IN (SELECT kind, id FROM programs WHERE owner = $1)")
        .bind(owner)
        .execute(connection)
        .await?;
    Ok(())
}

async fn purge(connection: &mut Connection, before: Timestamp) -> Outcome<u64> {
    let old = query(
        "DELETE FROM program_networks WHERE last_at < $1 OR NOT EXISTS \
         (SELECT 1 FROM programs p WHERE p.kind = program_networks.kind AND p.id = program_networks.id AND p.revoked_at IS NULL)",
    );
    Ok(old.bind(before.millis()).execute(connection).await?)
}
