//! Request targets: which bytes they may hold, and which paths have one reading only.
//!
//! Refuses every path that a second decoding, another normalisation or another parser would change, because policy decides on it
//! and the same bytes are forwarded (threats P1, P2).

use std::borrow::Cow;

use super::hygiene::{Unclean, refuse};

const AMBIGUOUS: Unclean = refuse(400, "ambiguous_path");

/// What a byte may do in a target.
const FORBIDDEN: u8 = 0;
/// Anywhere in a path.
const PATH: u8 = 1;
/// In a query only.
const QUERY: u8 = 2;
const PERCENT: u8 = 3;
const SLASH: u8 = 4;
const DOT: u8 = 5;

/// Letters, digits, `-._~`, sub-delimiters but `;`, `:@` (RFC 3986 §3.3), and `|[]`, which browsers leave as they are.
/// `;` would cut the segment in some applications, so it is for queries only.
static CLASS: [u8; 256] = {
    let mut class = [FORBIDDEN; 256];
    let mut byte: u8 = 0x21;
    while byte < 0x7f {
        class[byte as usize] = match byte {
            b'#' | b'"' | b'<' | b'>' => FORBIDDEN,
            b';' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}' => QUERY,
            b'%' => PERCENT,
            b'/' => SLASH,
            b'.' => DOT,
            _ => PATH,
        };
        byte += 1;
    }
    class
};

/// Whether `byte` may be in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether a target holds only bytes that may be in one: no space, no control, no fragment, nothing beyond ASCII.
pub(super) fn judge_raw(target: &[u8]) -> Result<(), Unclean> {
    if target.is_empty() || target.iter().any(|byte| CLASS[usize::from(*byte)] == FORBIDDEN) {
        return Err(refuse(400, "request_target"));
    }
    Ok(())
}

/// The path as the application will understand it, decoded, if there is one reading only.
///
/// A percent sequence is refused when it stands for a delimiter, a control, `%` itself, or a character that needs none
/// (RFC 3986 §6.2.2.2 has the plain one as the normal form), or when the whole is not UTF-8. What is left decodes in one way
/// only, so a rule for `/$data` is met by `/%24data` too.
pub(super) fn judge_path(path: &str) -> Result<Cow<'_, str>, Unclean> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(refuse(400, "request_target"));
    }
    let (mut encoded, mut dots, mut segment) = (false, 0, 0);
    for byte in &bytes[1..] {
        match CLASS[usize::from(*byte)] {
            PATH => {}
            DOT => dots += 1,
            SLASH => {
                judge_segment(segment, dots)?;
                (segment, dots) = (0, 0);
                continue;
            }
            PERCENT => encoded = true,
            _ => return Err(AMBIGUOUS),
        }
        segment += 1;
    }
    // The last segment may be empty: `/` and `/a/`.
    if segment > 0 {
        judge_segment(segment, dots)?;
    }
    if encoded { decode(bytes) } else { Ok(Cow::Borrowed(path)) }
}

/// What `path` means, decoded, if it has one reading only; a rule that names another path can never be met.
#[must_use]
pub fn understood(path: &str) -> Option<Cow<'_, str>> {
    judge_path(path).ok()
}

/// No empty segment, no `.`, no `..`.
const fn judge_segment(length: usize, dots: usize) -> Result<(), Unclean> {
    if length == 0 || (length == dots && dots <= 2) { Err(AMBIGUOUS) } else { Ok(()) }
}

fn decode(bytes: &[u8]) -> Result<Cow<'static, str>, Unclean> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (Some(high), Some(low)) = (rest.next().copied().and_then(hex), rest.next().copied().and_then(hex)) else {
            return Err(AMBIGUOUS);
        };
        let meant = high << 4 | low;
        let plain = meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~');
        if plain || matches!(meant, 0..=0x1f | 0x7f | b'/' | b'\\' | b'%' | b';' | b'?' | b'#') {
            return Err(AMBIGUOUS);
        }
        decoded.push(meant);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| AMBIGUOUS)?;
    if decoded.chars().any(is_lookalike) { Err(AMBIGUOUS) } else { Ok(Cow::Owned(decoded)) }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Characters that compatibility normalisation (NFKC) turns into delimiters or dots, and C1 controls.
const fn is_lookalike(character: char) -> bool {
    matches!(
        character,
        '\u{80}'
            ..='\u{9f}'
            | '\u{2024}' | '\u{2025}' | '\u{fe52}' | '\u{ff0e}' // one and two dot leaders, small and wide full stop
            | '\u{ff0f}' | '\u{2044}' | '\u{2215}' // slashes
            | '\u{ff3c}' | '\u{fe68}' | '\u{ff05}' | '\u{fe6a}' | '\u{ff1b}' | '\u{fe54}' | '\u{ff03}' | '\u{ff1f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p1_paths_with_two_readings_are_refused() {
        let refused = [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "//a",
            "/.",
            "/..",
            "/./a",
            "/../a",
            "/a/.",
            "/a/..",
            "/a/./b",
            "/a/../b",
            "/%2e/a",
            "/%2e%2e/a",
            "/.%2e/a",
            "/%2E./a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/..;/a",
            "/a%3bb",
            "/a%3fb",
            "/a%23b",
            "/a#b",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%252e",
            "/a%25",
            "/%61dmin",
            "/%41",
            "/a%7Eb",
            "/a%5Fb",
            "/a%c0%af",
            "/a%e0%80%af",
            "/a%ff",
            "/a%ed%a0%80",
            "/a%ef%bc%8fb",
            "/%ef%bc%8e%ef%bc%8e/a",
            "/a%c2%85",
            "/a b",
            "/a\"",
            "/a<",
            "/a^",
            "/a`",
            "/{a}",
            "/ä",
            "/a\t",
        ];
        for path in refused {
            assert!(judge_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn p1_paths_with_one_reading_are_decoded_for_the_policy() {
        for plain in ["/", "/a", "/a/", "/a/b.c", "/...", "/a..b", "/.well-known/x", "/a:b@c!$&'()*+,=", "/[a|b]", "/~a/_b-c"] {
            assert_eq!(judge_path(plain), Ok(Cow::Borrowed(plain)));
        }
        for (path, decoded) in
            [("/%24data", "/$data"), ("/a%20b", "/a b"), ("/%c3%a4", "/ä"), ("/a%40b", "/a@b"), ("/%E2%82%AC", "/€")]
        {
            assert_eq!(judge_path(path).unwrap(), decoded);
        }
    }

    #[test]
    fn p2_a_target_holds_no_fragment_space_or_control() {
        for target in ["", "/a?b=\"", "/a?<", "/a#b", "/a b", "/a\tb", "/a\x7f", "/ä", "/\0"] {
            assert!(judge_raw(target.as_bytes()).is_err(), "{target:?}");
        }
        for target in ["/", "*", "/a?b=\\^`{}|c;d", "http://a/b"] {
            assert_eq!(judge_raw(target.as_bytes()), Ok(()), "{target:?}");
        }
    }
}
