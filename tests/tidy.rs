//! The architecture, as a test: which room may use which, and the few things that have one home.
//!
//! A new room needs a line in `RANKS`; an arrow against the order needs a reason in `EXCEPTIONS`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the foundation up. A room may use the rooms of lower ranks, and none of its own rank but itself.
const RANKS: &[(u32, &[&str])] = &[
    (0, &["clock"]),
    (1, &["crypto"]),
    (2, &["model"]),
    (3, &["config", "trace"]),
    (4, &["http_client", "listener"]),
    (5, &["batch", "db", "latest", "limit", "mail", "telemetry", "valkey"]),
    (6, &["directory", "session", "revocation", "audit"]),
    (7, &["edge"]),
    (8, &["route"]),
    (9, &["credential"]),
    (10, &["policy"]),
    (11, &["authn"]),
    (12, &["forward"]),
    (13, &["admin", "kube", "login", "scim"]),
    (14, &["proxy"]),
    (15, &["app"]),
    (16, &["cli"]),
];

/// Arrows that the ranks would allow but the house does not: doors know no stage but what a judged request carries.
const FORBIDDEN: &[(&str, &str)] = &[
    ("admin", "authn"),
    ("admin", "edge"),
    ("kube", "authn"),
    ("kube", "edge"),
    ("login", "authn"),
    ("login", "edge"),
    ("scim", "authn"),
    ("scim", "edge"),
    ("edge", "directory"),
    ("edge", "session"),
    ("edge", "audit"),
];

/// Arrows against the order, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("admin", "login", "an invitation's letter and the check of a connection are written once, where people sign in")];

/// Texts with one home each: (text, the files that may hold it, why).
const HOMES: &[(&str, &[&str], &str)] = &[
    (
        "SET_COOKIE",
        &["session/cookie.rs", "forward/"],
        "cookies are written in one place; `forward` only guards against the application's",
    ),
    ("SystemTime::now", &["clock.rs"], "time comes from the clock"),
    ("env::var", &["config/"], "the environment is read only in the configuration"),
    ("SystemRandom", &["crypto/"], "randomness comes from crypto"),
    ("reqwest::Client", &["http_client.rs", "http_client/"], "outbound HTTP goes through one client"),
    ("Permit {", &["policy/"], "only policy makes a permit"),
];

struct Source {
    /// Below `src`, with `/`.
    path: String,
    room: String,
    /// Without the test module at its end.
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 20, "the walk found too few files to be believed");
    files.into_iter().map(|file| read(&root, &file)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let room = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    let whole = fs::read_to_string(file).unwrap();
    let text = whole.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
    Source { path, room, text }
}

/// The rooms that a text names as `crate::room`, also within `use crate::{a::…, b}`.
fn used(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut name)),
                    letter if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            rooms.push(name);
        } else {
            rooms.push(rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
        }
    }
    rooms
        .into_iter()
        .map(|name| name.trim().split("::").next().unwrap_or_default().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let ranks: BTreeMap<&str, u32> =
        RANKS.iter().flat_map(|(rank, rooms)| rooms.iter().map(move |room| (*room, *rank))).collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.room.as_str(), "lib" | "main")) {
        let Some(own) = ranks.get(source.room.as_str()) else {
            wrong.push(format!("{}: the room `{}` has no rank", source.path, source.room));
            continue;
        };
        for room in used(&source.text) {
            let excepted = EXCEPTIONS.iter().any(|(from, to, _)| *from == source.room && *to == room);
            let forbidden = FORBIDDEN.contains(&(source.room.as_str(), room.as_str()));
            match ranks.get(room.as_str()) {
                _ if room == source.room || excepted => {}
                Some(rank) if rank < own && !forbidden => {}
                Some(_) => wrong.push(format!("{}: `{}` may not use `{room}`", source.path, source.room)),
                None => wrong.push(format!("{}: `{room}` is no room", source.path)),
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn things_with_one_home_are_nowhere_else() {
    let mut wrong = Vec::new();
    for source in sources() {
        // A file of tests may do what a test module may.
        if source.path.ends_with("/tests.rs") {
            continue;
        }
        for (text, homes, why) in HOMES {
            let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            if !at_home && code.clone().any(|line| line.contains(text)) {
                wrong.push(format!("{}: `{text}`: {why}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> =
        sources().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "without a purpose at the top: {silent:?}");
}

#[test]
fn no_room_is_a_drawer_for_odds_and_ends() {
    let drawers = ["util", "utils", "common", "helpers", "helper", "manager", "misc"];
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.path.split(['/', '.']).any(|part| drawers.contains(&part)))
        .map(|source| source.path)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_journey_fits_on_a_page_and_says_nothing() {
    let journey = sources().into_iter().find(|source| source.path == "proxy/journey.rs").unwrap().text;
    let body = journey.split("pub async fn journey").nth(1).unwrap();
    let lines = body.lines().take_while(|line| *line != "}").count();
    assert!(lines < 40, "the journey has grown to {lines} lines");
    assert!(!journey.contains("tracing") && !journey.contains("log::"), "the journey does not log");
}

#[test]
fn nothing_is_left_for_later() {
    let markers = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("];
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|source| markers.iter().any(|marker| source.text.contains(marker)))
        .map(|source| source.path)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn files_stay_small_enough_to_read() {
    let swollen: Vec<String> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > 500)
        .map(|(lines, path)| format!("{path}: {lines}"))
        .collect();
    assert!(swollen.is_empty(), "{swollen:?}");
}
