//! Where everything is kept, and what cannot be without it.
//!
//! Refuses what a restart would forget without a word: an account, a key, or that a proof was used, would be there today and gone tomorrow.

use crate::config::connection::{Connection, Provision};
use crate::config::{Config, Path, Problems, SessionMode};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    match &config.store {
        Some(store) if !store.url.expose().starts_with("sqlite:") => {
            let path = Path::from("store").key("url");
            problems.add(path, "this kind of store is not known", "write `sqlite:/path/to/doorward.db`");
        }
        Some(_) => {}
        None if config.sessions.mode == SessionMode::Stored => {
            let hint = "write `store: { url: sqlite:/path/to/doorward.db }`, or `sessions: { mode: sealed }` to do without";
            problems.add(Path::root(), "`store` is missing in the configuration", hint);
        }
        None => {
            for (index, connection) in config.connections.iter().enumerate() {
                without(connection, &Path::from("connections").item(index), problems);
            }
        }
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
