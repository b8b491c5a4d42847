//! Path patterns: `/exact`, `/prefix/**`, and `*` for one whole segment.
//!
//! Refuses regular expressions, because allow rules with unanchored ones are a class of bypass of their own (threats P3).

use std::fmt;

use crate::edge::understood;

/// A compiled pattern. Compared byte for byte and case-sensitively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Box<[Segment]>,
    /// Ends in `/**`: also matches the prefix itself and everything below it.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exact(Box<str>),
    Any,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidPattern {
    #[error("a path begins with `/`")]
    NoSlash,
    #[error("`**` may only be the whole last segment")]
    OpenInside,
    #[error("`*` stands for one whole segment")]
    StarInSegment,
    #[error("`%2A` would be a wildcard once it is decoded, and a path with a real `*` cannot be named")]
    EncodedStar,
    #[error("a path that can never be requested: it holds a character or an empty or dot segment that is refused before routing")]
    Unreachable,
}

impl Pattern {
    /// The pattern that matches every path.
    #[must_use]
    pub fn everything() -> Self {
        Self { segments: Box::new([]), open: true }
    }

    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let rest = text.strip_prefix('/').ok_or(InvalidPattern::NoSlash)?;
        // Requests are compared decoded, so the pattern is.
        if text.contains('%') {
            let decoded = understood(text).ok_or(InvalidPattern::Unreachable)?;
            if decoded.matches('*').count() != text.matches('*').count() {
                return Err(InvalidPattern::EncodedStar);
            }
            return Self::parse_decoded(decoded.get(1..).unwrap_or_default());
        }
        Self::parse_decoded(rest)
    }

    fn parse_decoded(rest: &str) -> Result<Self, InvalidPattern> {
        let (rest, open) = match rest.strip_suffix("**") {
            Some("") => return Ok(Self::everything()),
            Some(head) => (head.strip_suffix('/').ok_or(InvalidPattern::OpenInside)?, true),
            None => (rest, false),
        };
        let last = rest.split('/').count() - 1;
        let segments = rest.split('/').enumerate().map(|(at, segment)| parse_segment(segment, at == last && !open));
        Ok(Self { segments: segments.collect::<Result<_, _>>()?, open })
    }

    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut rest = path.strip_prefix('/').map(|rest| rest.split('/'));
        for segment in &self.segments {
            match (segment, rest.as_mut().and_then(Iterator::next)) {
                (Segment::Exact(wanted), Some(found)) if **wanted == *found => {}
                (Segment::Any, Some(found)) if !found.is_empty() => {}
                _ => return false,
            }
        }
        self.open || rest.and_then(|mut rest| rest.next()).is_none()
    }

    /// The first segment of every path it matches; `None` if they differ.
    #[must_use]
    pub fn first_segment(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Exact(text) => Some(text),
            Segment::Any => None,
        }
    }

    /// Whether every path that `later` matches is matched by `self`, so that `later` behind `self` is never reached.
    #[must_use]
    pub fn hides(&self, later: &Self) -> bool {
        if later.segments.len() < self.segments.len()
            || (!self.open && (later.open || later.segments.len() != self.segments.len()))
        {
            return false;
        }
        self.segments.iter().zip(&later.segments).all(|(ours, theirs)| match (ours, theirs) {
            (Segment::Any, Segment::Exact(text)) => !text.is_empty(),
            (Segment::Any, Segment::Any) => true,
            (Segment::Exact(ours), Segment::Exact(theirs)) => ours == theirs,
            (Segment::Exact(_), Segment::Any) => false,
        })
    }
}

/// As it is typed, decoded.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Exact(text) => write!(f, "/{text}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        if self.open { f.write_str("/**") } else { Ok(()) }
    }
}

fn parse_segment(segment: &str, last: bool) -> Result<Segment, InvalidPattern> {
    match segment {
        "*" => Ok(Segment::Any),
        "." | ".." => Err(InvalidPattern::Unreachable),
        "" if !last => Err(InvalidPattern::Unreachable),
        open if open.contains("**") => Err(InvalidPattern::OpenInside),
        star if star.contains('*') => Err(InvalidPattern::StarInSegment),
        odd if odd.bytes().any(|byte| byte < 0x20 || byte == 0x7f || matches!(byte, b'\\' | b';' | b'#' | b'?')) => {
            Err(InvalidPattern::Unreachable)
        }
        exact => Ok(Segment::Exact(exact.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_prefix_covers_itself_and_everything_below_but_no_sibling() {
        let admin = pattern("/admin/**");
        assert!(admin.matches("/admin") && admin.matches("/admin/") && admin.matches("/admin/a/b"));
        assert!(!admin.matches("/administrator") && !admin.matches("/Admin/") && !admin.matches("/"));
    }

    #[test]
    fn a_star_is_one_whole_segment() {
        let item = pattern("/items/*/edit");
        assert!(item.matches("/items/7/edit"));
        assert!(!item.matches("/items//edit") && !item.matches("/items/7/8/edit") && !item.matches("/items/7/edit/"));
    }

    #[test]
    fn what_hides_what() {
        assert!(pattern("/a/**").hides(&pattern("/a/b/*")));
        assert!(pattern("/*").hides(&pattern("/a")));
        assert!(pattern("/**").hides(&pattern("/")));
        assert!(!pattern("/a/b").hides(&pattern("/a/**")));
        assert!(!pattern("/a").hides(&pattern("/*")));
        assert!(!pattern("/*").hides(&pattern("/")));
    }

    #[test]
    fn unclear_patterns_are_refused() {
        assert_eq!(Pattern::parse("a"), Err(InvalidPattern::NoSlash));
        assert_eq!(Pattern::parse("/a**"), Err(InvalidPattern::OpenInside));
        assert_eq!(Pattern::parse("/**/a"), Err(InvalidPattern::OpenInside));
        assert_eq!(Pattern::parse("/a*b"), Err(InvalidPattern::StarInSegment));
        for star in ["/public/%2A", "/%2a%2A", "/public/*%2A", "/a/%2a%2a"] {
            assert_eq!(Pattern::parse(star), Err(InvalidPattern::EncodedStar), "{star}");
        }
        assert_eq!(Pattern::parse("/a/../b"), Err(InvalidPattern::Unreachable));
        assert_eq!(Pattern::parse("/a//b"), Err(InvalidPattern::Unreachable));
    }
}
