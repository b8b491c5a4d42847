//! `doorward inject`: the webhook that puts a door into annotated pods; with `--dry-run`, what it would do to the pods of a file.
//!
//! Refuses to start with a configuration that has a problem; the exit status then is 78. A dry run calls nobody.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Exit, store};
use crate::clock::SystemClock;
use crate::config::LoadError;
use crate::config::inject::{self, Inject as Typed};
use crate::kube::{self, Outcome, Settings, Verdict};

/// Where a chart puts the file.
const DEFAULT_FILE: &str = "/etc/doorward/inject.yaml";
/// Of a manifest, in bytes.
const LARGEST: u64 = 16 << 20;

/// The admission webhook that puts a door into annotated pods. Its own configuration file is `/etc/doorward/inject.yaml` unless `--config`
/// names another.
#[derive(Debug, Args)]
pub(super) struct Inject {
    /// Print one JSON line with the addresses once everything listens.
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
    /// Serve nothing: say what would be done to the pods of the files.
    #[arg(long, requires = "filename")]
    dry_run: bool,
    /// A file of manifests (pods, Deployments, lists …) for the dry run; `-` is standard input.
    #[arg(short, long, value_name = "FILE", requires = "dry_run")]
    filename: Vec<PathBuf>,
    /// What a dry run prints: a JSON Patch for each object, or the objects themselves.
    #[arg(long, value_enum, default_value = "patch")]
    output: Output,
    /// The sidecar's image, instead of the configuration's.
    #[arg(long)]
    image: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Patch,
    Yaml,
}

impl Inject {
    /// `config`: what was named on the command line.
    pub(super) fn run(self, config: Option<&Path>) -> anyhow::Result<Exit> {
        let typed = match config {
            None if self.dry_run => Ok(Typed::for_trying(format!("doorward:{}", env!("CARGO_PKG_VERSION")))),
            None => inject::load(Path::new(DEFAULT_FILE)),
            Some(file) => inject::load(file),
        };
        let mut typed = match typed {
            Ok(typed) => typed,
            Err(error @ (LoadError::Unreadable { .. } | LoadError::Invalid { .. })) => {
                eprintln!("{error}");
                return Ok(Exit::Configuration);
            }
        };
        if let Some(image) = self.image.clone() {
            typed.image = image;
        }
        if self.dry_run { self.try_out(&typed) } else { self.serve(typed) }
    }

    fn serve(self, typed: Typed) -> anyhow::Result<Exit> {
        // Must be the first use of TLS in the process, so that there is one provider only.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let tell = move |ready: &kube::Ready| {
            if self.json {
                println!("{}", serde_json::json!(ready));
            }
        };
        let ended = runtime.block_on(kube::run(typed, Arc::new(SystemClock), tell));
        runtime.shutdown_background();
        ended?;
        Ok(Exit::Success)
    }

    fn try_out(&self, typed: &Typed) -> anyhow::Result<Exit> {
        let settings = Settings::new(typed);
        let mut outcomes = Vec::new();
        for file in &self.filename {
            let text = read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let objects = kube::objects(&text).with_context(|| format!("{} is no manifest", file.display()))?;
            outcomes.extend(objects.iter().map(|object| kube::outcome(object, &settings)));
        }
        let verdicts: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.verdicts).collect();
        for (name, verdict) in &verdicts {
            tell(name, verdict);
        }
        store::say(match self.output {
            Output::Patch => patches(&outcomes)?,
            Output::Yaml => yaml(outcomes.iter().map(|outcome| &outcome.object))?,
        })?;
        let refused = verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Refused(_)));
        Ok(if refused { Exit::Failure } else { Exit::Success })
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let length = if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)?
    } else {
        std::fs::File::open(file)?.take(LARGEST + 1).read_to_string(&mut text)?
    };
    anyhow::ensure!(u64::try_from(length)? <= LARGEST, "larger than 16 MiB");
    Ok(text)
}

/// Says to standard error what became of a pod, so that standard output is for programs.
fn tell(name: &str, verdict: &Verdict) {
    eprintln!("{name}: {}", verdict.word().replace('_', " "));
    match verdict {
        Verdict::Refused(refusals) => {
            for refusal in refusals {
                eprintln!("  {refusal}");
            }
        }
        Verdict::Injected { warnings, .. } | Verdict::Untouched { warnings } => {
            for warning in warnings {
                eprintln!("  warning: {warning}");
            }
        }
        Verdict::Already => {}
    }
}

/// One JSON Patch for each object, in their order.
fn patches(outcomes: &[Outcome]) -> anyhow::Result<String> {
    let mut text = String::new();
    for outcome in outcomes {
        text.push_str(&serde_json::to_string_pretty(&outcome.patch)?);
        text.push('\n');
    }
    Ok(text)
}

fn yaml<'v>(objects: impl Iterator<Item = &'v Value>) -> anyhow::Result<String> {
    let documents: Result<Vec<String>, _> = objects.map(serde_yaml::to_string).collect();
    Ok(documents?.join("---\n"))
}
