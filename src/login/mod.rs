//! The door for people: signing in, signing out, and who one is.
//!
//! Refuses to end a sign-in anywhere but in `complete`, whatever way it began, because checks that live in several places are
//! missing in one of them.

mod attempt;
mod book;
mod break_glass;
mod chooser;
mod compatibility;
mod complete;
mod connection;
mod doctor;
mod enforcement;
mod error;
pub mod examine;
mod form;
mod identifier;
mod invitation;
mod keys;
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
pub use doctor::{Check, Diagnosis, Registered, Verdict};
pub use error::SignInError;
pub use mfa::one_time_code;
pub use return_to::LONGEST_ADDRESS;

use crate::audit::Recorder;
use crate::clock::{SharedClock, Timestamp};
use crate::config::{Config, Path, Problems, Sessions as Lifetimes};
use crate::crypto::mac::Mac;
use crate::crypto::seal::Unsealable;
use crate::directory::{self, Directory, Factors, Invitations};
use crate::mail::{Post, Server};
use crate::model::{TenantId, UserId};
use crate::policy::role::Roles;
use crate::policy::tenancy::{SiteId, Tenancy};
use crate::session::{Bound, MailedLinks, Refresher, Seals, SessionStore, Tries};
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
use visitor::Visitor;

/// Bytes of a form; the longest fields are an address and a password.
const FORM_BYTES: usize = 16 * 1024;

/// What the configuration says about signing in at one site; pure.
#[derive(Debug)]
pub struct Rules {
    pub site: SiteId,
    pub pages: Arc<Pages>,
    origins: Origins,
    connections: Book,
    enforcement: Arc<Enforcement>,
    tenants: Tenants,
    attempts: Attempts,
    forms: Forms,
    notes: Notes,
    accounts: Arc<Accounts>,
    second_factors: SecondFactors,
    own_keys: keys::Rules,
    break_glass: Arc<BreakGlass>,
    lifetimes: Lifetimes,
    seals: Arc<Seals>,
    /// Where oauth2-proxy answered.
    compatibility: Option<compatibility::Rules>,
    /// Whether the directory outlives the process.
    keeps_people: bool,
    roles: Arc<Roles>,
}

/// What signing in needs of the rest of the house.
#[derive(Clone, Debug)]
pub struct Means {
    pub directory: Arc<dyn Directory>,
    pub factors: Arc<dyn Factors>,
    pub connections: Arc<dyn directory::Connections>,
    pub sessions: Arc<dyn SessionStore>,
    pub links: Arc<dyn MailedLinks>,
    /// Tries that have not succeeded.
    pub tries: Arc<dyn Tries>,
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
    /// Those of each site, in the order of their ids. `None` where a problem was added, or the review has already told of one.
    pub fn compile(
        config: &Arc<Config>,
        tenancy: &Arc<Tenancy>,
        seals: &Arc<Seals>,
        problems: &mut Problems,
    ) -> Option<Vec<Self>> {
        if let Some(mail) = &config.mail {
            Server::compile(mail, &Path::from("mail"), problems)?;
        }
        let shared = Shared {
            config: Arc::clone(config),
            pages: Pages::compile(config, problems),
            accounts: Arc::new(Accounts::new(connection::password(config), config.limits.failures_per_minute)),
            bound: connection::bound(config),
            break_glass: Arc::new(BreakGlass::compile(config, problems)?),
            no_break_glass: Arc::new(BreakGlass::none(config)?),
            enforcement: Arc::new(Enforcement::compile(&config.sign_in)),
            tenants: Tenants::compile(config, tenancy),
            seals: Arc::clone(seals),
            // What is wrong with them is told by whoever goes by them.
            roles: Arc::new(Roles::compile(config, &mut Problems::default())),
        };
        // All of them, so that each tells its problems.
        let all: Vec<_> = tenancy.iter().map(|(id, site)| shared.at(id, &site.public_url, problems)).collect();
        all.into_iter().collect()
    }

