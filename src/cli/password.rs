//! Where a new password comes from.
//!
//! Refuses one on the command line, where every other process can read it.

use std::io::BufRead as _;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::crypto::{Secret, random};

/// Letters and digits of a generated password: 119 bits.
const GENERATED: usize = 20;
/// Short passwords are guessed; long ones make hashing slow for everybody.
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=1024;

/// Without either flag a password is made and printed once.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Ask for the password.
    #[arg(long)]
    password_prompt: bool,
}

/// A password to set, and whether its holder has yet to hear of it.
pub(super) struct Chosen {
    pub(super) hash: String,
    pub(super) generated: Option<Secret>,
}

impl PasswordSource {
    pub(super) fn choose(&self) -> anyhow::Result<Chosen> {
        let typed = if self.password_stdin {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            Some(line.trim_end_matches(['\r', '\n']).to_owned())
        } else if self.password_prompt {
            Some(prompt()?)
        } else {
            None
        };
        if let Some(typed) = typed {
            check(&typed)?;
            return Ok(Chosen { hash: crate::crypto::password::hash(&typed)?, generated: None });
        }
        let generated = random::alphanumeric(GENERATED)?;
        Ok(Chosen { hash: crate::crypto::password::hash(&generated)?, generated: Some(Secret::new(generated)) })
    }
}

fn prompt() -> anyhow::Result<String> {
    let ask = |what| rpassword::prompt_password(what).context("there is no terminal to ask; use --password-stdin");
    let first = ask("Password: ")?;
    if first != ask("Again: ")? {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first)
}

fn check(password: &str) -> anyhow::Result<()> {
    if LENGTHS.contains(&password.chars().count()) {
        return Ok(());
    }
    bail!("a password has {} to {} letters; leave the choice to Doorward by giving none", LENGTHS.start(), LENGTHS.end())
}
