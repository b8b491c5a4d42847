//! Where everything is kept, and what cannot be without it.
//!
//! Refuses what a restart would forget without a word: an account, a key, or that a proof was used, would be there today and gone tomorrow.

use std::ops::RangeInclusive;

use url::Url;

use crate::config::connection::{Connection, Provision};
use crate::config::postgres::{self, is_postgres};
use crate::config::{Config, Path, Problems, SessionMode, Span, Store};

/// What `timeout` may be.
const PATIENCE: RangeInclusive<Span> = Span::millis(100)..=Span::millis(4000);

pub(super) fn review(config: &Config, problems: &mut Problems) {
    match &config.store {
        Some(store) => kept(store, &Path::from("store"), problems),
        None if config.sessions.mode == SessionMode::Stored => {
            let hint = "write `store: { url: sqlite:/path/to/doorward.db }`, or `sessions: { mode: sealed }` to do without";
            problems.add(Path::root(), "`store` is missing in the configuration", hint);
        }
        None => {
            if !config.admin_api.roles.is_empty() {
                let message = "there is nothing to administer: there is no store to keep it in";
                problems.add(Path::from("admin_api"), message, "configure `store`");
            }
            for (index, connection) in config.connections.iter().enumerate() {
                without(connection, &Path::from("connections").item(index), problems);
            }
        }
    }
}

/// Whether it is a kind of store that is known.
fn kept(store: &Store, path: &Path, problems: &mut Problems) {
    let (url, hint) = (store.url.expose(), "write `sqlite:/path/to/doorward.db` or `postgres://user@host/database`");
    if is_postgres(url) {
        if let Some(flaw) = postgres::flaw(url) {
            problems.add(path.key("url"), flaw, "write `postgres://user@host:5432/database?sslmode=verify-full`");
        }
        let twice = store.password.is_some() && Url::parse(url).is_ok_and(|url| url.password().is_some());
        if twice {
            problems.add(path.key("password"), "the URL holds a password, too", "take it out of the URL");
        }
        if !PATIENCE.contains(&store.timeout) {
            let hint = "between `100ms` and `4s`: a caller waits for it before the answer is 503";
            problems.add(path.key("timeout"), "no request can wait for so long or so short a time", hint);
        }
    } else if url.starts_with("sqlite:") {
        if store.password.is_some() {
            problems.add(path.key("password"), "an embedded store has no password", "leave it out");
        }
    } else {
        problems.add(path.key("url"), "this kind of store is not known", hint);
    }
}

/// What `connection` needs a store for.
fn without(connection: &Connection, path: &Path, problems: &mut Problems) {
    let hint = "configure `store`";
    if connection.password.is_some() {
        problems.add(path.key("password"), "nobody can have a local account: there is no store to keep it in", hint);
    }
    if connection.provision != Provision::Jit {
        let message = "nobody can have an account before they come: there is no store to keep it in";
        problems.add(path.key("provision"), message, "configure `store`, or write `provision: jit`");
    }
    if connection.saml.as_ref().is_some_and(|saml| saml.idp_initiated) {
        let message = "a response that nobody asked for could be used again: there is no store to remember it in";
        problems.add(path.key("saml").key("idp_initiated"), message, hint);
    }
}
