//! Signing in by mail: an address is typed, a letter comes with a link and a code, and a click or the code ends it.
//!
//! Refuses to tell by its answer, or by the time it takes, whether anybody has the address: what decides that happens after the answer
//! (threats M5). Refuses to be used up by whoever reads letters before people do: only a form that the person sends, in the browser
//! that asked, counts (threats M1).

mod ask;
mod code;
mod follow;
mod write;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(super) use ask::Wanted;
pub(super) use write::typed_code;

use super::attempt::{Attempt, Found, LIFE};
use super::complete::Proven;
use super::connection::{Connection, Connections, Way};
use super::doctor::Chart;
use super::lockout::Lockout;
use super::person::Asserted;
use super::visitor::Visitor;
use super::{Login, Means, SignInError};
use crate::clock::Timestamp;
use crate::config::connection::MagicLink as Typed;
use crate::config::{Config, Path, Problems};
use crate::crypto::mac::Mac;
use crate::limit::{FailureLimit, Party};
use crate::mail::{Outbox, Server};
use crate::model::{EmailAddress, FederatedLink, MailedLink};
use crate::session::{Bound, cookie};

/// The shortest and the longest life of a link that make sense: letters take a while, and the browser's attempt ends then.
const SHORTEST: Duration = Duration::from_secs(60);
/// Wrong codes that one letter bears.
const TRIES: u32 = 5;
/// What stands for the issuer of people who are known by their mailbox.
const ISSUER: &str = "mailto";
/// The method: the person reads a mailbox. RFC 8176 has no name for it, and it is no second factor.
const METHOD: &str = "email";

/// One connection's letters and limits.
#[derive(Debug)]
pub(super) struct MagicLink {
    server: Server,
    outbox: OnceLock<Outbox>,
    lasts: Duration,
    codes: Mac,
    /// Letters asked for from one source address.
    asked: FailureLimit,
    /// Wrong codes from one source address.
    wrong: FailureLimit,
    shares: Shares,
}

/// What one source may have of the letters for one mailbox, so that a stranger cannot use up all of them and lock the owner out. Counted
/// in this process; the store bounds the whole.
#[derive(Debug)]
struct Shares {
    lately: Lockout,
    today: Lockout,
}

impl Shares {
    fn new() -> Self {
        let share = |tries, minutes: u64| Lockout::new(Bound { tries, lasts: Duration::from_secs(minutes * 60) });
        Self { lately: share(write::SHARE_LATELY, 15), today: share(write::SHARE_TODAY, 24 * 60) }
    }

    /// Takes a letter to `address` from the share of `client`; says whether there was one left.
    async fn take(&self, client: IpAddr, address: &EmailAddress, now: Timestamp) -> bool {
        let party = Party::name("letter", &format!("{:?} {}", Party::source(client), address.folded()));
        self.lately.begin(party, now).await.is_ok() && self.today.begin(party, now).await.is_ok()
    }
}

impl MagicLink {
    /// Looks whether the mail server takes letters from us, and sends none.
    pub(super) async fn diagnose(&self, chart: &mut Chart) {
        const NAME: &str = "mail_server";
        match self.server.greet().await {
            Ok(()) => chart.pass(NAME, format!("{} takes letters from us", self.server.name())),
            Err(error) => {
                let hint = "look at `smtp`, `username`, `password` and `ca`";
                chart.fail(NAME, format!("{}: {error}", self.server.name()), hint);
            }
        }
    }

