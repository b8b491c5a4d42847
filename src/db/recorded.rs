//! What the database is asked for the sake of a request that is recorded, as spans (semantic conventions for databases).
//!
//! Refuses the text of a statement and its values: the operation and the table say what was asked.

use sqlx::Error;

use super::{Failure, Unavailable};
use crate::trace::{self, Attribute, Open};

pub(super) const SQLITE: &str = "sqlite";
pub(super) const POSTGRES: &str = "postgresql";

/// Begins the span of a statement.
pub(super) fn statement(system: &'static str, text: &str) -> Option<Open> {
    trace::begin(|_| {
        let (operation, table) = (text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase(), table(text));
        let mut attributes: Vec<(_, Attribute)> =
            vec![("db.system.name", system.into()), ("db.operation.name", operation.clone().into())];
        let Some(table) = table else { return (operation, attributes) };
        attributes.push(("db.collection.name", table.to_owned().into()));
        (format!("{operation} {table}"), attributes)
    })
}

/// Begins the span of work that is done whole or not at all.
pub(super) fn transaction(system: &'static str) -> Option<Open> {
    trace::begin(|_| ("TRANSACTION", vec![("db.system.name", system.into()), ("db.operation.name", "TRANSACTION".into())]))
}

/// Tells how a statement went.
pub(super) fn end<T>(span: Option<Open>, outcome: &Result<T, Error>) {
    let Some(mut span) = span else { return };
    match outcome {
        Ok(_) => span.succeed(),
        Err(Error::Database(error)) => {
            let code = error.code().map(std::borrow::Cow::into_owned);
            if let Some(code) = &code {
                span.note("db.response.status_code", code.clone());
            }
            span.fail(code.unwrap_or_else(|| "database".to_owned()));
        }
        Err(Error::RowNotFound) => span.fail("row_not_found"),
        Err(Error::PoolTimedOut) => span.fail("pool_timed_out"),
        Err(Error::Io(_)) => span.fail("io"),
        Err(_) => span.fail("_OTHER"),
    }
}

/// Tells how work went. What the work itself refused is no failure of the database.
pub(super) fn end_transaction<T, E>(span: Option<Open>, outcome: &Result<T, Failure<E>>) {
    let Some(span) = span else { return };
    match outcome {
        Ok(_) | Err(Failure::Refused(_)) => span.succeed(),
        Err(Failure::Unavailable(why)) => span.fail(match why {
            Unavailable::Failed(_) => "database",
            Unavailable::Late => "timeout",
            Unavailable::Overloaded => "overloaded",
            Unavailable::Closed => "closed",
            Unavailable::Unprepared => "unprepared",
        }),
    }
}

/// The first table that a statement names.
fn table(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    words.find(|word| ["FROM", "INTO", "UPDATE"].iter().any(|before| word.eq_ignore_ascii_case(before)))?;
    let name = words.next()?.trim_matches('"');
    let end = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_first_that_is_named() {
        for (text, expected) in [
            ("SELECT a, b FROM sessions WHERE digest = $1", Some("sessions")),
            ("INSERT INTO \"user\" (id) VALUES ($1)", Some("user")),
            ("UPDATE programs SET used = $1", Some("programs")),
            ("SELECT count(*) FROM (SELECT 1 FROM events)", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(table(text), expected, "{text}");
        }
    }
}
