//! What is written: the configuration, the files with secrets, and the remarks.
//!
//! Refuses to replace a file, because the one that is there may be in force.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::into::Translation;
use super::remark::{Remark, Weight};
use super::trouble::{Trouble, Troubles};
use super::{Exit, Migrate};

/// All that is said as JSON.
#[derive(Serialize)]
struct Said<'s> {
    ok: bool,
    configuration: Option<&'s str>,
    remarks: &'s [Remark],
    problems: &'s [Trouble],
}

pub(super) fn write(command: &Migrate, translation: Translation, troubles: &Troubles) -> anyhow::Result<Exit> {
    let Translation { mut document, mut remarks, files } = translation;
    remarks.sort();
    remarks.dedup();
    if !troubles.is_empty() {
        if command.json {
            say(&Said { ok: false, configuration: None, remarks: &remarks, problems: troubles.all() })?;
        } else {
            eprintln!("{troubles}");
        }
        return Ok(Exit::Failure);
    }
    document.head("Made by `doorward migrate oauth2-proxy` out of what oauth2-proxy 7.15 was told.");
    for remark in remarks.iter().filter(|remark| remark.kind != Weight::Needless) {
        document.head(line(remark));
    }
    let text = document.document();
    if let Some(folder) = command.secrets.as_deref().filter(|_| !files.is_empty()) {
        keep(folder, &files)?;
    }
    if let Some(file) = &command.output {
        create(file, &text)?;
    }
    if command.json {
        say(&Said { ok: true, configuration: Some(&text), remarks: &remarks, problems: &[] })?;
    } else {
        if command.output.is_none() {
            print!("{text}");
        }
        for remark in &remarks {
            eprintln!("{}", line(remark));
        }
    }
    Ok(Exit::Success)
}

fn line(remark: &Remark) -> String {
    let Remark { kind, option, place, text } = remark;
    match (option.as_str(), place.as_str()) {
        ("", _) => format!("{}: {text}", kind.word()),
        (option, "options") => format!("{}: {option}: {text}", kind.word()),
        (option, place) => format!("{}: {option} ({place}): {text}", kind.word()),
    }
}

fn say(said: &Said<'_>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, said)?;
    Ok(writeln!(out)?)
}

fn keep(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| folder.display().to_string())?;
    files.iter().try_for_each(|(name, content)| create(&folder.join(name), content))
}

/// For its owner only: what was written in clear may be in it.
fn create(file: &Path, content: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.with_context(|| format!("{} is not written", file.display()))?;
    opened.write_all(content.as_bytes()).with_context(|| file.display().to_string())
}
