//! `doorward check`: everything that is wrong with a configuration file, at once.
//!
//! Refuses to connect anywhere: what it says depends on the file and what the file names, so that it can run in a pipeline.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::Exit;
use crate::config::{self, Finding, LoadError, Loaded};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'f> {
    file: &'f Path,
    ok: bool,
    problems: Vec<Finding>,
}

impl Check {
    pub(super) fn run(self, file: &Path) -> anyhow::Result<Exit> {
        let problems = match config::load(file) {
            Ok(Loaded { .. }) => Vec::new(),
            Err(LoadError::Invalid { report, .. }) => report.findings,
            Err(error @ LoadError::Unreadable { .. }) => return Err(error.into()),
        };
        let ok = problems.is_empty();
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &Outcome { file, ok, problems })?;
            writeln!(out)?;
        } else if ok {
            writeln!(out, "{}: ok", file.display())?;
        } else {
            writeln!(out, "{}", config::Report { file: file.to_owned(), findings: problems })?;
        }
        Ok(if ok { Exit::Success } else { Exit::Failure })
    }
}
