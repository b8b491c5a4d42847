//! Break-glass: the way in for named administrators when the provider, the mail and even the store are down.
//!
//! Refuses to be quiet: each try of a known account is an alarm in the log and in the audit trail, or on the disk until the trail can be
//! written; and to last: such a session ends within the hour. It asks no store for anything that it needs (threats M10).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::complete::{Failed, redirect};
use super::form::Purpose;
use super::lockout::Lockout;
use super::pages::break_glass::BreakGlassForm;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::audit::what::BreakGlassUsed;
use crate::audit::{Outcome, Spool};
use crate::config::{Config, Path, Problems};
use crate::crypto::totp::Totp;
use crate::crypto::{Digest, random};
use crate::directory::{BreakGlassAccount, BreakGlassError, BreakGlassFile};
use crate::limit::Party;
use crate::model::{ConnectionId, Session, SessionHandle, TenantId, User, UserId};
use crate::policy::mfa::METHOD;
use crate::session::{Begun, Bound, Carried, cookie};

/// How long such a session lasts at most.
const LONGEST_SESSION: Duration = Duration::from_secs(3600);
/// Longest field that is looked at, in bytes.
const LONGEST: usize = 1024;
/// How long the store is asked what other replicas know; its silence is no obstacle.
const STORE_PATIENCE: Duration = Duration::from_millis(300);
/// How many times as many wrong tries of an account are borne from everywhere as from one place, so that nobody keeps it locked from a few.
/// By default 100 in a quarter of an hour, 9,600 in a day. A try is right with both the password, of 119 bits unless chosen otherwise, and
/// one of three codes of a million, and nobody is told which was wrong: whoever has the password already needs 24 days of 9,600 alarms each
/// for an even chance (1 - (1 - 3e-6)^9600 is 3 % a day); whoever has not, longer than there is time.
const EVERYWHERE: u32 = 20;

/// What the file says.
#[derive(Debug)]
pub(super) struct BreakGlass {
    accounts: Vec<BreakGlassAccount>,
    /// The configured file; `None`: there is no break-glass.
    spool: Option<Spool>,
    used: Option<PathBuf>,
    here: Counter,
    everywhere: Counter,
    connection: ConnectionId,
}

/// Tries in a row, counted by this process and, as far as the store can be asked, by all replicas.
#[derive(Debug)]
struct Counter {
    bound: Bound,
    lockout: Lockout,
}

impl Counter {
    fn new(bound: Bound) -> Self {
        Self { bound, lockout: Lockout::new(bound) }
    }
}

/// What a try counts for.
type Counted<'c> = Vec<(&'c Counter, Party)>;

/// The last step of each account's codes, over reloads.
#[derive(Debug, Default)]
pub struct UsedCodes(Mutex<HashMap<String, i64>>);

/// The form, as it is sent. No Debug: it holds a password and a code.
#[derive(Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
}

impl BreakGlass {
    /// `None` where a problem was added.
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Option<Self> {
        let at = || Path::from("sign_in").key("break_glass_file");
        let Some(path) = &config.sign_in.break_glass_file else { return Self::none(config) };
        let keys = std::iter::once(&config.secret_key).chain(&config.former_secret_keys);
        let file = BreakGlassFile::new(path, keys).ok()?;
        match file.read() {
            Ok(accounts) => {
                let (spool, used) =
                    (Some(Spool::new(BreakGlassFile::beside(path, ".spool"))), Some(BreakGlassFile::beside(path, ".used")));
                Some(Self { accounts, spool, used, ..Self::none(config)? })
            }
            Err(error @ BreakGlassError::File { .. }) => {
                problems.add(at(), error.to_string(), "make it readable for the user doorward runs as");
                None
            }
            Err(error @ BreakGlassError::Unsealable(_)) => {
                let hint = "keep the old key in `former_secret_keys`, or remove the file and run `doorward user break-glass`";
                problems.add(at(), error.to_string(), hint);
                None
            }
        }
    }

