//! The door for people: signing in, signing out, and who one is.
//!
//! Refuses to end a sign-in anywhere but in `complete`, whatever way it began, because checks that live in several places are
//! missing in one of them.

mod attempt;
mod book;
mod break_glass;
mod chooser;
mod complete;
mod connection;
mod enforcement;
mod error;
pub mod examine;
mod form;
mod identifier;
mod invitation;
pub mod letters;
mod lockout;
mod logout;
mod magic_link;
mod mfa;
mod oauth2;
mod oidc;
pub mod pages;
mod parameters;
mod password;
mod person;
mod return_to;
mod routing;
pub mod saml;
mod sessions;
mod step_up;
mod tenants;
mod turns;
mod typed;
mod visitor;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path as AddressPart, State};
use axum::response::Response;
use axum::routing::{get, post};
use tokio_util::task::TaskTracker;

pub use book::check_last;
pub use break_glass::UsedCodes;
pub use error::SignInError;
pub use mfa::one_time_code;

use crate::audit::Recorder;
use crate::clock::{SharedClock, Timestamp};
use crate::config::{Config, Path, Problems, Sessions as Lifetimes};
use crate::directory::{self, Directory, Factors, Invitations};
use crate::mail::{Post, Server};
use crate::model::UserId;
use crate::session::{MailedLinks, Refresher, Seals, SessionStore};
use attempt::Attempts;
use book::Book;
use break_glass::BreakGlass;
use connection::Connections;
use enforcement::Enforcement;
use form::Forms;
use mfa::SecondFactors;
use pages::Pages;
use password::Accounts;
use return_to::Origins;
use tenants::Tenants;
use typed::Notes;

/// Bytes of a form; the longest fields are an address and a password.
const FORM_BYTES: usize = 16 * 1024;

/// What the configuration says about signing in; pure.
#[derive(Debug)]
pub struct Rules {
    pub pages: Arc<Pages>,
    origins: Origins,
    connections: Book,
    enforcement: Enforcement,
    tenants: Tenants,
    attempts: Attempts,
    forms: Forms,
    notes: Notes,
    accounts: Accounts,
    second_factors: SecondFactors,
    break_glass: BreakGlass,
    lifetimes: Lifetimes,
    seals: Arc<Seals>,
    /// Whether the directory outlives the process.
    keeps_people: bool,
}

/// What signing in needs of the rest of the house.
#[derive(Clone, Debug)]
pub struct Means {
    pub directory: Arc<dyn Directory>,
    pub factors: Arc<dyn Factors>,
    pub connections: Arc<dyn directory::Connections>,
    pub sessions: Arc<dyn SessionStore>,
    pub links: Arc<dyn MailedLinks>,
    pub invitations: Arc<dyn Invitations>,
    pub post: Post,
    pub audit: Recorder,
    /// Break-glass codes that were used.
    pub used_codes: Arc<UsedCodes>,
    pub clock: SharedClock,
    /// What goes on in the background and must not be cut off by the end of the process.
    pub tasks: TaskTracker,
}

/// What all handlers share.
#[derive(Debug)]
pub struct Login {
    rules: Rules,
    means: Means,
}

impl Rules {
    /// `None` where a problem was added, or the review has already told of one.
    pub fn compile(config: &Config, seals: Arc<Seals>, problems: &mut Problems) -> Option<Self> {
        let origins = Origins::of(config)?;
        if let Some(mail) = &config.mail {
            Server::compile(mail, &Path::from("mail"), problems)?;
        }
        let connections = Connections::compile(config, &origins, problems)?;
        let master = config.secret_key.expose().as_bytes();
        let broken = |problems: &mut Problems| {
            problems.add(Path::from("secret_key"), "no keys can be derived from it", "use at least 32 random bytes");
        };
        let origin = origins.own().origin().ascii_serialization();
        let second_factors = SecondFactors::compile(config);
        let sealed = (Attempts::new(master), Forms::new(master, origin), Notes::new(master));
        let ((Ok(attempts), Ok(forms), Ok(notes)), Ok(second_factors)) = (sealed, second_factors) else {
            broken(problems);
            return None;
        };
        Some(Self {
            pages: Arc::new(Pages::compile(config, problems)),
            accounts: Accounts::new(connection::password(config), config.limits.failures_per_minute),
            second_factors,
            break_glass: BreakGlass::compile(config, problems)?,
            lifetimes: config.sessions,
            seals,
            keeps_people: config.store.is_some(),
            origins,
            connections: Book::new(config, connections),
            enforcement: Enforcement::compile(&config.sign_in),
            tenants: Tenants::compile(config),
            attempts,
            forms,
            notes,
        })
    }

    /// What about the configuration does not hold at this moment, though it is well written.
    pub fn judge_at(&self, now: Timestamp, problems: &mut Problems) {
        self.connections.own().judge_at(now, problems);
    }

    /// Whose break-glass sessions count: of the accounts that there are now.
    pub fn break_glass_users(&self) -> Vec<UserId> {
        self.break_glass.users()
    }
}

/// The pages, under the reserved prefix.
pub fn router(login: Arc<Login>) -> Router {
    let prefix = login.rules.pages.prefix().to_owned();
    let at = |path: &str| format!("{prefix}{path}");
    let router = Router::new()
        .route(&at("/sign-in"), get(routing::choose).post(identifier::submit))
        .route(&at("/t/{tenant}"), get(routing::of_tenant))
        .route(&at("/sign-in/{connection}"), get(routing::start).post(password::submit))
        .route(&at("/callback/{connection}"), get(oidc::callback))
        .route(&at("/break-glass"), get(break_glass::form).post(break_glass::submit))
        .route(&at("/step-up"), get(step_up::step_up))
        .route(&at("/client-keys/{connection}"), get(oauth2::client_key::publish))
        .route(&at("/backchannel-logout/{connection}"), post(oidc::back_channel))
        .route(&at("/frontchannel-logout/{connection}"), get(oidc::front_channel))
        .merge(saml::routes(&prefix))
        .merge(magic_link::router(&prefix))
        .route(&at("/invitation"), get(invitation::page).post(invitation::accept))
        .route(&at("/sign-out"), get(logout::ask).post(logout::sign_out))
        .route(&at("/signed-out"), get(logout::signed_out))
        .route(&at("/session"), get(whoami::session))
        .route(&at("/sessions"), get(sessions::list).post(sessions::end))
        .route(&at("/assets/{name}"), get(asset));
    mfa::routes(router, at)
        .fallback(routing::nowhere)
        .method_not_allowed_fallback(routing::wrong_method)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .with_state(login)
}

/// `GET /.doorward/assets/{name}`
async fn asset(State(login): State<Arc<Login>>, AddressPart(name): AddressPart<String>) -> Response {
    login.pages().asset(&name)
}

impl Login {
    #[must_use]
    pub fn new(rules: Rules, means: Means) -> Arc<Self> {
        Arc::new(Self { rules, means })
    }

    /// What asks providers for new tokens. Needs a tokio runtime, and uses it.
    #[must_use]
    pub fn refresher(self: &Arc<Self>) -> Arc<dyn Refresher> {
        Arc::new(oidc::Background::new(Arc::clone(self), self.means.tasks.clone()))
    }

    fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    /// The ways to sign in as they stand now; one request sees one state of them.
    fn connections(&self) -> Arc<Connections> {
        self.rules.connections.current()
    }

    fn pages(&self) -> &Pages {
        &self.rules.pages
    }
}
