//! `doorward user break-glass`: administrators who get in when nothing else works.
//!
//! Refuses an account without a second factor, and one that nobody hears of: each change is an alarm in the audit trail, or waits on the
//! disk for it. Needs no store, so that it can be done on the day itself.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use ipnet::IpNet;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;

use super::Exit;
use super::password::PasswordSource;
use super::store;
use super::table::{Table, listed};
use crate::app::memory::Memory;
use crate::audit::what::BreakGlassChanged;
use crate::audit::{Event, Outcome, Spool};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config, LoadError};
use crate::crypto::random;
use crate::crypto::totp::{self, Totp};
use crate::directory::{BreakGlassAccount, BreakGlassFile};
use crate::model::{EmailAddress, TenantId};

/// Codes that may be mistyped before nothing is kept.
const TRIES: usize = 3;

/// Make an account that signs in with the identity provider, the mail and the store down; or list or remove such accounts.
#[derive(Debug, Args)]
pub(super) struct BreakGlass {
    /// The administrator's e-mail address.
    #[arg(required_unless_present = "list")]
    address: Option<EmailAddress>,
    /// A role the account has; default: the highest ranked one. Can be repeated.
    #[arg(long = "role", value_name = "ROLE", conflicts_with_all = ["list", "remove"])]
    roles: Vec<String>,
    /// A network it may be used from, such as 10.0.0.0/8; default: anywhere. Can be repeated.
    #[arg(long = "network", value_name = "NETWORK", conflicts_with_all = ["list", "remove"])]
    networks: Vec<IpNet>,
    #[command(flatten)]
    password: PasswordSource,
    /// Remove the account instead.
    #[arg(long, conflicts_with = "list")]
    remove: bool,
    /// List the accounts instead.
    #[arg(long, conflicts_with = "address")]
    list: bool,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The configuration, and the file it names.
struct Kept {
    config: Config,
    file: BreakGlassFile,
    path: std::path::PathBuf,
    accounts: Vec<BreakGlassAccount>,
    clock: SharedClock,
}

impl BreakGlass {
    pub(super) fn run(self, file: &Path) -> anyhow::Result<Exit> {
        let config = match config::load(file) {
            Ok(loaded) => loaded.config,
            Err(LoadError::Invalid { report, .. }) => {
                eprintln!("{report}");
                return Ok(Exit::Configuration);
            }
            Err(unreadable @ LoadError::Unreadable { .. }) => {
                return Err(anyhow!(unreadable)).context("name the configuration with `--config FILE`");
            }
        };
        let kept = Kept::open(config)?;
        match &self.address {
            None => self.show(&kept)?,
            Some(address) if self.remove => self.take_away(kept, address)?,
            Some(address) => self.make(kept, address)?,
        }
        Ok(Exit::Success)
    }

    fn show(&self, kept: &Kept) -> anyhow::Result<()> {
        if self.json {
            let shown = kept.accounts.iter().map(|account| {
                json!({ "address": account.address, "roles": account.roles, "networks": account.networks, "created_at": account.created_at })
            });
            return store::print_json(&shown.collect::<Vec<_>>());
        }
        let mut table = Table::new(&["ADDRESS", "ROLES", "NETWORKS", "CREATED"]);
        for account in &kept.accounts {
            let networks = account.networks.iter().map(ToString::to_string).collect::<Vec<_>>();
            table.row([
                account.address.to_string(),
                listed(account.roles.clone()),
                listed(networks),
                account.created_at.to_string(),
            ]);
        }
        store::say(table)
    }

    fn take_away(&self, mut kept: Kept, address: &EmailAddress) -> anyhow::Result<()> {
        let before = kept.accounts.len();
        kept.accounts.retain(|account| !same(&account.address, address));
        if kept.accounts.len() == before {
            bail!("there is no break-glass account {address}; `doorward user break-glass --list` shows those there are");
        }
        kept.file.write(&kept.accounts)?;
        kept.alarm(address, "removed")?;
        if self.json {
            return store::print_json(&json!({ "address": address, "removed": true }));
        }
        store::say(format!("{address} is no break-glass account any more"))
    }

