//! What was said about each option, by whom.
//!
//! Refuses a value of the wrong kind; knows which options were asked for, so that none is forgotten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::known::{ALL, Kind, Known};
use super::trouble::{Origin, Troubles};

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    Truth(bool),
    Number(i64),
    Float(f64),
    List(Vec<String>),
}

/// A value, and where it was said. No Debug: it may be a secret.
#[derive(Clone)]
pub(super) struct Set {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// How the option was called there.
    pub(super) name: String,
    /// The environment variable that holds it, where there is one.
    pub(super) variable: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Truth(bool),
    Text(String),
    List(Vec<String>),
    Number(i64),
    Span(Duration),
}

/// A secret, kept where it was or written in clear. No Debug.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kept {
    File(String),
    Variable { name: String, bytes: usize },
    Clear(String),
}

/// All that was said. No Debug: there are secrets in it.
#[derive(Default)]
pub(super) struct Settings {
    set: BTreeMap<&'static str, Set>,
    read: RefCell<BTreeSet<&'static str>>,
}

/// How and where an option was given.
pub(super) struct Saying<'s> {
    pub(super) name: &'s str,
    pub(super) origin: Origin,
    pub(super) variable: Option<String>,
}

impl Settings {
    /// Takes what was said; a list grows where `more` is meant.
    pub(super) fn say(&mut self, known: &'static Known, raw: Raw, saying: Saying<'_>, more: bool, troubles: &mut Troubles) {
        let Saying { name, origin, variable } = saying;
        let value = match value(known.kind, raw) {
            Ok(value) => value,
            Err(wanted) => return troubles.add(&origin, format!("`{name}` is not {wanted}"), ""),
        };
        let new = Set { value, origin, name: name.to_owned(), variable };
        match (self.set.get_mut(known.flag), &new.value) {
            (Some(Set { value: Value::List(before), .. }), Value::List(now)) if more => before.extend(now.iter().cloned()),
            _ => drop(self.set.insert(known.flag, new)),
        }
    }

    /// What was said there counts, before `self`.
    pub(super) fn overlaid(mut self, above: Self) -> Self {
        self.set.extend(above.set);
        self
    }

    /// Those that are wanted.
    pub(super) fn only(mut self, wanted: impl Fn(&Known) -> bool) -> Self {
        self.set.retain(|flag, _| ALL.iter().any(|known| known.flag == *flag && wanted(known)));
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Known, &Set)> {
        ALL.iter().filter_map(|known| Some((known, self.set.get(known.flag)?)))
    }

    fn find(&self, flag: &'static str) -> Option<&Set> {
        self.read.borrow_mut().insert(flag);
        self.set.get(flag)
    }

    pub(super) fn was_read(&self, flag: &str) -> bool {
        self.read.borrow().contains(flag)
    }

    /// Where the option was given, if it was.
    pub(super) fn said(&self, flag: &'static str) -> Option<&Set> {
        self.find(flag)
    }

    /// The text, unless it is empty.
    pub(super) fn text(&self, flag: &'static str) -> Option<&str> {
        match &self.find(flag)?.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn text_or<'s>(&'s self, flag: &'static str, otherwise: &'s str) -> &'s str {
        self.text(flag).unwrap_or(otherwise)
    }

    /// Whether it is on, by what was said or by its default.
    pub(super) fn on(&self, flag: &'static str) -> bool {
        let usual = ALL.iter().any(|known| known.flag == flag && known.kind == Kind::On);
        match self.find(flag).map(|set| &set.value) {
            Some(Value::Truth(truth)) => *truth,
            _ => usual,
        }
    }

    pub(super) fn list(&self, flag: &'static str) -> &[String] {
        match self.find(flag).map(|set| &set.value) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    pub(super) fn span(&self, flag: &'static str) -> Option<Duration> {
        match self.find(flag)?.value {
            Value::Span(span) => Some(span),
            _ => None,
        }
    }

    /// The secret in an option, or in the file that another one names.
    pub(super) fn secret(&self, flag: &'static str, file: Option<&'static str>) -> Option<Kept> {
        let named = file.and_then(|file| self.text(file)).map(|path| Kept::File(path.to_owned()));
        let Some(set) = self.find(flag) else { return named };
        let Value::Text(text) = &set.value else { return named };
        if text.is_empty() {
            return named;
        }
        Some(match &set.variable {
            Some(name) => Kept::Variable { name: name.clone(), bytes: text.len() },
            None => Kept::Clear(text.clone()),
        })
    }

    /// Whether something was said that is not the default anyway.
    pub(super) fn differs(known: &Known, set: &Set) -> bool {
        match (&set.value, known.kind) {
            (Value::Truth(truth), Kind::On) => !truth,
            (Value::Truth(truth), _) => *truth,
            (Value::Text(text), _) => !text.is_empty(),
            (Value::List(list), _) => !list.is_empty(),
            (Value::Number(_) | Value::Span(_), _) => true,
        }
    }
}