    /// That nobody has such an account.
    pub(super) fn none(config: &Config) -> Option<Self> {
        let bound = super::connection::bound(config);
        let everywhere = Bound { tries: bound.tries.saturating_mul(EVERYWHERE), ..bound };
        Some(Self {
            accounts: Vec::new(),
            spool: None,
            used: None,
            here: Counter::new(bound),
            everywhere: Counter::new(everywhere),
            connection: ConnectionId::BREAK_GLASS.parse().ok()?,
        })
    }

    fn account(&self, address: &str) -> Option<&BreakGlassAccount> {
        self.accounts.iter().find(|account| account.address.as_str().eq_ignore_ascii_case(address))
    }

    /// What a try of `typed` counts for: for those from the same place and, where the account may be used from there, for all.
    fn counted(&self, typed: &str, client: IpAddr) -> Counted<'_> {
        let (name, source) = (typed.to_ascii_lowercase(), Party::source(client));
        let here = (&self.here, Party::name("break glass here", &format!("{source:?} {name}")));
        let may = self.account(typed).is_none_or(|account| may_come_from(account, client));
        std::iter::once(here).chain(may.then(|| (&self.everywhere, Party::name("break glass", &name)))).collect()
    }

    /// What the sessions of these accounts are known by.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.accounts.iter().map(BreakGlassAccount::user).collect()
    }

    /// Where alarms wait for the trail.
    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }
}

impl UsedCodes {
    /// Whether `step` is the account's first at or after it, in this process and, where `file` can be written, in all that share it.
    fn take(&self, account: &str, step: i64, file: Option<&std::path::Path>) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(account).is_some_and(|last| *last >= step) {
            return false;
        }
        used.insert(account.to_owned(), step);
        drop(used);
        match file.map(|file| shared::take(file, account, step)) {
            Some(Ok(first)) => first,
            Some(Err(error)) => {
                tracing::warn!(%error, "used break-glass codes are remembered by this process only");
                true
            }
            None => true,
        }
    }
}

/// The steps that were used, in a file that a restart and other processes see.
mod shared {
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::{self, Read as _, Seek as _, Write as _};
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Path;

    /// Longer than any of ours.
    const MOST_BYTES: u64 = 64 * 1024;

    pub(super) fn take(file: &Path, account: &str, step: i64) -> io::Result<bool> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file)?;
        file.lock()?;
        let mut text = String::new();
        (&file).take(MOST_BYTES).read_to_string(&mut text)?;
        let mut steps: BTreeMap<String, i64> = if text.is_empty() { BTreeMap::new() } else { serde_json::from_str(&text)? };
        if steps.get(account).is_some_and(|last| *last >= step) {
            return Ok(false);
        }
        steps.insert(account.to_owned(), step);
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec(&steps)?)?;
        file.sync_all()?;
        Ok(true)
    }
}

fn may_come_from(account: &BreakGlassAccount, client: IpAddr) -> bool {
    account.networks.is_empty() || account.networks.iter().any(|network| network.contains(&client))
}