    fn make(&self, mut kept: Kept, address: &EmailAddress) -> anyhow::Result<()> {
        let roles = self.roles(&kept.config)?;
        let chosen = self.password.choose()?;
        let secret = totp::secret()?;
        let account = BreakGlassAccount {
            id: random::alphanumeric(22)?,
            address: address.clone(),
            password_hash: chosen.hash,
            totp_secret: secret.to_vec(),
            roles,
            networks: self.networks.clone(),
            created_at: kept.clock.now(),
        };
        let issuer = format!("{} break-glass", kept.config.public_url.trim_start_matches("https://"));
        let totp = Totp::new(&secret, address.as_str(), &issuer)?;
        let otpauth = totp.address()?;
        if !self.json {
            let picture = QrCode::new(&otpauth)?.render::<Dense1x2>().quiet_zone(true).build();
            store::say(format!("Scan this with an authenticator app, or type the secret into it:\n\n{picture}\n"))?;
            store::say(format!("secret    {}\naddress   {otpauth}\n", totp.typed()))?;
            if std::io::stdin().is_terminal() {
                confirm(&totp, &kept.clock)?;
            }
        }
        let replaced = kept.accounts.iter().any(|known| same(&known.address, address));
        kept.accounts.retain(|known| !same(&known.address, address));
        kept.accounts.push(account);
        kept.file.write(&kept.accounts)?;
        kept.alarm(address, if replaced { "replaced" } else { "created" })?;
        let page = format!("{}{}/break-glass", kept.config.public_url.trim_end_matches('/'), kept.config.prefix);
        let generated = chosen.generated.as_ref().map(crate::crypto::Secret::expose);
        if self.json {
            return store::print_json(&json!({
                "address": address, "password": generated, "totp_secret": totp.typed(), "totp": otpauth, "sign_in": page,
            }));
        }
        let password = generated.map(|password| format!("password  {password}\n")).unwrap_or_default();
        store::say(format!("{password}sign in   {page}\n\nThis is shown this once: lock it away now."))
    }

    fn roles(&self, config: &Config) -> anyhow::Result<Vec<String>> {
        for role in &self.roles {
            if !config.roles.ranked.contains(role) && !config.roles.others.contains(role) {
                bail!("there is no role {role} in the configuration's `roles`");
            }
        }
        if !self.roles.is_empty() {
            return Ok(self.roles.clone());
        }
        Ok(config.roles.ranked.first().cloned().into_iter().collect())
    }
}

fn same(one: &EmailAddress, other: &EmailAddress) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// Asks for codes until one is right: a secret that no app has is a lock without a key.
fn confirm(totp: &Totp, clock: &SharedClock) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        print!("Code from the app: ");
        std::io::stdout().flush()?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        if totp.step_of(&line, clock.now()).is_some() {
            return Ok(());
        }
        println!("That is not a code of this secret; is the clock of the phone right?");
    }
    bail!("no right code was typed; nothing was changed")
}

impl Kept {
    fn open(config: Config) -> anyhow::Result<Self> {
        let hint = "set `sign_in.break_glass_file` in the configuration to a file in a folder that doorward may write";
        let path = config.sign_in.break_glass_file.clone().context(hint)?;
        let keys = std::iter::once(&config.secret_key).chain(&config.former_secret_keys);
        let file = BreakGlassFile::new(&path, keys)?;
        let accounts = file.read()?;
        Ok(Self { config, file, path, accounts, clock: Arc::new(SystemClock) })
    }

    /// Records the change; where the store cannot be asked, or there is none, it waits on the disk for the server.
    fn alarm(&self, address: &EmailAddress, change: &'static str) -> anyhow::Result<()> {
        let what = BreakGlassChanged { severity: Some("critical"), change: Some(change) };
        let mut event = Event::new(self.clock.now(), what, Outcome::Success, &TenantId::default());
        event.actor = Some(store::actor());
        event.target = Some(address.to_string());
        if self.config.store.is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let recorded = runtime.block_on(async {
                let memory = Memory::open(&self.config, &self.clock).await?;
                memory.audit.record(event.clone()).await.map_err(anyhow::Error::from)
            });
            runtime.shutdown_background();
            let Err(error) = recorded else { return Ok(()) };
            eprintln!("doorward: {error:#}: the change waits on the disk for the audit trail");
        }
        Spool::new(BreakGlassFile::beside(&self.path, ".spool"))
            .keep(&event)
            .context("it was done, but could not be recorded: note it by hand")
    }
}