/// The value of an option of this kind, as Go's libraries read it.
fn value(kind: Kind, raw: Raw) -> Result<Value, &'static str> {
    match (kind, raw) {
        (Kind::On | Kind::Off, Raw::Truth(truth)) => Ok(Value::Truth(truth)),
        (Kind::On | Kind::Off, Raw::Text(text)) => truth(&text).map(Value::Truth).ok_or("true or false"),
        (Kind::On | Kind::Off, Raw::Number(number)) => Ok(Value::Truth(number != 0)),
        (Kind::On | Kind::Off, _) => Err("true or false"),
        (Kind::Text | Kind::Secret, Raw::Text(text)) => Ok(Value::Text(text)),
        (Kind::Text | Kind::Secret, Raw::Truth(truth)) => Ok(Value::Text(truth.to_string())),
        (Kind::Text | Kind::Secret, Raw::Number(number)) => Ok(Value::Text(number.to_string())),
        (Kind::Text | Kind::Secret, Raw::Float(_) | Raw::List(_)) => Err("a text"),
        (Kind::List, Raw::List(list)) => Ok(Value::List(list)),
        (Kind::List, Raw::Text(text)) => Ok(Value::List(separated(&text))),
        (Kind::List, _) => Err("a list of texts"),
        (Kind::Number, Raw::Number(number)) => Ok(Value::Number(number)),
        (Kind::Number, Raw::Text(text)) => text.parse().map(Value::Number).map_err(|_| "a whole number"),
        (Kind::Number, _) => Err("a whole number"),
        (Kind::Span, raw) => span(&raw).map(Value::Span).ok_or("a duration such as `30s`, `5m` or `168h`"),
    }
}

/// Go's `strconv.ParseBool`.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn separated(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Go's `time.ParseDuration`; a whole number is nanoseconds, a broken one seconds.
pub(super) fn span(raw: &Raw) -> Option<Duration> {
    match raw {
        Raw::Number(nanoseconds) => u64::try_from(*nanoseconds).ok().map(Duration::from_nanos),
        Raw::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        Raw::Text(text) if text.is_empty() || text == "0" => Some(Duration::ZERO),
        Raw::Text(text) => parts(text),
        Raw::Truth(_) | Raw::List(_) => None,
    }
}

fn parts(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut whole = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|sign: char| sign.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        whole += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        rest = after;
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_go_reads_them() {
        let text = |text: &str| Raw::Text(text.to_owned());
        for (raw, seconds) in [
            (text("168h"), 604_800.0),
            (text("1h30m"), 5400.0),
            (text("1.5h"), 5400.0),
            (text("90s"), 90.0),
            (text("250ms"), 0.25),
            (text("0"), 0.0),
            (text(""), 0.0),
            (Raw::Number(1_000_000_000), 1.0),
            (Raw::Float(2.5), 2.5),
        ] {
            assert_eq!(span(&raw), Some(Duration::from_secs_f64(seconds)), "{raw:?}");
        }
        for raw in [text("1"), text("h"), text("5 m"), text("1d"), Raw::Number(-1), Raw::Truth(true)] {
            assert_eq!(span(&raw), None, "{raw:?}");
        }
        assert_eq!((truth("false"), truth("T"), truth("yes")), (Some(false), Some(true), None));
        assert_eq!(
            value(Kind::List, text("a.example, b.example,")),
            Ok(Value::List(vec!["a.example".into(), "b.example".into()]))
        );
        assert!(value(Kind::On, text("no")).is_err() && value(Kind::Number, text("ten")).is_err());
    }
}
