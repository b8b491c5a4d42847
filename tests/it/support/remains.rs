//! What doors leave behind, kept for `tests/secrets` to look through: what they say, the texts in the files of their folders, and the secrets
//! that went over the wire meanwhile, none of which may be among them.
//!
//! Kept only where `DOORWARD_REMAINS` names a folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::Answer;

/// Characters of the shortest secret that is looked for: a shorter one is in other texts by chance.
const SECRET: usize = 12;
/// What secrets are called in forms, queries and JSON.
const SECRET_NAMES: [&str; 14] = [
    "access_token",
    "api_key",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "id_token",
    "logout_token",
    "password",
    "recovery_codes",
    "refresh_token",
    "samlresponse",
    "secret",
    "token",
];

/// A file of its own in the folder of remains.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration of its own")]
fn file(about: &str) -> Option<File> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = PathBuf::from(std::env::var_os("DOORWARD_REMAINS")?);
    let name = format!("{}-{}.{about}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    Some(File::create(folder.join(name)).unwrap())
}

/// What a door says while it serves. The demo says its secrets: that is what it is for.
pub(crate) struct Said(Option<Mutex<File>>);

impl Said {
    pub(crate) fn by(command: &Command) -> Self {
        let serves = command.get_program() == env!("CARGO_BIN_EXE_doorward") && command.get_args().any(|word| word == "serve");
        Self(if serves { file("log").map(Mutex::new) } else { None })
    }

    pub(crate) fn keep(&self, bytes: &[u8]) {
        if let Some(file) = &self.0 {
            file.lock().unwrap().write_all(bytes).unwrap();
        }
    }
}

/// A door's folder. It goes with the door.
pub(crate) struct Folder {
    dir: TempDir,
    /// What the test has put there, its configuration and secrets.
    given: BTreeSet<PathBuf>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), given: BTreeSet::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What is there now is the test's.
    pub(crate) fn is_given(&mut self) {
        self.given = files(self.path()).into_iter().collect();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(mut kept) = file("texts") else { return };
        for path in files(self.path()) {
            if !self.given.contains(&path) && !is_the_tests(&path) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                for text in texts(&fs::read(&path).unwrap_or_default()) {
                    kept.write_all(format!("{name}: {text}\n").as_bytes()).unwrap();
                }
            }
        }
    }
}

/// Configurations, keys, and what tests keep for themselves: what they were given, and curl's cookies.
fn is_the_tests(file: &Path) -> bool {
    ["yaml", "pem", "key", "json"].iter().any(|kind| file.extension().is_some_and(|found| found == *kind))
        || file.ends_with("jar")
}

/// All files in a folder and in those within it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(|path| path.is_file()).collect()
}

fn texts(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let runs = bytes.split(|byte| !(b' '..=b'~').contains(byte));
    runs.filter(|run| run.len() >= SECRET).filter_map(|run| std::str::from_utf8(run).ok())
}

/// Notes the secrets that went over the wire, so that they can be looked for.
pub(crate) fn exchanged(arguments: &[&str], answer: &Answer) {
    static SECRETS: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| file("secrets").map(Mutex::new));
    let Some(kept) = &*SECRETS else { return };
    let mut found = Vec::new();
    for argument in arguments {
        sent(argument, &mut found);
    }
    for (name, value) in &answer.headers {
        match name.as_str() {
            "set-cookie" => {
                found.extend(value.split(';').next().and_then(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned()));
            }
            "location" => fields(value.split_once('?').map_or("", |(_, query)| query), &mut found),
            _ => {}
        }
    }
    if let Ok(body) = serde_json::from_slice(&answer.body) {
        members(&body, false, &mut found);
    }
    let mut kept = kept.lock().unwrap();
    // One letter again and again is no secret, but what a test tries.
    let is_secret =
        |text: &str| text.len() >= SECRET && text.chars().any(|letter| !text.starts_with(letter)) && !text.contains(['\n', '*']);
    for secret in found.iter().filter(|text| is_secret(text)) {
        writeln!(kept, "{secret}").unwrap();
    }
}

/// Secrets of a request: of its head, and of a form.
fn sent(argument: &str, found: &mut Vec<String>) {
    let Some((name, value)) = argument.split_once(": ") else { return fields(argument, found) };
    match name.to_ascii_lowercase().as_str() {
        "authorization" => {
            let credentials = value.rsplit(' ').next().unwrap_or_default();
            let pair = STANDARD.decode(credentials).ok().and_then(|pair| String::from_utf8(pair).ok());
            found.extend(pair.and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned())));
            found.push(credentials.to_owned());
        }
        "cookie" => found.extend(value.split("; ").filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned())),
        "x-api-key" | "x-client-secret" | "x-license-key" => found.push(value.to_owned()),
        _ => {}
    }
}

/// Secrets among the fields of a form or a query.
fn fields(text: &str, found: &mut Vec<String>) {
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        if SECRET_NAMES.contains(&&*name.to_ascii_lowercase()) {
            found.push(value.into_owned());
        }
    }
}

/// Secrets among the members of a JSON value.
fn members(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if secret => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| members(item, secret, found)),
        Value::Object(map) => {
            for (name, value) in map {
                // In a problem, `code` is the name of a reason.
                members(value, name != "code" && SECRET_NAMES.contains(&&*name.to_ascii_lowercase()), found);
            }
        }
        _ => {}
    }
}