    /// What about the configuration does not hold at this moment, though it is well written.
    pub fn judge_at(&self, config: &Config, now: Timestamp, problems: &mut Problems) {
        self.connections.own().judge_at(config, now, problems);
    }

    /// Whose break-glass sessions count: of the accounts that there are now.
    pub fn break_glass_users(&self) -> Vec<UserId> {
        self.break_glass.users()
    }
}

/// What is the same at every site.
struct Shared {
    config: Arc<Config>,
    pages: Pages,
    accounts: Arc<Accounts>,
    /// Of wrong second factors.
    bound: Bound,
    break_glass: Arc<BreakGlass>,
    /// Of sites where the accounts' tenant is not let in.
    no_break_glass: Arc<BreakGlass>,
    enforcement: Arc<Enforcement>,
    tenants: Tenants,
    seals: Arc<Seals>,
    roles: Arc<Roles>,
}

impl Shared {
    /// The rules of one site: its own address, its tenants' connections, and keys that seal nothing for any other.
    fn at(&self, site: SiteId, public_url: &str, problems: &mut Problems) -> Option<Rules> {
        let (config, tenants) = (&self.config, self.tenants.at(site));
        let origins = Origins::of(config, public_url)?;
        let connections = Connections::compile(config, &tenants, &origins, problems)?;
        let origin = origins.own().origin().ascii_serialization();
        let sealed = keys_of(config, tenants.owner().map(|_| origin.as_str())).and_then(|key| {
            let second_factors = SecondFactors::compile(config, &origins, &key, self.bound)?;
            Ok((Attempts::new(&key)?, Forms::new(&key, origin)?, Notes::new(&key)?, second_factors))
        });
        let Ok((attempts, forms, notes, second_factors)) = sealed else {
            problems.add(Path::from("secret_key"), "no keys can be derived from it", "use at least 32 random bytes");
            return None;
        };
        // Break-glass accounts are the tenant `default`'s, which is not let in everywhere.
        let break_glass = tenants.serves(&TenantId::default());
        Some(Rules {
            site,
            pages: Arc::new(self.pages.at(public_url, break_glass)),
            break_glass: Arc::clone(if break_glass { &self.break_glass } else { &self.no_break_glass }),
            connections: Book::new(config, connections, tenants.clone()),
            accounts: Arc::clone(&self.accounts),
            enforcement: Arc::clone(&self.enforcement),
            lifetimes: config.sessions,
            seals: Arc::clone(&self.seals),
            keeps_people: config.store.is_some(),
            compatibility: compatibility::Rules::compile(config),
            roles: Arc::clone(&self.roles),
            own_keys: keys::Rules::compile(config),
            second_factors,
            origins,
            tenants,
            attempts,
            forms,
            notes,
        })
    }
}

/// What seals a site's attempts and forms: the secret key, or a key of its own for the host of a tenant, so that what was begun at one
/// is not even readable at another.
fn keys_of(config: &Config, host: Option<&str>) -> Result<Vec<u8>, Unsealable> {
    let master = config.secret_key.expose().as_bytes();
    match host {
        None => Ok(master.to_vec()),
        Some(origin) => Ok(Mac::new(master, "site")?.of_parts(&[origin.as_bytes()]).as_bytes().to_vec()),
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
    let other = login.rules.compatibility.as_ref().map(compatibility::Rules::routes);
    keys::routes(mfa::routes(router, at), at)
        .merge(other.unwrap_or_default())
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

    /// What asks the providers of `all` sites for new tokens. Needs a tokio runtime, and uses it.
    #[must_use]
    pub fn refresher(all: &[Arc<Self>], tasks: &TaskTracker) -> Arc<dyn Refresher> {
        Arc::new(oidc::Background::new(all.into(), tasks.clone()))
    }

    /// The pages of this site, for answers that are made elsewhere.
    #[must_use]
    pub fn shown(&self) -> &Arc<Pages> {
        &self.rules.pages
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
