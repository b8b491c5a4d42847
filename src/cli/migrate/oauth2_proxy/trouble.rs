//! Where something was said, and what is wrong with it.
//!
//! Refuses to stop at the first, and to show a value that may be a secret.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    CommandLine,
    /// A file and its line.
    File(String, usize),
    /// A variable of the process' own environment.
    Variable(String),
    /// Nowhere: it is oauth2-proxy's default.
    Default,
}

impl Origin {
    pub(super) fn line(file: &Path, line: usize) -> Self {
        Self::File(file.display().to_string(), line)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::File(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => write!(f, "environment: {name}"),
            Self::Default => f.write_str("options"),
        }
    }
}

/// What keeps the configuration from being translated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Trouble {
    #[serde(serialize_with = "as_text")]
    pub(super) place: Origin,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

fn as_text<S: serde::Serializer>(place: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<Trouble>);

impl Troubles {
    pub(super) fn add(&mut self, origin: &Origin, message: impl Into<String>, hint: impl Into<String>) {
        let hint = hint.into();
        let hint = (!hint.is_empty()).then_some(hint);
        self.0.push(Trouble { place: origin.clone(), message: message.into(), hint });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the sources. What is missing is only told where all that is there was understood: it may be what was not.
    pub(super) fn settled(mut self) -> Self {
        if self.0.iter().any(|trouble| trouble.place != Origin::Default) {
            self.0.retain(|trouble| trouble.place != Origin::Default);
        }
        self.0.sort();
        self.0.dedup();
        self
    }

    pub(super) fn all(&self) -> &[Trouble] {
        &self.0
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Trouble { place, message, hint }) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{place}: {message}")?;
            if let Some(hint) = hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// The known name that `typed` is most like, as a hint.
pub(super) fn like<'k>(typed: &str, known: impl Iterator<Item = &'k str>, otherwise: &str) -> String {
    let near = known.map(|name| (strsim::jaro_winkler(typed, name), name)).filter(|(likeness, _)| *likeness > 0.85);
    let best = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map_or_else(|| otherwise.to_owned(), |(_, name)| format!("did you mean `{name}`?"))
}
