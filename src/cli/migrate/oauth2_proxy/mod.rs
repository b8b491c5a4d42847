//! `doorward migrate oauth2-proxy`: reads what oauth2-proxy was told, as it puts it together itself, and writes what Doorward is to be told.
//!
//! Refuses to write anything while an option is not understood: a front door that does nearly the same is another front door.

mod alpha;
mod cfg;
mod env;
mod flags;
mod into;
mod known;
mod model;
mod remark;
mod settings;
mod trouble;
mod write;
mod yaml;

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use crate::config;
use env::Variables;
use into::Wishes;
use known::Part;
use model::Model;
use remark::{Remark, Weight};
use settings::Settings;
use trouble::{Origin, Troubles};

/// Larger than any configuration.
const MAX_BYTES: u64 = 1024 * 1024;

/// Read what oauth2-proxy was told, and write a configuration for Doorward, with a remark for each thing that differs.
///
/// Its command line follows after `--`, as it stands in the unit, the manifest or the script: `doorward migrate oauth2-proxy -- --config
/// /etc/oauth2-proxy.cfg --upstream http://127.0.0.1:3000/`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Migrate {
    /// oauth2-proxy's configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    cfg: Option<PathBuf>,
    /// Its alpha configuration (YAML).
    #[arg(long, value_name = "FILE")]
    alpha_config: Option<PathBuf>,
    /// A file of `NAME=value` lines that its environment is made of. May be given several times.
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Read this process' environment too.
    #[arg(long)]
    environment: bool,
    /// A file with its command line: a script, or a unit of systemd.
    #[arg(long, value_name = "FILE", conflicts_with = "arguments")]
    command: Option<PathBuf>,
    /// The address that people type, where no redirect URL says it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where Doorward is to keep people and the audit trail, if it has to.
    #[arg(long, value_name = "URL", default_value = "sqlite:/var/lib/doorward/doorward.db")]
    store: String,
    /// A folder for secrets that were written in clear: each becomes a file there, which the configuration names.
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// Where to write the configuration. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// One JSON object on standard output, with the configuration, the remarks and what is wrong.
    #[arg(long)]
    json: bool,
    /// oauth2-proxy's own command line.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What was read.
struct Read {
    model: Model,
    remarks: Vec<Remark>,
}

impl Migrate {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let mut troubles = Troubles::default();
        let Read { model, remarks } = self.read(&mut troubles);
        let wishes = Wishes { public_url: self.public_url.clone(), store: self.store.clone(), secrets: self.secrets.clone() };
        let mut translation = into::translate(&model, &wishes, &mut troubles);
        translation.remarks.extend(remarks);
        write::write(&self, translation, &troubles.settled())
    }

    /// The sources, in oauth2-proxy's order: the command line before the environment before the file.
    fn read(&self, troubles: &mut Troubles) -> Read {
        let mut variables = Variables::default();
        if self.environment {
            variables = Variables::of_process(config::variables());
        }
        for file in &self.env_file {
            if let Some(text) = text(file, troubles) {
                variables.add_file(file, &text, troubles);
            }
        }
        let flags = self.flags(troubles);
        let (said, passed) = variables.read(troubles);
        let named = |option: &Option<PathBuf>, flag: &'static str| option.clone().or_else(|| flags.text(flag).map(PathBuf::from));
        let (cfg, alpha) = (named(&self.cfg, "config"), named(&self.alpha_config, "alpha-config"));
        let from_file = cfg.and_then(|file| Some((text(&file, troubles)?, file)));
        let from_file = from_file.map(|(text, file)| cfg::read(&file, &text, troubles)).unwrap_or_default();
        let settings = from_file.overlaid(said).overlaid(flags);
        let model = match alpha.and_then(|file| Some((text(&file, troubles)?, file))) {
            None => model::of_options(settings, troubles),
            Some((text, file)) => with_alpha(settings, alpha::read(&file, &text, &variables, troubles), troubles),
        };
        // This process' environment is full of what is not oauth2-proxy's.
        let passed = passed.into_iter().filter(|(origin, _, _)| !matches!(origin, Origin::Variable(_)));
        let remarks = passed.map(|(origin, option, meant)| Remark {
            kind: Weight::Needless,
            option,
            place: origin.to_string(),
            text: format!("oauth2-proxy passes it over: {meant}"),
        });
        Read { model, remarks: remarks.collect() }
    }

    fn flags(&self, troubles: &mut Troubles) -> Settings {
        let Some(file) = &self.command else { return flags::read(&self.arguments, &Origin::CommandLine, troubles) };
        let Some(text) = text(file, troubles) else { return Settings::default() };
        let origin = Origin::line(file, 1);
        if let Some(words) = flags::words(&text) {
            return flags::read(&words, &origin, troubles);
        }
        troubles.add(&origin, "this is no command line", "a quote is not closed");
        Settings::default()
    }
}

/// With the alpha configuration, which takes the place of many options: oauth2-proxy does not start with both.
fn with_alpha(settings: Settings, alpha: alpha::Alpha, troubles: &mut Troubles) -> Model {
    for (_, set) in settings.iter().filter(|(known, _)| known.part == Part::Legacy) {
        // A variable is not looked at then; anything else is refused.
        if set.variable.is_none() {
            let hint = "remove it; the alpha configuration has a key for it";
            troubles.add(&set.origin, format!("`{}` may not be given together with an alpha configuration", set.name), hint);
        }
    }
    let core = settings.only(|known| known.part != Part::Legacy);
    Model {
        settings: core.overlaid(alpha.settings),
        upstreams: alpha.upstreams,
        request: alpha.request,
        response: alpha.response,
        server: alpha.server,
        metrics: alpha.metrics,
        parameters: alpha.parameters,
    }
}

fn text(file: &Path, troubles: &mut Troubles) -> Option<String> {
    let read = || -> std::io::Result<String> {
        if std::fs::metadata(file)?.len() > MAX_BYTES {
            return Err(std::io::Error::other("larger than 1 MiB"));
        }
        std::fs::read_to_string(file)
    };
    read().map_err(|error| troubles.add(&Origin::line(file, 1), format!("cannot be read: {error}"), "")).ok()
}