    /// `place`: where it stands in the configuration. `None` where a problem was added.
    pub(super) fn compile(typed: &Typed, config: &Config, place: &Path, problems: &mut Problems) -> Option<Self> {
        if typed.lasts.0 < SHORTEST || typed.lasts.0 > LIFE {
            problems.add(place.key("lasts"), "a link is good for 1 to 15 minutes", "write `10m`");
        }
        if typed.is_half_a_server() {
            let hint = "add `smtp`, or say it in `mail`";
            problems.add(place.clone(), "`username`, `password` and `ca` are of a server that is not named", hint);
        }
        let Some(mail) = typed.mail(config.mail.as_ref()) else {
            let hint = "add `from` and `smtp`, or a section `mail` for all connections";
            problems.add(place.clone(), "there is no mail server to send letters with", hint);
            return None;
        };
        // What is wrong with the common server is told once, where it stands.
        let told = &mut Problems::default();
        let own = typed.smtp.is_some() || typed.from.is_some();
        let server = Server::compile(&mail, place, if own { problems } else { told })?;
        let Ok(codes) = Mac::new(config.secret_key.expose().as_bytes(), "mailed code") else {
            problems.add(Path::from("secret_key"), "no keys can be derived from it", "use at least 32 random bytes");
            return None;
        };
        let limit = || FailureLimit::new(config.limits.failures_per_minute);
        Some(Self {
            server,
            outbox: OnceLock::new(),
            lasts: typed.lasts.0,
            codes,
            asked: limit(),
            wrong: limit(),
            shares: Shares::new(),
        })
    }
}

impl MagicLink {
    /// Where its letters go out.
    fn outbox(&self, means: &Means) -> &Outbox {
        self.outbox.get_or_init(|| Outbox::new(self.server.clone(), means.post.clone(), Arc::clone(&means.clock)))
    }
}

/// The connection of this name, if it sends letters.
fn by_mail<'c>(connections: &'c Connections, id: &str) -> Result<(&'c Connection, &'c MagicLink), SignInError> {
    let connection = connections.find(id).ok_or(SignInError::UnknownConnection)?;
    Ok((connection, magic(connection)?))
}

/// What the connection's letters go by.
fn magic(connection: &Connection) -> Result<&MagicLink, SignInError> {
    match &connection.way {
        Way::MagicLink(magic) => Ok(magic),
        _ => Err(SignInError::UnknownConnection),
    }
}

/// The addresses of this way to sign in.
pub(super) fn router(prefix: &str) -> Router<Arc<Login>> {
    let at = |path: &str| format!("{prefix}/magic-link/{{connection}}{path}");
    Router::new()
        .route(&at(""), get(code::page).post(ask::ask))
        .route(&at("/code"), post(code::enter))
        .route(&at("/open"), get(follow::page).post(follow::follow))
}

impl Login {
    /// This browser's attempt with this tag, with this connection.
    fn mail_attempt(&self, visitor: &Visitor, connection: &Connection, tag: &str) -> Result<Attempt, SignInError> {
        match self.rules.attempts.tagged(&visitor.headers, tag, self.now()) {
            Found::Live(attempt) if attempt.connection == connection.id => Ok(attempt),
            Found::Live(_) => Err(SignInError::MixUp),
            Found::Expired(_) | Found::Unknown => Err(SignInError::Stale),
        }
    }

    /// Ends a sign-in whose link or code was right, and is used up now.
    async fn signed_in_by_mail(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        link: &MailedLink,
        attempt: &Attempt,
    ) -> Result<Response, SignInError> {
        let user = self.recognise(connection, &asserted(connection, &link.address)).await?;
        let return_to = self.rules.origins.parse_or_home(Some(&attempt.return_to));
        let proven = Proven::here(user, connection, vec![METHOD.to_owned()], self.now(), return_to);
        let mut answer = self.complete(visitor, proven).await?;
        cookie::add(answer.headers_mut(), [attempt.forget()?]);
        Ok(answer.into_response())
    }
}

/// Whoever reads this mailbox.
fn asserted(connection: &Connection, address: &EmailAddress) -> Asserted {
    let link = FederatedLink { connection: connection.id.clone(), issuer: ISSUER.to_owned(), subject: address.folded() };
    Asserted { link, user_name: None, email: Some(address.clone()), name: None, groups: None }
}
