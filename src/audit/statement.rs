//! Statements about the chains: where they stand, what retention and erasures took out, whose keys count.
//!
//! Refuses a statement without a number, the hash of the one before and a signature: whoever owns the database can write rows, but none
//! of these.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chain::{NOTHING, Source};
use super::event::fact::Fact;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::crypto::signer::Signer;
use crate::db::{Connection, FromRow, Row, query};

/// What is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Statement {
    pub number: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// SHA-256 of the body before, in hexadecimal; zeros for the first.
    pub previous: String,
    /// The chain of whoever says it.
    pub by: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum What {
    /// The first: events up to this number may be older than the chains.
    Beginning { older: i64 },
    /// Where chains stand that have moved.
    Checkpoint { heads: Vec<Stand> },
    /// Retention has removed the links before this one; `before` is the hash of the last of them.
    Retention { chain: String, first_link: i64, before: String },
    /// What these links told of people was removed.
    Erasure { parts: Vec<Erased> },
    /// Another key of this door: the one that signs from now on, or the one that has signed so far.
    Key { key: String, standing: Standing },
    /// A newer version's.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stand {
    pub chain: String,
    pub link: i64,
    /// In hexadecimal.
    pub hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Erased {
    pub chain: String,
    /// `actor` or `target`.
    pub part: String,
    /// From and to, both included.
    pub links: Vec<(i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Next,
    Former,
}

/// A statement as it is kept, and as a copy of it is held elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signed {
    pub body: String,
    /// The name of the key.
    pub kid: String,
    /// In base64url without padding.
    pub signature: String,
}

impl Fact for Signed {
    const FORM: &'static str = "`body`, `kid` and `signature`";

    fn value(&self) -> Value {
        json!({ "body": self.body, "kid": self.kid, "signature": self.signature })
    }
}

impl FromRow for Signed {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let signature: Vec<u8> = row.try_get("signature")?;
        Ok(Self { body: row.try_get("body")?, kid: row.try_get("kid")?, signature: URL_SAFE_NO_PAD.encode(signature) })
    }
}

/// Locked, to write statements into it.
pub(super) struct Book<'c> {
    pub connection: &'c mut Connection,
    source: &'c Source,
    at: Timestamp,
    number: i64,
    previous: Digest,
}

impl<'c> Book<'c> {
    /// Locks it until the transaction ends. Nothing that changes heads or removes events may be locked before.
    pub(super) async fn open(connection: &'c mut Connection, source: &'c Source, at: Timestamp) -> Result<Self, sqlx::Error> {
        let number: i64 = query(
            "INSERT INTO audit_statement_counter (one, newest) VALUES (1, 0) \
             ON CONFLICT (one) DO UPDATE SET newest = audit_statement_counter.newest RETURNING newest",
        )
        .fetch_one(&mut *connection)
        .await?;
        let last = query("SELECT body, kid FROM audit_statements WHERE number = $1").bind(number);
        let last: Option<(String, String)> = last.fetch_optional(&mut *connection).await?;
        let previous = last.as_ref().map_or(NOTHING, |(body, _)| Digest::of(body.as_bytes()));
        let mut book = Self { connection, source, at, number, previous };
        if number == 0 {
            let older = query("SELECT coalesce(max(seq), 0) FROM audit WHERE chain IS NULL");
            let older = older.fetch_one(&mut *book.connection).await?;
            book.state(What::Beginning { older }).await?;
        } else if let Some((_, kid)) = last {
            book.hand_over(&kid).await?;
        }
        Ok(book)
    }

    /// Where `secret_key` was changed: the former key vouches for the present one, and the other way round.
    async fn hand_over(&mut self, kid: &str) -> Result<(), sqlx::Error> {
        let source = self.source;
        if source.signer.public().id() == kid {
            return Ok(());
        }
        let Some(former) = source.former.iter().find(|former| former.public().id() == kid) else { return Ok(()) };
        let next = What::Key { key: source.signer.public().to_string(), standing: Standing::Next };
        self.sign(former, next).await?;
        self.state(What::Key { key: former.public().to_string(), standing: Standing::Former }).await.map(drop)
    }

    /// Writes a statement.
    pub(super) async fn state(&mut self, what: What) -> Result<Signed, sqlx::Error> {
        let source = self.source;
        self.sign(&source.signer, what).await
    }

    async fn sign(&mut self, signer: &Signer, what: What) -> Result<Signed, sqlx::Error> {
        let (number, at) = (self.number + 1, self.at.millis());
        let statement = Statement { number, at, previous: self.previous.to_hex(), by: self.source.chain.to_string(), what };
        let body = serde_json::to_string(&statement).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let (kid, signature) = (signer.public().id(), signer.sign(body.as_bytes()));
        query("INSERT INTO audit_statements (number, at, body, kid, signature) VALUES ($1, $2, $3, $4, $5)")
            .bind(number)
            .bind(at)
            .bind(&body)
            .bind(&kid)
            .bind(signature.as_slice())
            .execute(&mut *self.connection)
            .await?;
        let counted = query("UPDATE audit_statement_counter SET newest = $1").bind(number);
        counted.execute(&mut *self.connection).await?;
        (self.number, self.previous) = (number, Digest::of(body.as_bytes()));
        Ok(Signed { body, kid, signature: URL_SAFE_NO_PAD.encode(signature) })
    }
}
