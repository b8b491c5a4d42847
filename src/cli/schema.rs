//! `doorward schema`: the JSON Schema of the configuration file.
//!
//! Refuses nothing; an editor that knows the schema refuses the typing error before `check` has to.

use std::io::Write;

use super::Exit;
use crate::config;

pub(super) fn run() -> anyhow::Result<Exit> {
    std::io::stdout().write_all(config::schema::published()?.as_bytes())?;
    Ok(Exit::Success)
}
