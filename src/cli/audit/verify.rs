//! `doorward audit verify` and `key`: whether the trail is what was written, and what others need to find that out.
//!
//! Refuses to say that all is well where it could not look.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::audit::verify::{Report, read_checkpoints};
use crate::audit::{Signed, SqlAudit};
use crate::cli::store::{self, Store};
use crate::crypto::signer::PublicKey;

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// A checkpoint that was kept elsewhere: the event `audit_checkpoint` or the line of the log, also several; `-` reads standard input.
    /// Only with one is it found that somebody put back an older copy of the whole database.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// A key that is trusted besides those of the configuration, as `doorward audit key` printed it. Can be repeated.
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<PublicKey>,
    /// A JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Key {
    /// A JSON Web Key (RFC 8037) instead of text.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(in crate::cli) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let outside = self.checkpoint.map(read).transpose()?.unwrap_or_default();
        let report = proof(store)?.verify(self.public_keys, &outside).await?;
        if self.json {
            store::print_json(&report)?;
        } else {
            store::say(summary(&report))?;
        }
        match report.broken {
            Some(broken) => bail!("the audit trail is not as it was written: {broken}"),
            None => Ok(()),
        }
    }
}

impl Key {
    pub(in crate::cli) fn run(self, store: &Store) -> anyhow::Result<()> {
        let key = proof(store)?.source().keys().next().context("there is no key")?;
        if self.json {
            return store::print_json(
                &serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": key.to_string(), "kid": key.id() }),
            );
        }
        store::say(key)
    }
}

fn proof(store: &Store) -> anyhow::Result<&SqlAudit> {
    store.memory.proof.as_ref().context("there is no store")
}

fn read(file: PathBuf) -> anyhow::Result<Vec<Signed>> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(read_checkpoints(&text)?)
}

fn summary(report: &Report) -> String {
    let Report { events, chains, statements, older, .. } = report;
    let (events, chains, statements) = (counted(*events, "event"), counted(*chains, "chain"), counted(*statements, "statement"));
    let older = if *older > 0 {
        format!("; older than the chains, and not covered: {}", counted(*older, "event"))
    } else {
        String::new()
    };
    format!("checked {events} in {chains}, and {statements}{older}")
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
