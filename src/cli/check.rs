//! `doorward check`: everything that is wrong with a configuration file, at once.
//!
//! Refuses to connect anywhere: what it says depends on the file and what the file names, so that it can run in a pipeline.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::Exit;
use crate::app::plan;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Finding, LoadError, Loaded, Report};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What was found; `--json` prints it as it is.
#[derive(Serialize)]
struct Outcome<'f> {
    file: &'f Path,
    ok: bool,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Check {
    pub(super) fn run(self, file: &Path) -> anyhow::Result<Exit> {
        let (problems, warnings) = findings(file)?;
        let outcome = Outcome { file, ok: problems.is_empty(), problems, warnings };
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &outcome)?;
            writeln!(out)?;
        } else {
            outcome.write(&mut out)?;
        }
        Ok(if outcome.ok { Exit::Success } else { Exit::Failure })
    }
}

/// Problems and warnings. Warnings are only looked for where there is no problem: half a configuration gives odd advice.
fn findings(file: &Path) -> anyhow::Result<(Vec<Finding>, Vec<Finding>)> {
    let Loaded { config, sources } = match config::load(file) {
        Ok(loaded) => loaded,
        Err(LoadError::Invalid { report, .. }) => return Ok((report.findings, Vec::new())),
        Err(error @ LoadError::Unreadable { .. }) => return Err(error.into()),
    };
    let now = SystemClock.now();
    let problems = plan::compile(config.clone()).map_or_else(|problems| problems, |plan| plan.judge_at(now));
    if !problems.is_empty() {
        return Ok((sources.report(&problems).findings, Vec::new()));
    }
    let advice = config::advise(&config, &sources, now);
    Ok((Vec::new(), sources.report(&advice).findings))
}

impl Outcome<'_> {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        if self.ok {
            writeln!(out, "{}: ok", self.file.display())?;
        }
        let warnings =
            self.warnings.iter().cloned().map(|warning| Finding { message: format!("warning: {}", warning.message), ..warning });
        let findings: Vec<_> = self.problems.iter().cloned().chain(warnings).collect();
        if !findings.is_empty() {
            writeln!(out, "{}", Report { file: self.file.to_owned(), findings })?;
        }
        Ok(())
    }
}
