//! A connection outside the configuration file: read from a file of its own, kept in the store, compiled like any other.
//!
//! Refuses to keep a secret in the open: what the schema calls one is taken out of the document and sealed for this connection alone.

use std::path::Path as FilePath;

use serde_json::{Map, Value};

use super::Connection;
use crate::config::load::{self, LoadError};
use crate::config::schema;
use crate::config::shape::{Schema, Shape, Text};
use crate::config::{Config, Path, Problems, Sources, preset, review};
use crate::crypto::seal::{Sealer, Unsealable};
use crate::model::StoredConnection;

/// What secrets of connections are sealed for.
const PURPOSE: &str = "connection secrets";

/// A connection as a file of its own says it.
#[derive(Debug)]
pub struct Written {
    pub connection: Connection,
    pub document: Document,
    pub sources: Sources,
}

/// What was typed, without its secrets, and those.
#[derive(Clone, Debug)]
pub struct Document {
    pub open: Value,
    secrets: Map<String, Value>,
}

/// Why a stored connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Sealed with another `secret_key`, or not by us.
    #[error("its secrets do not open: was `secret_key` changed?")]
    Sealed(#[from] Unsealable),
    #[error("its document cannot be read: {0}")]
    Document(String),
    /// A secret is to be kept, and what it is for is not.
    #[error("{0}: type the secret again, since something beside it is different")]
    Beside(String),
    /// It does not fit the configuration, or not any more.
    #[error("{0}")]
    Problems(String),
}

/// Reads a file with one connection, as it would stand under `connections`; references in it are followed now.
///
/// # Errors
/// As for the configuration file.
pub fn written(file: &FilePath) -> Result<Written, LoadError> {
    let root = schema::of_connection();
    let schema = Schema::new(&root);
    Ok(parted(schema, load::connection(file, schema)?))
}

/// Reads a connection that was sent as JSON, as it would stand under `connections`. Refuses references and names of files, because they
/// would be the server's.
///
/// # Errors
/// As for the configuration file.
pub fn received(document: &Value) -> Result<Written, LoadError> {
    let root = schema::of_connection();
    let schema = Schema::new(&root);
    // JSON is YAML.
    Ok(parted(schema, load::connection_of(&document.to_string(), "connection", schema)?))
}

/// Takes the secrets out of what was typed.
fn parted(schema: Schema<'_>, (typed, connection, sources): (serde_yaml::Value, Connection, Sources)) -> Written {
    let mut open = serde_json::to_value(typed).unwrap_or_default();
    let mut secrets = Map::new();
    take_secrets(schema, schema.root(), &mut open, "", &mut secrets);
    Written { connection, document: Document { open, secrets }, sources }
}

/// Puts the secrets of `before` into `document` where it says `null` in their places.
///
/// # Errors
/// Where they do not open; and where something beside such a secret, in the same section, is different now: what was told to one server is
/// not sent to another.
pub fn keep_secrets(document: &mut Value, before: &StoredConnection, master: &[u8]) -> Result<(), StoredError> {
    let secrets = unsealed(before, master)?;
    let mut bare = document.clone();
    for pointer in secrets.keys() {
        put_back(&mut bare, pointer, Value::Null);
    }
    for (pointer, secret) in secrets {
        if document.pointer(&pointer) != Some(&Value::Null) {
            continue;
        }
        let section = pointer.split('/').nth(1).unwrap_or_default();
        if bare.get(section) != before.document.get(section) {
            return Err(StoredError::Beside(pointer));
        }
        put_back(document, &pointer, secret);
    }
    Ok(())
}

/// The secrets by their JSON pointers.
fn unsealed(stored: &StoredConnection, master: &[u8]) -> Result<Map<String, Value>, StoredError> {
    let Some(sealed) = &stored.secrets else { return Ok(Map::new()) };
    let plain = Sealer::new(master, PURPOSE)?.open(sealed, stored.id.as_str().as_bytes())?;
    serde_json::from_slice(&plain).map_err(|_| StoredError::Sealed(Unsealable))
}

impl Document {
    /// The secrets, sealed for this connection; `None` where it has none.
    ///
    /// # Errors
    /// When they cannot be sealed.
    pub fn seal(&self, id: &str, master: &[u8]) -> Result<Option<Vec<u8>>, Unsealable> {
        if self.secrets.is_empty() {
            return Ok(None);
        }
        let plain = Value::Object(self.secrets.clone()).to_string();
        Sealer::new(master, PURPOSE)?.seal(plain.as_bytes(), id.as_bytes()).map(Some)
    }
}

