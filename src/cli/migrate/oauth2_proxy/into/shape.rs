//! Which paths a regular expression of `--skip-auth-route` opens, as patterns of Doorward's.
//!
//! Refuses to open more than the expression does: what cannot be said exactly is said more narrowly, or not at all.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Alternatives that one expression may stand for.
const MOST: usize = 32;

/// Paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// This path alone; `*` is a whole segment.
    Exact(String),
    /// What begins with it; it ends with a slash.
    Below(String),
}

/// What an expression opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shapes {
    pub(super) all: Vec<Shape>,
    /// It also opened paths that merely begin like one of these: `/probes` where `/probe` was meant.
    pub(super) narrower: bool,
}

/// Why an expression cannot be said as patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Odd {
    #[error("this is no regular expression")]
    Broken,
    #[error("it is not anchored with `^`, so it also opens every path that holds it anywhere")]
    Unanchored,
    #[error("it is not made of fixed words and whole segments")]
    Irregular,
}

impl Shape {
    /// Whether it holds all of `other`.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(own), Self::Exact(other) | Self::Below(other)) => other.starts_with(own.as_str()),
        }
    }

    /// As a route's `path`.
    pub(super) fn pattern(&self) -> String {
        match self {
            Self::Exact(path) => path.clone(),
            Self::Below(path) => format!("{path}**"),
        }
    }

    /// The text before the first `*`.
    pub(super) fn stem(&self) -> &str {
        let (Self::Exact(path) | Self::Below(path)) = self;
        path.split('*').next().unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Start,
    End,
    Text(String),
    /// `.*`
    Rest,
    /// `[^/]+`
    Segment,
}

/// What `expression` opens.
pub(super) fn of(expression: &str) -> Result<Shapes, Odd> {
    let hir = regex_syntax::parse(expression).map_err(|_| Odd::Broken)?;
    let mut shapes = Shapes { all: Vec::new(), narrower: false };
    for parts in expanded(&hir).ok_or(Odd::Irregular)? {
        shape(&parts, &mut shapes)?;
    }
    shapes.all.sort();
    shapes.all.dedup();
    Ok(shapes)
}

fn expanded(hir: &Hir) -> Option<Vec<Vec<Part>>> {
    let all = match hir.kind() {
        HirKind::Empty => vec![Vec::new()],
        HirKind::Literal(literal) => vec![vec![Part::Text(String::from_utf8(literal.0.to_vec()).ok()?)]],
        HirKind::Class(class) => letters(class)?.into_iter().map(|letter| vec![Part::Text(letter.to_string())]).collect(),
        HirKind::Look(Look::Start) => vec![vec![Part::Start]],
        HirKind::Look(Look::End) => vec![vec![Part::End]],
        HirKind::Look(_) => return None,
        HirKind::Capture(capture) => expanded(&capture.sub)?,
        HirKind::Alternation(all) => all.iter().map(expanded).collect::<Option<Vec<_>>>()?.concat(),
        HirKind::Concat(all) => {
            let mut made = vec![Vec::new()];
            for part in all {
                let next = expanded(part)?;
                made = made.iter().flat_map(|before| next.iter().map(|after| [before.clone(), after.clone()].concat())).collect();
                if made.len() > MOST {
                    return None;
                }
            }
            made
        }
        HirKind::Repetition(repeated) => match (repeated.min, repeated.max, repeated.sub.kind()) {
            (0, None, HirKind::Class(class)) if is_anything(class) => vec![vec![Part::Rest]],
            (1, None, HirKind::Class(class)) if is_within_a_segment(class) => vec![vec![Part::Segment]],
            (0, Some(1), _) => [vec![Vec::new()], expanded(&repeated.sub)?].concat(),
            _ => return None,
        },
    };
    (all.len() <= MOST).then_some(all)
}

/// The letters of a small class.
fn letters(class: &Class) -> Option<Vec<char>> {
    let Class::Unicode(class) = class else { return None };
    let count: u32 = class.iter().map(|range| u32::from(range.end()) - u32::from(range.start()) + 1).sum();
    (count <= 16).then(|| class.iter().flat_map(|range| range.start()..=range.end()).collect())
}

/// `.`, with or without line ends, which no path holds.
fn is_anything(class: &Class) -> bool {
    let Class::Unicode(class) = class else { return false };
    let ranges: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
    matches!(ranges.as_slice(), [('\0', '\u{9}'), ('\u{b}', char::MAX)] | [('\0', char::MAX)])
}

