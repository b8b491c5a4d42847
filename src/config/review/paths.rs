//! Where Doorward answers in the application's place.
//!
//! Refuses two pages at one address, and one below another's: only one of them would be answered, and the router takes no two alike.

use crate::config::paths::{RESOURCE_METADATA, ROBOTS, SERVER_METADATA, is_plain, meet};
use crate::config::shown::shown;
use crate::config::{Config, Path, Problems};

/// An address that the file may name: where, what it is, an example of it, and what to do where it is taken.
struct Typed<'c> {
    at: Path,
    text: Option<&'c str>,
    what: &'static str,
    example: &'static str,
    otherwise: &'static str,
}

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let compatible = config.compatibility.oauth2_proxy.as_ref();
    let fixed = [(RESOURCE_METADATA, true), (SERVER_METADATA, true), (ROBOTS, compatible.is_some())];
    let fixed = fixed.into_iter().filter(|(_, answered)| *answered);
    let mut taken: Vec<(&str, Option<Path>)> = fixed.map(|(path, _)| (path, None)).collect();
    for typed in typed(config) {
        let Some(text) = typed.text else { continue };
        if !is_plain(text) {
            let message = format!("`{}` is not {}", shown(text), typed.what);
            let hint = format!("write a path such as `{}`, without a slash at its end", typed.example);
            problems.add(typed.at, message, hint);
            continue;
        }
        if let Some((earlier, whose)) = taken.iter().find(|(earlier, _)| meet(earlier, text)) {
            let why = match whose {
                Some(whose) => format!("`{whose}` is `{earlier}`"),
                None => format!("Doorward answers at `{earlier}`"),
            };
            problems.add(typed.at.clone(), format!("`{text}` is taken: {why}"), typed.otherwise);
        }
        taken.push((text, Some(typed.at)));
    }
}

fn typed(config: &Config) -> impl Iterator<Item = Typed<'_>> {
    const OWN: &str = "choose a path of its own";
    const OR_NONE: &str = "choose another path for one of them; `null` answers nowhere";
    let typed = |at, text, what, example, otherwise| Typed { at, text, what, example, otherwise };
    let first = [
        typed(Path::from("prefix"), Some(config.prefix.as_str()), "a prefix", "/.doorward", OWN),
        typed(Path::from("scim").key("alias"), config.scim.alias.as_deref(), "a path for SCIM", "/scim/v2", OWN),
    ];
    let at = |key| Path::from("compatibility").key("oauth2_proxy").key(key);
    let other = config.compatibility.oauth2_proxy.iter().flat_map(move |other| {
        [
            typed(at("prefix"), Some(other.prefix.as_str()), "a prefix", "/oauth2", OWN),
            typed(at("ping"), other.ping.as_deref(), "a path", "/ping", OR_NONE),
            typed(at("ready"), other.ready.as_deref(), "a path", "/ready", OR_NONE),
        ]
    });
    first.into_iter().chain(other)
}
