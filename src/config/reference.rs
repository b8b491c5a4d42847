//! Values kept elsewhere: `{ env: NAME }` and `{ file: path }`. The only place that reads the environment.
//!
//! Refuses what is unset, empty, too large, not a file or not text, because a secret that silently is nothing opens doors.

use std::path::Path;

/// More than any secret or key bundle.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a value that is kept elsewhere could not be had. Says the name, never the content.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error("environment variable `{0}` is not set")]
    Unset(String),
    #[error("environment variable `{0}` is empty")]
    EmptyVariable(String),
    #[error("environment variable `{0}` is not UTF-8 text")]
    VariableNotText(String),
    #[error("file `{0}` cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    #[error("`{0}` is not a file")]
    NotAFile(String),
    #[error("file `{0}` is larger than 1 MiB")]
    TooLarge(String),
    #[error("file `{0}` is not UTF-8 text")]
    FileNotText(String),
    #[error("file `{0}` is empty")]
    EmptyFile(String),
}

impl ReferenceError {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Unset(_) | Self::EmptyVariable(_) => "set it where doorward is started",
            Self::Unreadable(..) => {
                "paths are relative to the configuration file; the user doorward runs as must be able to read it"
            }
            Self::EmptyFile(_) => "write the value into it",
            Self::VariableNotText(_) | Self::NotAFile(_) | Self::TooLarge(_) | Self::FileNotText(_) => "",
        }
    }
}

/// Answers what an environment variable holds; tests bring their own.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Result<String, std::env::VarError>;

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(super) fn process_environment(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

/// Every variable of the process' environment that is text.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

pub(super) fn from_environment(name: &str, environment: Environment<'_>) -> Result<String, ReferenceError> {
    match environment(name) {
        Ok(text) if text.is_empty() => Err(ReferenceError::EmptyVariable(name.to_owned())),
        Ok(text) => Ok(text),
        Err(std::env::VarError::NotPresent) => Err(ReferenceError::Unset(name.to_owned())),
        Err(std::env::VarError::NotUnicode(_)) => Err(ReferenceError::VariableNotText(name.to_owned())),
    }
}

/// What the file holds, without its final newline: editors and `echo` add one that nobody means.
pub(super) fn from_file(path: &Path) -> Result<String, ReferenceError> {
    let name = || path.display().to_string();
    let unreadable = |error| ReferenceError::Unreadable(name(), error);
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(ReferenceError::NotAFile(name()));
    }
    if about.len() > MAX_BYTES {
        return Err(ReferenceError::TooLarge(name()));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| ReferenceError::FileNotText(name()))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err(ReferenceError::EmptyFile(name())) } else { Ok(text.to_owned()) }
}
