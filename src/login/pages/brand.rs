//! How the pages look: name, logo, colour, and where to ask for help.
//!
//! Refuses a colour that cannot be read on: it is made darker on light ground and lighter on dark ground until it can (WCAG 2.2 §1.4.3),
//! and a logo that is neither PNG nor SVG or is large.

use std::fmt::Write as _;
use std::path::Path as FilePath;

use maud::{Markup, html};

use super::asset::Assets;
use super::text;
use crate::config::{Config, Path, Problems};

/// Bytes of the largest logo.
const LARGEST: u64 = 256 * 1024;
/// What ordinary text needs (WCAG 2.2 §1.4.3), and a little.
const CONTRAST: f64 = 4.6;

/// The grounds of `style.css`, light and dark.
const LIGHT: Color = Color([0xff, 0xff, 0xff]);
const DARK: Color = Color([0x1a, 0x1f, 0x28]);
/// What is written on a button.
const PAPER: Color = Color([0xff, 0xff, 0xff]);
const INK: Color = Color([0x0c, 0x12, 0x1d]);

/// What the configuration says about the looks.
#[derive(Debug)]
pub(super) struct Brand {
    /// What the application is called.
    pub title: String,
    /// File name among the assets.
    logo: Option<String>,
    support: Option<Support>,
    /// Rules that follow the stylesheet's own.
    pub rules: String,
}

#[derive(Debug)]
struct Support {
    href: String,
    shown: String,
}

impl Brand {
    pub(super) fn compile(config: &Config, assets: &mut Assets, problems: &mut Problems) -> Self {
        let typed = &config.sign_in;
        let at = |key: &str| Path::from("sign_in").key(key);
        let logo = typed.logo.as_deref().and_then(|file| match picture(file) {
            Ok((ending, kind, bytes)) => Some(assets.picture(ending, kind, bytes)),
            Err(message) => {
                problems.add(at("logo"), message, "a PNG or SVG file of at most 256 KiB");
                None
            }
        });
        let color = typed.color.as_deref().and_then(|text| {
            let color = Color::parse(text);
            if color.is_none() {
                problems.add(at("color"), format!("`{text}` is not a colour"), "write `\"#1f4fd8\"`, in quotes");
            }
            color
        });
        let support = typed.support.as_deref().and_then(|text| {
            let support = Support::parse(text);
            if support.is_none() {
                let hint = "write `https://help.example.com` or `help@example.com`";
                problems.add(at("support"), format!("`{text}` is neither a link nor an e-mail address"), hint);
            }
            support
        });
        Self { title: title(config), logo, support, rules: color.map(rules).unwrap_or_default() }
    }

    /// Above the heading.
    pub(super) fn head(&self, prefix: &str) -> Markup {
        html! {
            @if let Some(logo) = &self.logo { img class="logo" src=(format!("{prefix}/assets/{logo}")) alt=""; }
            p class="app" { (self.title) }
        }
    }

    /// Below the text.
    pub(super) fn foot(&self) -> Markup {
        html! {
            @if let Some(support) = &self.support {
                p class="support" { (text::SUPPORT) " " a href=(support.href) { (support.shown) } }
            }
        }
    }
}

/// What the pages, and letters, call the application.
#[must_use]
pub fn title(config: &Config) -> String {
    config.sign_in.title.clone().unwrap_or_else(|| text::UNTITLED.to_owned())
}

impl Support {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(email) = text.parse::<crate::model::EmailAddress>() {
            return Some(Self { href: format!("mailto:{email}"), shown: email.to_string() });
        }
        let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
        let shown = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/').to_owned();
        Some(Self { href: url.into(), shown })
    }
}

/// Ending, media type and content of a picture, by what it is and not by what it is called.
fn picture(file: &FilePath) -> Result<(&'static str, &'static str, Vec<u8>), String> {
    let shown = file.display();
    let about = std::fs::metadata(file).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(format!("`{shown}` is not a file of at most 256 KiB"));
    }
    let bytes = std::fs::read(file).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(("png", "image/png", bytes));
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        return Ok(("svg", "image/svg+xml", bytes));
    }
    Err(format!("`{shown}` is neither PNG nor SVG"))
}

fn rules(color: Color) -> String {
    let mut rules = String::new();
    for (ground, other, frame) in [(LIGHT, INK, ":root {"), (DARK, PAPER, "@media (prefers-color-scheme: dark) { :root {")] {
        let accent = color.readable_on(ground, other);
        let ink = if accent.contrast(PAPER) >= accent.contrast(INK) { PAPER } else { INK };
        let _ = write!(rules, "\n{frame} --accent: {accent}; --accent-ink: {ink}; }}");
        if ground == DARK {
            rules.push_str(" }");
        }
    }
    rules.push('\n');
    rules
}

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Color([u8; 3]);

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Color {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, "contrast ratio": 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// As it is if it can be read on `ground`, else with as much of `other` mixed in as it takes.
    fn readable_on(self, ground: Self, other: Self) -> Self {
        let mixed = (0..=20u16).map(|share| self.mixed(other, share));
        mixed.into_iter().find(|color| color.contrast(ground) >= CONTRAST).unwrap_or(other)
    }

    /// `share` twentieths of `other`.
    fn mixed(self, other: Self, share: u16) -> Self {
        let mut parts = self.0;
        for (part, other) in parts.iter_mut().zip(other.0) {
            let sum = u16::from(*part) * (20 - share) + u16::from(other) * share;
            *part = u8::try_from(sum / 20).unwrap_or(u8::MAX);
        }
        Self(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_colour_can_be_read_as_text_and_be_written_on() {
        for text in ["#000000", "#ffffff", "#ffff00", "#1f4fd8", "#ff0000", "#00ff00", "#808080", "#7f3f1f", "#10141a"] {
            let color = Color::parse(text).unwrap();
            for (ground, other) in [(LIGHT, INK), (DARK, PAPER)] {
                let accent = color.readable_on(ground, other);
                assert!(accent.contrast(ground) >= 4.5, "{text} on {ground}: {accent}");
                assert!(accent.contrast(PAPER).max(accent.contrast(INK)) >= 4.5, "on {accent}");
            }
        }
        assert_eq!(Color::parse("#1f4fd8").unwrap().readable_on(LIGHT, INK).to_string(), "#1f4fd8", "kept where it can be");
        assert!((PAPER.contrast(Color([0, 0, 0])) - 21.0).abs() < 0.01);
        for odd in ["1f4fd8", "#1f4fd", "#1f4fdg", "#é1234", "red", ""] {
            assert!(Color::parse(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn help_is_a_link_or_an_address_and_never_a_script() {
        assert_eq!(Support::parse("help@acme.example").unwrap().href, "mailto:help@acme.example");
        assert_eq!(Support::parse("https://help.acme.example/a").unwrap().shown, "help.acme.example/a");
        for odd in ["javascript:alert(1)", "data:text/html,x", "help", ""] {
            assert!(Support::parse(odd).is_none(), "{odd}");
        }
    }
}
