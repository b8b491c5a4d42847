//! `doorward schema`: the JSON Schema of the configuration file.
//!
//! Refuses nothing; an editor that knows the schema refuses the typing error before `check` has to.

use super::{Exit, store};
use crate::config;

pub(super) fn run() -> anyhow::Result<Exit> {
    store::say(config::schema::published()?)?;
    Ok(Exit::Success)
}
