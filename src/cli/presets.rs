//! `doorward presets`: what is known of each identity provider, and what to do there.
//!
//! Refuses nothing: without a configuration the door's own addresses are left to be filled in, because looking comes before writing.

use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::table::Table;
use crate::config::preset::{self, PROTOCOLS, Preset, Protocol};
use crate::config::{self, Config};
use crate::policy::tenancy::{SiteId, Tenancy};

/// Say what is known of an identity provider, and what to do there.
#[derive(Debug, Args)]
pub(super) struct Presets {
    /// Which one; without it, all are listed.
    name: Option<String>,
    /// The connection's id, which is part of the door's addresses. Default: that of the connection which uses the preset, else its name.
    #[arg(long)]
    id: Option<String>,
    #[arg(long)]
    json: bool,
}

impl Presets {
    pub(super) fn run(self, file: &Path) -> anyhow::Result<Exit> {
        let config = config::load(file).ok().map(|loaded| loaded.config);
        let mut out = std::io::stdout().lock();
        match &self.name {
            None if self.json => writeln!(out, "{}", serde_json::to_string_pretty(&self.listed(config.as_ref()))?)?,
            None => write!(out, "{}", table())?,
            Some(name) => {
                let preset = preset::all()
                    .get(name)
                    .ok_or_else(|| anyhow!("there is no preset `{name}`; `doorward presets` lists them"))?;
                if self.json {
                    writeln!(out, "{}", serde_json::to_string_pretty(&self.shown(name, preset, config.as_ref())?)?)?;
                } else {
                    write!(out, "{}", self.page(name, preset, config.as_ref()))?;
                }
            }
        }
        Ok(Exit::Success)
    }

    fn listed(&self, config: Option<&Config>) -> Value {
        preset::all().iter().filter_map(|(name, preset)| Some((name.clone(), self.shown(name, preset, config).ok()?))).collect()
    }

    /// A preset with the door's own addresses in its steps.
    fn shown(&self, name: &str, preset: &Preset, config: Option<&Config>) -> anyhow::Result<Value> {
        let own = Own::new(name, self.id.as_deref(), config);
        let mut shown = serde_json::to_value(preset)?;
        for key in PROTOCOLS {
            if let (Some(protocol), Some(section)) = (preset.protocol(key), shown.get_mut(key)) {
                section["set_up"] = protocol.set_up.iter().map(|step| own.fill(step)).collect();
            }
        }
        shown["addresses"] = own.all();
        Ok(shown)
    }

    fn page(&self, name: &str, preset: &Preset, config: Option<&Config>) -> String {
        let own = Own::new(name, self.id.as_deref(), config);
        let spoken = PROTOCOLS.iter().filter_map(|key| Some(own.section(name, key, preset.protocol(key)?)));
        format!("{}\n\nGroups: {}\n{}", preset.name, preset.groups, spoken.collect::<String>())
    }
}

fn table() -> Table {
    let mut table = Table::new(&["PRESET", "PROVIDER", "PROTOCOLS", "ISSUER"]);
    for (name, preset) in preset::all() {
        let spoken: Vec<(&str, &Protocol)> = PROTOCOLS.into_iter().filter_map(|key| Some((key, preset.protocol(key)?))).collect();
        let issuer = spoken.first().and_then(|(_, protocol)| protocol.issuer.first()).cloned().unwrap_or_default();
        let keys = spoken.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
        table.row([name.clone(), preset.name.clone(), keys, issuer]);
    }
    table
}

/// The door's own addresses, as an identity provider is told them.
struct Own {
    /// `https://app.example.com/.doorward`
    base: String,
    id: String,
    /// Where the provider sends people back to.
    redirect_uri: String,
}

impl Own {
    fn new(name: &str, id: Option<&str>, config: Option<&Config>) -> Self {
        let uses = |connection: &&config::connection::Connection| {
            connection.provider().is_some_and(|provider| provider.as_str() == name)
        };
        let named = |connection: &&config::connection::Connection| id.is_none_or(|id| connection.id.as_str() == id);
        let known = config.and_then(|config| config.connections.iter().filter(named).find(|one| id.is_some() || uses(one)));
        // A tenant's people sign in at its own host, if it has one.
        let home = |config: &Config| {
            let tenancy = Tenancy::compile(config);
            let site = known.map_or(SiteId::SHARED, |connection| tenancy.home(&connection.tenant));
            tenancy.site(site).public_url.clone()
        };
        let base = config.map_or_else(
            || "https://app.example.com/.doorward".to_owned(),
            |config| format!("{}{}", home(config), config.prefix),
        );
        let redirect_uri =
            config.zip(known).map(|(config, known)| format!("{}{}", home(config), config.callback_path(&known.id)));
        let id = id.map(str::to_owned).or_else(|| known.map(|connection| connection.id.to_string()));
        let id = id.unwrap_or_else(|| name.to_owned());
        let redirect_uri = redirect_uri.unwrap_or_else(|| format!("{base}/callback/{id}"));
        Self { base, id, redirect_uri }
    }

    /// Placeholder and address.
    fn addresses(&self) -> [(&'static str, String); 6] {
        let Self { base, id, redirect_uri } = self;
        [
            ("{redirect_uri}", redirect_uri.clone()),
            ("{sign_out_uri}", format!("{base}/signed-out")),
            ("{backchannel_logout_uri}", format!("{base}/backchannel-logout/{id}")),
            ("{acs_url}", format!("{base}/saml/{id}/acs")),
            ("{metadata_url}", format!("{base}/saml/{id}/metadata")),
            ("{entity_id}", format!("{base}/saml/{id}/metadata")),
        ]
    }

    fn all(&self) -> Value {
        self.addresses().into_iter().map(|(name, address)| (name.trim_matches(['{', '}']).to_owned(), json!(address))).collect()
    }

    fn fill(&self, step: &str) -> String {
        self.addresses().iter().fold(step.to_owned(), |text, (name, address)| text.replace(name, address))
    }

    /// What there is to say about one protocol.
    fn section(&self, name: &str, key: &str, protocol: &Protocol) -> String {
        let steps = protocol.set_up.iter().enumerate().map(|(index, step)| format!("  {}. {}\n", index + 1, self.fill(step)));
        let notes = protocol.notes.iter().map(|note| format!("  - {note}\n"));
        let id = &self.id;
        format!(
            "\n{key}\n  issuer: {}\n\n{}\n{}\n  connections:\n    - id: {id}\n      {key}: {{ provider: {name}, … }}\n",
            protocol.issuer.join(" or "),
            steps.collect::<String>(),
            notes.collect::<String>(),
        )
    }
}
