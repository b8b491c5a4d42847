//! What is wrong with a configuration, and where.
//!
//! Refuses to stop at the first problem, because a person who mends five things wants to run `check` once.

use std::fmt;

/// A place in the configuration, such as `routes[3].path`; the empty path is the whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The place under `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }

    /// The `index`th item of the list, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place that holds this one; `None` for the whole file.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.rfind(['.', '[']).unwrap_or(0);
        (!self.0.is_empty()).then(|| Self(self.0.get(..end).unwrap_or_default().to_owned()))
    }

    /// Whether this place is a part of `other`.
    #[must_use]
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with(['.', '[']) || (other.0.is_empty() && !rest.is_empty()))
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: Path,
    /// What is wrong, as a statement: ``role `admn` is not declared``.
    pub message: String,
    /// What to do, if there is more to say: ``did you mean `admin`?``
    pub hint: Option<String>,
}

/// The problems found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A place that has a problem already gets no second one: what follows from a mistake is noise.
    pub fn add(&mut self, path: Path, message: impl Into<String>, hint: impl Into<String>) {
        if self.0.iter().any(|known| known.path == path) {
            return;
        }
        let hint = hint.into();
        self.0.push(Problem { path, message: message.into(), hint: (!hint.is_empty()).then_some(hint) });
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}