/// The connection that the store keeps, completed by its preset.
///
/// # Errors
/// Where its secrets do not open or its document is not one.
pub fn opened(stored: &StoredConnection, master: &[u8]) -> Result<Connection, StoredError> {
    let mut document = stored.document.clone();
    for (pointer, secret) in unsealed(stored, master)? {
        put_back(&mut document, &pointer, secret);
    }
    let mut typed = serde_yaml::to_value(&document).map_err(|error| StoredError::Document(error.to_string()))?;
    preset::complete_one(&mut typed);
    let connection: Connection = serde_yaml::with::singleton_map_recursive::deserialize(typed)
        .map_err(|error| StoredError::Document(error.to_string()))?;
    if connection.id == stored.id && connection.tenant == stored.tenant {
        Ok(connection)
    } else {
        Err(StoredError::Document("it is another connection's".to_owned()))
    }
}

/// What is wrong with the last of `config`'s connections, by paths within it.
#[must_use]
pub fn review_last(config: &Config) -> Problems {
    let mut problems = Problems::default();
    review(config, &mut problems);
    within_last(config, &problems)
}

/// Those of `problems` that are about the last of `config`'s connections, by paths within it.
#[must_use]
pub fn within_last(config: &Config, problems: &Problems) -> Problems {
    let last = Path::from("connections").item(config.connections.len().saturating_sub(1));
    let mut own = Problems::default();
    for problem in problems.iter().filter(|problem| problem.path == last || problem.path.is_below(&last)) {
        let path = problem.path.as_str().strip_prefix(last.as_str()).unwrap_or_default().trim_start_matches('.');
        own.add(Path::from(path), problem.message.clone(), problem.hint.clone().unwrap_or_default());
    }
    own
}

/// Takes what the schema calls a secret out of `value`, into `secrets` by its JSON pointer (RFC 6901).
fn take_secrets(schema: Schema<'_>, node: &Value, value: &mut Value, at: &str, secrets: &mut Map<String, Value>) {
    match schema.wanted(node).shape {
        Shape::Text(Text { secret: true, .. }) if !value.is_null() => {
            secrets.insert(at.to_owned(), value.take());
        }
        Shape::Section(section) => {
            for (key, node) in section.keys {
                if let Some(value) = value.get_mut(key) {
                    take_secrets(schema, node, value, &below(at, key), secrets);
                }
            }
        }
        Shape::OneOf(sections) => {
            for (key, node) in sections.iter().flat_map(|section| section.keys) {
                if let Some(value) = value.get_mut(key) {
                    take_secrets(schema, node, value, &below(at, key), secrets);
                }
            }
        }
        Shape::Table(node) => {
            for (key, value) in value.as_object_mut().into_iter().flatten() {
                take_secrets(schema, node, value, &below(at, key), secrets);
            }
        }
        Shape::List { item, .. } => {
            for (index, value) in value.as_array_mut().into_iter().flatten().enumerate() {
                take_secrets(schema, item, value, &below(at, &index.to_string()), secrets);
            }
        }
        _ => {}
    }
}

fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn put_back(document: &mut Value, pointer: &str, secret: Value) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = secret;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn secrets_are_sealed_apart_and_come_back_to_their_places() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("acme.yaml");
        std::fs::write(folder.path().join("secret"), "from-a-file\n").unwrap();
        let text = "{ id: acme, domains: [acme.example], oidc: { provider: okta, issuer: 'https://acme.okta.com', client_id: c, \
                    client_secret: { file: secret } } }";
        std::fs::write(&file, text).unwrap();
        let Written { document, connection, .. } = written(&file).unwrap();
        assert!(!document.open.to_string().contains("from-a-file"), "{}", document.open);
        assert_eq!(connection.display_name.as_deref(), Some("Okta SSO"));
        assert!(document.open.get("display_name").is_none(), "what a preset fills in is not kept: {}", document.open);
        let at = Timestamp::from_seconds(1);
        let mut stored = StoredConnection {
            id: "acme".parse().unwrap(),
            tenant: "default".parse().unwrap(),
            secrets: document.seal("acme", b"a master key").unwrap(),
            document: document.open,
            created_at: at,
            updated_at: at,
        };
        let back = opened(&stored, b"a master key").unwrap();
        assert_eq!(back.oidc.unwrap().client_secret.unwrap().expose(), "from-a-file");
        assert_eq!(back.display_name.as_deref(), Some("Okta SSO"));
        assert!(matches!(opened(&stored, b"another key"), Err(StoredError::Sealed(_))));
        stored.id = "other".parse().unwrap();
        assert!(opened(&stored, b"a master key").is_err(), "secrets of one connection are none of another's");
    }
}
