//! Reads a configuration file.
//!
//! Refuses a file with any problem, and says all of them, because half a configuration is an open door.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::Config;
use super::connection::Connection;
use super::document;
use super::fill;
use super::fit::{Facts, Fitting, Outside};
use super::outline::Outline;
use super::preset;
use super::reference::{self, Environment};
use super::report::{Findings, Report};
use super::schema;
use super::shape::Schema;
use super::sources::Sources;
use super::usual;

/// A megabyte of configuration is a mistake.
const MAX_BYTES: u64 = 1024 * 1024;

/// A configuration and where it came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub sources: Sources,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
    /// The files are told as well, so that mending any of them is noticed.
    #[error("{report}")]
    Invalid { report: Report, sources: Box<Sources> },
}

/// Reads the file at `path`, what it refers to, and checks its words; what they mean is checked by `app::plan`.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    load_with(path, &reference::process_environment)
}

pub(super) fn load_with(path: &Path, environment: Environment<'_>) -> Result<Loaded, LoadError> {
    let root = schema::of_config();
    let (_, config, sources) = filled(path, environment, Schema::new(&root), usual::complete)?;
    Ok(Loaded { config, sources })
}

/// Reads a file with one connection: what was typed, what it is, and where it came from.
pub(super) fn connection(path: &Path, schema: Schema<'_>) -> Result<(Value, Connection, Sources), LoadError> {
    filled(path, &reference::process_environment, schema, preset::complete_one)
}

/// The same of a connection that was sent from elsewhere, which may name nothing on this machine; `name` is what it is called in problems.
pub(super) fn connection_of(text: &str, name: &str, schema: Schema<'_>) -> Result<(Value, Connection, Sources), LoadError> {
    fitted(text, Path::new(name), Outside::Away, schema, preset::complete_one)
}

/// What was typed, with its references followed; and the same as a type, once `complete` has added what presets know.
pub(super) fn filled<T: DeserializeOwned>(
    path: &Path,
    environment: Environment<'_>,
    schema: Schema<'_>,
    complete: impl FnOnce(&mut Value),
) -> Result<(Value, T, Sources), LoadError> {
    let text = read(path).map_err(|reason| LoadError::Unreadable { file: path.to_owned(), reason })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    fitted(&text, path, Outside::Near { folder, environment }, schema, complete)
}

fn fitted<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    outside: Outside<'_>,
    schema: Schema<'_>,
    complete: impl FnOnce(&mut Value),
) -> Result<(Value, T, Sources), LoadError> {
    let (mut findings, mut facts) = (Findings::default(), Facts::default());
    let fitting = document::parse(text, &mut findings).and_then(|mut document| {
        usual::reword(&mut document);
        Fitting { schema, outside, findings: &mut findings, facts: &mut facts }.root(&document)
    });
    let typed = fitting.and_then(|fitting| {
        let mut completed = fitting.clone();
        complete(&mut completed);
        Some((fitting, fill::typed(completed, schema, &facts, &mut findings)?))
    });
    let outline = typed.as_ref().map(|(fitting, _)| Outline::of(fitting)).unwrap_or_default();
    let sources = Sources::new(path.to_owned(), facts, outline);
    match typed {
        Some((fitting, typed)) => Ok((fitting, typed, sources)),
        None => Err(LoadError::Invalid { report: Report::of(path.to_owned(), findings), sources: Box::new(sources) }),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if about.is_dir() {
        return Err("this is a folder".to_owned());
    }
    if about.len() > MAX_BYTES {
        return Err("larger than 1 MiB".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8 text after {} bytes", error.utf8_error().valid_up_to()))
}
