//! Where a configuration came from: the files to watch, and the place of every value.
//!
//! Refuses to lose a place: what is not in the file itself is found at the nearest part that is.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};

use super::fit::Facts;
use super::outline::Outline;
use super::problem::{Path, Problems};
use super::report::{Finding, Place, Report};

/// Where a configuration came from.
#[derive(Debug)]
pub struct Sources {
    file: PathBuf,
    facts: Facts,
    outline: Outline,
}

impl Sources {
    pub(super) fn new(file: PathBuf, mut facts: Facts, outline: Outline) -> Self {
        facts.files.insert(file.clone());
        Self { file, facts, outline }
    }

    /// What there was in it.
    #[must_use]
    pub const fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> &FilePath {
        &self.file
    }

    /// Every file that was read or is named: the configuration, secrets, certificates, keys, authorities, key sets. A change of
    /// any of them is a reason to load again.
    #[must_use]
    pub fn files(&self) -> &BTreeSet<PathBuf> {
        &self.facts.files
    }

    /// Secrets that are written in the configuration file itself.
    pub fn inline_secrets(&self) -> impl Iterator<Item = &Path> {
        self.facts.inline_secrets.iter()
    }

    /// Where `path` is written, or else the nearest part of the file that holds it.
    #[must_use]
    pub fn place(&self, path: &Path) -> Place {
        let mut part = Some(path.clone());
        while let Some(path) = part {
            if let Some(place) = self.facts.places.get(&path) {
                return *place;
            }
            part = path.parent();
        }
        Place::START
    }

    /// Problems that were found by what the words mean, with their places.
    #[must_use]
    pub fn report(&self, problems: &Problems) -> Report {
        let findings = problems.iter().map(|problem| Finding {
            place: self.place(&problem.path),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        });
        Report::new(self.file.clone(), findings)
    }
}
