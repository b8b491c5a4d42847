//! Local accounts: user name or e-mail address, and a password.
//!
//! Refuses to answer an unknown account in other words or another time than a wrong password (threats M5), and to check more passwords
//! at once than half of the cores can, because each costs 19 MiB and some 20 ms by design and a flood of them must not stop the door.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, header};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::chooser::Ask;
use super::complete::{Failed, Proven};
use super::connection::{Connection, Way};
use super::form::Purpose;
use super::pages::Mistake;
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::audit::{Kind, Outcome};
use crate::config::connection::Password;
use crate::crypto::password;
use crate::limit::{FailureLimit, Party};
use crate::model::{TenantId, User};
use crate::session::{Begun, Bound};

/// How long a password waits for its turn to be checked.
const TURN: Duration = Duration::from_secs(3);
/// Longest name and password that are looked at, in bytes.
const LONGEST: usize = 1024;

/// RFC 9110 §15.5.2 wants a challenge with each 401; browsers know none for forms and ignore this one.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Cookie realm=\"doorward\"");

/// What guards the local accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    bound: Bound,
    sources: FailureLimit,
    turns: Arc<Semaphore>,
    /// Whether a password alone lets somebody set up their first second factor.
    self_enrolment: bool,
}

/// The form, as it is sent. No Debug: it holds a password.
#[derive(Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

impl Accounts {
    /// `per_minute`: wrong passwords borne from one source address within a minute.
    #[must_use]
    pub(super) fn new(typed: Password, per_minute: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            self_enrolment: typed.self_enrolment,
            bound: super::connection::bound_of(typed),
            sources: FailureLimit::new(per_minute),
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
        }
    }

    /// Wrong passwords and codes, by where they come from.
    pub(super) fn sources(&self) -> &FailureLimit {
        &self.sources
    }

    /// Whether somebody who came by `connection` needs a code from an administrator to set up their first second factor.
    #[must_use]
    pub(super) fn asks_for_enrolment_code(&self, connection: &Connection) -> bool {
        matches!(connection.way, Way::Password) && !self.self_enrolment
    }

    /// Whether the password is the person's; costs the same for nobody.
    pub(super) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, SignInError> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SignInError::Busy) };
        let work = move || {
            // Held until the work is done, even if whoever asked has left.
            let _turn = turn;
            password::verify(&password, stored.as_deref())
        };
        tokio::task::spawn_blocking(work).await.map_err(SignInError::internal)
    }
}

/// `POST /.doorward/sign-in/{connection}`
pub(super) async fn submit(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm);
    };
    let return_to = login.rules.origins.parse_or_home(Some(&form.return_to));
    let connections = login.connections();
    let connection = connections.find(&id).filter(|connection| matches!(connection.way, Way::Password));
    let typed = form.user.trim().to_lowercase();
    let failed = Failed {
        connection: connection.map(|found| &found.id),
        actor: Some(&typed),
        return_to: return_to.as_str(),
        ..Failed::NOWHERE
    };
    let Some(connection) = connection else { return login.refuse(&visitor, &failed, &SignInError::UnknownConnection) };
    match login.sign_in_with_password(&visitor, connection, &form, &typed, &return_to).await {
        Ok(answer) => answer,
        Err(SignInError::WrongPassword) => {
            login.note_failure(&visitor, &failed, &SignInError::WrongPassword);
            let tenant = Some(&connection.tenant);
            let mistake = Some(Mistake::Password);
            login.wrong_password(
                &visitor,
                connection,
                &Ask { tenant, return_to: &return_to, prompt: false, typed: &form.user, mistake },
            )
        }
        Err(error) => login.refuse(&visitor, &failed, &error),
    }
}

impl Login {
    async fn sign_in_with_password(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        form: &Submitted,
        typed: &str,
        return_to: &ReturnTo,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        self.rules.forms.check(Purpose::Password, &visitor.headers, &form.token, now)?;
        let accounts = &self.rules.accounts;
        let source = Party::source(visitor.client);
        if let Some(retry_after) = accounts.sources.wait(source, now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        if typed.len() > LONGEST || form.password.len() > LONGEST {
            return Err(SignInError::WrongPassword);
        }
        let user = self.local_user(&connection.tenant, typed).await?;
        // One counter for all spellings of an account; a name that nobody has counts under itself.
        let account = user.as_ref().map_or_else(
            || Party::name("nobody", &format!("{} {typed}", connection.tenant)),
            |user| Party::name("account", &user.id.to_string()),
        );
        let last = self.begin_try(account, accounts.bound).await?;
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        let right = match accounts.verify(form.password.clone(), stored).await {
            Ok(right) => right,
            Err(error) => {
                self.means.tries.take_back(account).await?;
                return Err(error);
            }
        };
        let Some(user) = user.filter(|user| right && self.account_may_use(connection, user)) else {
            // What the answer says does not depend on it; the next try will find the source locked.
            let _ = accounts.sources.fail(source, now).await;
            if last {
                self.record_lock(visitor, typed).await?;
            }
            return Err(SignInError::WrongPassword);
        };
        self.means.tries.clear(account).await?;
        let proven = Proven::here(user, connection, vec!["pwd".to_owned()], now, return_to.clone());
        self.complete(visitor, proven).await
    }

    /// Begins a try of what counts in the store: all spellings of an account share a counter, and names that nobody has are counted like
    /// others, so that waiting tells nobody which accounts there are (threats M5, M7). Says whether it is the last before all have to wait.
    pub(super) async fn begin_try(&self, party: Party, bound: Bound) -> Result<bool, SignInError> {
        match self.means.tries.begin(party, bound, self.now()).await? {
            Begun::Goes { last } => Ok(last),
            Begun::Waits(retry_after) => Err(SignInError::TooMany { retry_after }),
        }
    }

    /// Whose name or address it is; both are looked up whatever the first finds, so that the time tells nothing.
    async fn local_user(&self, tenant: &TenantId, typed: &str) -> Result<Option<User>, SignInError> {
        let named = self.means.directory.user_by_name(tenant, typed).await?;
        let addressed = match typed.parse() {
            Ok(email) => self.means.directory.local_user_by_email(tenant, &email).await?,
            Err(_) => None,
        };
        Ok(named.filter(|user| user.password_hash.is_some()).or(addressed))
    }

    async fn record_lock(&self, visitor: &Visitor, typed: &str) -> Result<(), SignInError> {
        let mut event = self.event(visitor, Kind::AccountLocked, Outcome::Success);
        event.target = Some(typed.to_owned());
        Ok(self.means.audit.record(event).await?)
    }

    /// The sign-in page after a wrong password.
    fn wrong_password(&self, visitor: &Visitor, connection: &Connection, ask: &Ask<'_>) -> Response {
        match self.password_page(visitor, connection, ask) {
            Ok(mut answer) => {
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
                answer
            }
            Err(error) => {
                let failed = Failed { connection: None, return_to: ask.return_to.as_str(), ..Failed::NOWHERE };
                self.refuse(visitor, &failed, &error)
            }
        }
    }
}
