//! Problems with their places, ready to be printed.
//!
//! Refuses to show the file's text: a line that is quoted for context may be the line with the secret.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A place in the configuration file; both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    pub line: usize,
    /// In characters.
    pub column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

impl From<saphyr_parser::Marker> for Place {
    fn from(marker: saphyr_parser::Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// One problem or warning, where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, as a statement.
    pub message: String,
    /// What to do, if there is more to say.
    pub hint: Option<String>,
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        let hint = hint.into();
        self.0.push(Finding { place, message: message.into(), hint: (!hint.is_empty()).then_some(hint) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }
}

/// What was found in one file, in the order of the file. Shown as `file:line:column: message`, each with its hint below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub file: PathBuf,
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(file: PathBuf, findings: impl IntoIterator<Item = Finding>) -> Self {
        let mut findings: Vec<_> = findings.into_iter().collect();
        findings.sort();
        findings.dedup();
        Self { file, findings }
    }

    pub(super) fn of(file: PathBuf, findings: Findings) -> Self {
        Self::new(file, findings.0)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let Place { line, column } = finding.place;
            write!(f, "{}:{line}:{column}: {}", self.file.display(), finding.message)?;
            if let Some(hint) = &finding.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}
