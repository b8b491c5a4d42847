//! What was typed, as it may be printed.
//!
//! Refuses control characters, long lines and passwords in addresses, because a message ends up in a terminal and in a log.

/// Fit for one line of a terminal.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", short.escape_debug())
}

/// An address, without the user name and password in it.
#[must_use]
pub fn shown_address(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => shown(&format!("{scheme}://…@{host}")),
        _ => shown(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(shown_address("http://user:pass@word@127.0.0.1/"), "http://…@127.0.0.1/");
        assert_eq!(shown_address("https://app.example.com"), "https://app.example.com");
    }

    #[test]
    fn what_is_shown_is_one_short_line() {
        assert_eq!(shown("a\n\u{1b}[2J"), "a\\n\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(100)), "x".repeat(60) + "…");
    }
}