/// `[^/]`
fn is_within_a_segment(class: &Class) -> bool {
    let Class::Unicode(class) = class else { return false };
    let ranges: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
    matches!(ranges.as_slice(), [('\0', '.'), ('0', char::MAX)])
}

fn shape(parts: &[Part], shapes: &mut Shapes) -> Result<(), Odd> {
    let parts = match parts {
        [Part::Start, rest @ ..] => rest,
        // Whatever comes before: every path.
        [Part::Rest] | [] => &[],
        _ => return Err(Odd::Unanchored),
    };
    let (mut path, mut open) = (String::new(), true);
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        match part {
            Part::Text(text) if text.bytes().all(is_plain) => path.push_str(text),
            Part::Segment if path.ends_with('/') && is_boundary(parts.get(index + 1)) => path.push('*'),
            Part::End if last => open = false,
            Part::Rest if last || parts.get(index + 1..) == Some(&[Part::End]) => break,
            _ => return Err(Odd::Irregular),
        }
    }
    if path.contains("//") || path.contains("/./") || path.contains("/../") {
        return Err(Odd::Irregular);
    }
    match (open, path.as_str()) {
        (true, "") => shapes.all.push(Shape::Below("/".to_owned())),
        (_, path) if !path.starts_with('/') => return Err(Odd::Irregular),
        (false, path) => shapes.all.push(Shape::Exact(path.to_owned())),
        (true, path) if path.ends_with('/') && !path.contains('*') => shapes.all.push(Shape::Below(path.to_owned())),
        (true, path) if path.contains('*') => return Err(Odd::Irregular),
        (true, path) => {
            shapes.narrower = true;
            shapes.all.push(Shape::Exact(path.to_owned()));
            shapes.all.push(Shape::Below(format!("{path}/")));
        }
    }
    Ok(())
}

/// Whether a segment ends there.
fn is_boundary(next: Option<&Part>) -> bool {
    match next {
        Some(Part::End) => true,
        Some(Part::Text(text)) => text.starts_with('/'),
        _ => false,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(expression: &str) -> Result<(Vec<String>, bool), Odd> {
        of(expression).map(|shapes| (shapes.all.iter().map(Shape::pattern).collect(), shapes.narrower))
    }

    #[test]
    fn plain_expressions_are_patterns() {
        for (expression, expected, narrower) in [
            ("^/$", &["/"][..], false),
            ("^/health$", &["/health"], false),
            (r"^/robots\.txt$", &["/robots.txt"], false),
            ("^/api/", &["/api/**"], false),
            ("^/api/.*$", &["/api/**"], false),
            ("^/probe", &["/probe", "/probe/**"], true),
            ("^/health/?$", &["/health", "/health/"], false),
            ("^/(static|assets)/", &["/assets/**", "/static/**"], false),
            ("^/app(/.*)?$", &["/app", "/app/**"], false),
            ("^/users/[^/]+/avatar$", &["/users/*/avatar"], false),
            ("^/v[12]/status$", &["/v1/status", "/v2/status"], false),
            ("^/", &["/**"], false),
            (".*", &["/**"], false),
        ] {
            let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(patterns(expression), Ok((expected, narrower)), "{expression}");
        }
    }

    #[test]
    fn what_would_open_more_or_cannot_be_said_is_not_said() {
        for (expression, odd) in [
            ("/health", Odd::Unanchored),
            ("health$", Odd::Unanchored),
            (r"\.(css|js)$", Odd::Unanchored),
            (r"^/.*\.css$", Odd::Irregular),
            ("^/users/[0-9]+$", Odd::Irregular),
            ("^/users/[^/]+", Odd::Irregular),
            ("(?i)^/health$", Odd::Irregular),
            ("^/a/../b$", Odd::Irregular),
            ("^/a//b$", Odd::Irregular),
            ("^health", Odd::Irregular),
            ("^/caf\u{e9}$", Odd::Irregular),
            ("^/(a|b)(c|d)(e|f)(g|h)(i|j)(k|l)$", Odd::Irregular),
            ("^/(", Odd::Broken),
        ] {
            assert_eq!(patterns(expression), Err(odd), "{expression}");
        }
    }
}
