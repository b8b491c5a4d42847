//! The demo's person, key and client.
//!
//! Refuses to make new ones each time: a named folder remembers whom it invited.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::files::Folder;
use crate::admin::program::NewProgram;
use crate::admin::user::NewUser;
use crate::cli::store::{Store, undone};
use crate::crypto::{password, random};
use crate::model::{ProgramKind, TenantId};

const NAME: &str = "ada@example.com";

/// Who may try the demo, with their secrets.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Guests {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) api_key: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

/// The guests of this folder; made at the first time.
pub(super) async fn invite(folder: &Folder, config: &Path) -> anyhow::Result<Guests> {
    if let Ok(remembered) = std::fs::read_to_string(folder.file("guests.json")) {
        return serde_json::from_str(&remembered).context("guests.json in the folder is damaged; remove it");
    }
    let store = Store::open(crate::config::load(config)?.config).await?;
    let (administration, acting) = store.administration(&TenantId::default());
    let secret = random::alphanumeric(20)?;
    let person = NewUser {
        user_name: NAME.to_owned(),
        email: Some(NAME.parse()?),
        name: Some("Ada Example".to_owned()),
        groups: Vec::new(),
        roles: vec!["admin".to_owned()],
        password_hash: Some(password::hash(&secret)?),
    };
    administration.create_user(&acting, person).await.map_err(undone)?;
    let viewer = async |kind| administration.create_program(&acting, kind, viewer()).await.map_err(undone);
    let (_, api_key) = viewer(ProgramKind::ApiKey).await?;
    let (client, client_secret) = viewer(ProgramKind::Client).await?;
    let guests = Guests {
        user: NAME.to_owned(),
        password: secret,
        api_key: api_key.expose().to_owned(),
        client_id: client.id,
        client_secret: client_secret.expose().to_owned(),
    };
    folder.write("guests.json", &serde_json::to_string(&guests)?)?;
    Ok(guests)
}

fn viewer() -> NewProgram {
    NewProgram {
        name: "demo".to_owned(),
        owner: None,
        roles: vec!["viewer".to_owned()],
        scopes: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    }
}
