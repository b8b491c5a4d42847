//! Checkpoints that were kept elsewhere: in a log, with a sink, on paper.
//!
//! Refuses one that was not signed by this door; with a genuine one, an older copy of the whole database is found.

use serde_json::Value;

use super::super::statement::{Signed, Stand, Statement, What};
use super::ledger::Ledger;
use super::{Broken, Fault, Stopped, fetch};
use crate::db::{Database, query};

/// A text without a checkpoint in it.
#[derive(Debug, thiserror::Error)]
#[error("there is no checkpoint in it: a JSON object with `body`, `kid` and `signature`, or a line that holds one")]
pub struct NoCheckpoint;

/// The checkpoints in `text`: JSON, or lines of which some hold it, as a log and a sink have them.
///
/// # Errors
/// [`NoCheckpoint`] when there is none.
pub fn read(text: &str) -> Result<Vec<Signed>, NoCheckpoint> {
    let mut found = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => search(&value, &mut found),
        Err(_) => text.lines().for_each(|line| search_line(line, &mut found)),
    }
    if found.is_empty() { Err(NoCheckpoint) } else { Ok(found) }
}

fn search_line(line: &str, found: &mut Vec<Signed>) {
    // A line of a log has other words before it.
    let begin = line.char_indices().filter(|(_, letter)| *letter == '{').map(|(place, _)| place);
    for place in begin {
        let mut values = serde_json::Deserializer::from_str(&line[place..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            return search(&value, found);
        }
    }
}

fn search(value: &Value, found: &mut Vec<Signed>) {
    match value {
        Value::Object(fields) => match serde_json::from_value::<Signed>(value.clone()) {
            Ok(signed) => found.push(signed),
            Err(_) => fields.values().for_each(|value| search(value, found)),
        },
        Value::Array(items) => items.iter().for_each(|item| search(item, found)),
        // A log in JSON has it as a text.
        Value::String(text) if text.starts_with('{') => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                search(&inner, found);
            }
        }
        _ => {}
    }
}

/// A checkpoint from elsewhere that is genuine.
pub(super) struct Outside {
    pub number: i64,
    pub body: String,
    pub heads: Vec<Stand>,
}

pub(super) fn trusted(outside: &[Signed], ledger: &Ledger<'_>) -> Result<Vec<Outside>, Stopped> {
    let genuine = outside.iter().map(|signed| {
        let Some(Statement { number, what, .. }) = ledger.genuine(signed) else {
            let mut broken =
                Broken::of_statement(Fault::StatementForged, 0, "the checkpoint from elsewhere was not signed by this door");
            broken.statement = None;
            return Err(broken.into());
        };
        let heads = if let What::Checkpoint { heads } = what { heads } else { Vec::new() };
        Ok(Outside { number, body: signed.body.clone(), heads })
    });
    genuine.collect()
}

/// Whether what is here is what the checkpoints say; the chains were walked before.
pub(super) async fn compare(database: &Database, outside: &[Outside], ledger: &Ledger<'_>) -> Result<(), Stopped> {
    for Outside { number, body, heads } in outside {
        if *number > ledger.number() {
            let why = format!("the checkpoint from elsewhere is statement {number}, and here they end with {}", ledger.number());
            return Err(Broken::of_statement(Fault::OlderCopy, ledger.number() + 1, why).into());
        }
        if ledger.body(*number).await?.as_ref() != Some(body) {
            return Err(
                Broken::of_statement(Fault::StatementForged, *number, "the checkpoint from elsewhere says otherwise").into()
            );
        }
        for head in heads {
            let (first, _) = ledger.beginning(&head.chain);
            if head.link >= first && hash_at(database, &head.chain, head.link).await?.as_ref() != Some(&head.hash) {
                let why = "the checkpoint from elsewhere has another hash";
                return Err(Broken::of_link(Fault::Changed, &head.chain, head.link, why).into());
            }
        }
    }
    Ok(())
}

/// The hash that a link has here, in hexadecimal.
pub(super) async fn hash_at(database: &Database, chain: &str, link: i64) -> Result<Option<String>, Stopped> {
    let hash = query("SELECT hash FROM audit WHERE chain = $1 AND link = $2").bind(chain).bind(link);
    let hash: Option<Option<Vec<u8>>> = fetch(database, hash).await?.into_iter().next();
    let hash = hash.flatten().and_then(|hash| hash.try_into().ok()).map(crate::crypto::Digest::from_bytes);
    Ok(hash.map(|hash| hash.to_hex()))
}