/// `GET /.doorward/break-glass`
pub(super) async fn form(State(login): State<Arc<Login>>, visitor: Visitor) -> Response {
    login.break_glass_page(&visitor, None).unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/break-glass`
pub(super) async fn submit(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    match login.break_glass(&visitor, &form).await {
        Err(SignInError::WrongPassword) => login
            .break_glass_page(&visitor, Some(&form.user))
            .unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error)),
        Err(error) => login.pages().failed_sign_in(&error, &login.pages().address("/break-glass")).into_response(),
        Ok(answer) => answer,
    }
}

impl Login {
    async fn break_glass(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        let (rules, now) = (&self.rules.break_glass, self.now());
        self.rules.forms.check(Purpose::BreakGlass, &visitor.headers, &form.token, now)?;
        let sources = self.rules.accounts.sources();
        let source = Party::source(visitor.client);
        if let Some(retry_after) = sources.wait(source, now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        if [&form.user, &form.password, &form.code].iter().any(|field| field.len() > LONGEST) {
            return Err(SignInError::WrongPassword);
        }
        let typed = form.user.trim();
        let account = rules.account(typed);
        let counted = rules.counted(typed, visitor.client);
        let last = match self.begin_break_glass(&counted).await {
            Ok(last) => last,
            Err(retry_after) => {
                // Counted, so that nobody drowns the trail in alarms from one place.
                let _ = sources.fail(source, now).await;
                if account.is_some() {
                    self.break_glass_alarm(visitor, typed, Some("locked"), true, None).await;
                }
                return Err(SignInError::TooMany { retry_after });
            }
        };
        let stored = account.map(|account| account.password_hash.clone());
        let right = self.rules.accounts.verify(form.password.clone(), stored).await;
        let right = match right {
            Ok(right) => right,
            Err(error) => {
                self.take_back_break_glass(&counted).await;
                return Err(error);
            }
        };
        let reason = match account {
            Some(account) if right => self.break_glass_refusal(visitor, account, &form.code).await?,
            _ => Some("wrong_password"),
        };
        let (Some(account), None) = (account, reason) else {
            let _ = sources.fail(source, now).await;
            if account.is_some() {
                self.break_glass_alarm(visitor, typed, reason, last, None).await;
            }
            return Err(SignInError::WrongPassword);
        };
        self.clear_break_glass(&counted).await;
        self.enter(visitor, account).await
    }

    /// Counts a try, or says how long to wait; `true`: should it fail, the next ones have to.
    async fn begin_break_glass(&self, counted: &Counted<'_>) -> Result<bool, Duration> {
        let (now, mut last) = (self.now(), false);
        for (counter, party) in counted {
            last |= counter.lockout.begin(*party, now).await?.last;
            let asked = self.means.tries.begin(*party, counter.bound, now);
            match tokio::time::timeout(STORE_PATIENCE, asked).await {
                Ok(Ok(Begun::Waits(wait))) => return Err(wait),
                Ok(Ok(Begun::Goes { last: of_all })) => last |= of_all,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok(last)
    }

    async fn take_back_break_glass(&self, counted: &Counted<'_>) {
        for (counter, party) in counted {
            counter.lockout.take_back(*party).await;
            let told = tokio::time::timeout(STORE_PATIENCE, self.means.tries.take_back(*party)).await;
            tracing::debug!(told = matches!(told, Ok(Ok(()))), "a break-glass try could not be checked");
        }
    }

    async fn clear_break_glass(&self, counted: &Counted<'_>) {
        for (counter, party) in counted {
            counter.lockout.clear(*party).await;
            let told = tokio::time::timeout(STORE_PATIENCE, self.means.tries.clear(*party)).await;
            tracing::debug!(told = matches!(told, Ok(Ok(()))), "a break-glass try was right");
        }
    }

    /// What stands against an account whose password was right.
    async fn break_glass_refusal(
        &self,
        visitor: &Visitor,
        account: &BreakGlassAccount,
        code: &str,
    ) -> Result<Option<&'static str>, SignInError> {
        if !may_come_from(account, visitor.client) {
            return Ok(Some("network"));
        }
        let totp = Totp::new(&account.totp_secret, account.address.as_str(), "").map_err(SignInError::internal)?;
        let Some(step) = totp.step_of(code, self.now()) else { return Ok(Some("wrong_code")) };
        let (codes, file, id) = (Arc::clone(&self.means.used_codes), self.rules.break_glass.used.clone(), account.id.clone());
        let taken = tokio::task::spawn_blocking(move || codes.take(&id, step, file.as_deref()));
        let first = taken.await.map_err(SignInError::internal)? && self.is_first_anywhere(account, step).await;
        Ok((!first).then_some("wrong_code"))
    }

    /// Whether no other replica has taken the code, as far as the store can be asked.
    async fn is_first_anywhere(&self, account: &BreakGlassAccount, step: i64) -> bool {
        let token = Digest::of_parts(&[account.id.as_bytes(), &step.to_be_bytes()]);
        let until = self.now().after(Duration::from_secs(600));
        let asked = self.means.sessions.take_once("break_glass_code", &token, until);
        match tokio::time::timeout(STORE_PATIENCE, asked).await {
            Ok(Ok(first)) => first,
            Ok(Err(_)) | Err(_) => true,
        }
    }

    /// Makes the session, which the cookie itself holds.
    async fn enter(&self, visitor: &Visitor, account: &BreakGlassAccount) -> Result<Response, SignInError> {
        let (now, rules) = (self.now(), &self.rules.break_glass);
        let id = random::alphanumeric(43).map_err(SignInError::internal)?;
        let user = User {
            id: account.user(),
            tenant: TenantId::default(),
            user_name: account.address.to_string(),
            email: Some(account.address.clone()),
            name: None,
            active: true,
            groups: Vec::new(),
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: account.roles.clone(),
            link: None,
            password_hash: None,
            created_at: account.created_at,
            updated_at: account.created_at,
        };
        let session = Session {
            handle: SessionHandle(random::alphanumeric(16).map_err(SignInError::internal)?),
            digest: Digest::of(id.as_bytes()),
            tenant: user.tenant.clone(),
            user: user.id,
            connection: rules.connection.clone(),
            amr: ["pwd", "otp", METHOD].map(str::to_owned).into(),
            acr: None,
            authenticated_at: now,
            created_at: now,
            last_seen_at: now,
            expires_at: now.after(self.rules.lifetimes.absolute.0.min(LONGEST_SESSION)),
            revoked_at: None,
            provider_session: None,
            provider_subject: None,
            sealed_tokens: None,
            tokens_version: 0,
            refresh_at: None,
            client_address: Some(visitor.client.to_string()),
            user_agent: visitor.user_agent(),
        };
        let mut carried = Carried::new(id, &session, &user);
        carried.break_glass = true;
        let cookies = self.rules.seals.set(&carried, &visitor.headers, now).map_err(SignInError::internal)?;
        // So that it can be seen and ended like any other; without the store it lasts until its end.
        let registered = tokio::time::timeout(STORE_PATIENCE, self.means.sessions.create(&session)).await;
        if !matches!(registered, Ok(Ok(()))) {
            tracing::warn!("the break-glass session is not in the store");
        }
        self.break_glass_alarm(visitor, account.address.as_str(), None, false, Some(&session.handle)).await;
        redirect(self.rules.origins.home().as_str(), cookies)
    }

    /// `reason`: why it failed. Of everybody else's failures there are too many to alarm anybody.
    async fn break_glass_alarm(
        &self,
        visitor: &Visitor,
        address: &str,
        reason: Option<&'static str>,
        locked: bool,
        session: Option<&SessionHandle>,
    ) {
        let outcome = if reason.is_none() { Outcome::Success } else { Outcome::Failure };
        let mut event = self.event(visitor, BreakGlassUsed { severity: Some("critical"), locked }, outcome);
        event.reason = reason.map(Into::into);
        event.actor = Some(address.to_owned());
        event.target = Some(address.to_owned());
        event.session = session.map(ToString::to_string);
        self.means.audit.alarm(event, self.rules.break_glass.spool()).await;
    }

    /// `wrong`: the name of a try that just failed.
    fn break_glass_page(&self, visitor: &Visitor, wrong: Option<&str>) -> Result<Response, SignInError> {
        let issued = self.rules.forms.issue(Purpose::BreakGlass, &visitor.headers, self.now())?;
        let form = BreakGlassForm { token: issued.token, user: wrong.unwrap_or_default().to_owned(), wrong: wrong.is_some() };
        let mut answer = self.pages().break_glass(&form).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }
}
