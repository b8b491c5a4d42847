//! oauth2-proxy's environment: `OAUTH2_PROXY_…`, from a file as containers and systemd are given one, or the process' own.
//!
//! Refuses to look at the process' own environment unasked: it is that of whoever migrates, not of the program.

use std::collections::BTreeMap;
use std::path::Path;

use super::known::{ALL, Known, Part};
use super::settings::{Raw, Saying, Settings};
use super::trouble::{Origin, Troubles, like};

const PREFIX: &str = "OAUTH2_PROXY_";

/// Variables, and where each was set.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, (String, Origin)>);

impl Variables {
    pub(super) fn of_process(all: impl Iterator<Item = (String, String)>) -> Self {
        Self(all.map(|(name, value)| (name.clone(), (value, Origin::Variable(name)))).collect())
    }

    /// Adds the lines of a file: `NAME=value`, quoted or not, with `export` or not.
    pub(super) fn add_file(&mut self, file: &Path, text: &str, troubles: &mut Troubles) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let origin = Origin::line(file, index + 1);
            let pair = line.strip_prefix("export ").unwrap_or(line).split_once('=');
            let Some((name, value)) = pair.filter(|(name, _)| is_name(name)) else {
                troubles.add(&origin, "this is not `NAME=value`", "one variable on each line; comments begin with `#`");
                continue;
            };
            self.0.insert(name.to_owned(), (unquoted(value.trim()).to_owned(), origin));
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    /// What they say to oauth2-proxy, and those it does not know and therefore passes over, with what was probably meant.
    pub(super) fn read(&self, troubles: &mut Troubles) -> (Settings, Vec<(Origin, String, String)>) {
        let (mut settings, mut passed) = (Settings::default(), Vec::new());
        for (name, (value, origin)) in &self.0 {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let Some(known) = Known::of_file(&rest.to_ascii_lowercase()) else {
                let names = ALL.iter().filter(|known| matches!(known.part, Part::Core | Part::Legacy)).map(|known| known.file);
                let meant = like(&rest.to_ascii_lowercase(), names, "it has no such option");
                passed.push((origin.clone(), name.clone(), meant));
                continue;
            };
            let saying = Saying { name, origin: origin.clone(), variable: Some(name.clone()) };
            settings.say(known, Raw::Text(value.clone()), saying, false, troubles);
        }
        (settings, passed)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text)
}
