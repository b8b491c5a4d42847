//! The demo's person, key and client.
//!
//! Refuses to make new ones each time: a named folder remembers whom it invited.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files::Folder;
use crate::app::memory::Memory;
use crate::clock::{SharedClock, SystemClock, Timestamp};
use crate::crypto::{Digest, password, random, token};
use crate::model::{Program, ProgramKind, ProgramSecret, TenantId, User, UserId};

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
    let clock: SharedClock = Arc::new(SystemClock);
    let now = clock.now();
    let loaded = crate::config::load(config)?;
    let directory = Memory::open(&loaded.config, &clock).await?.directory;
    let user = User {
        id: UserId(Uuid::new_v4()),
        tenant: TenantId::default(),
        user_name: "ada@example.com".to_owned(),
        email: Some("ada@example.com".parse()?),
        name: Some("Ada Example".to_owned()),
        active: true,
        groups: Vec::new(),
        directory_groups: Vec::new(),
        provisioned_by: None,
        roles: vec!["admin".to_owned()],
        link: None,
        password_hash: None,
        created_at: now,
        updated_at: now,
    };
    let secret = random::alphanumeric(20)?;
    let hash = password::hash(&secret)?;
    directory.create_user(&User { password_hash: Some(hash), ..user.clone() }).await?;
    let key_id = token::new_id()?;
    let (api_key, key_digest) = token::new_api_key(&key_id)?;
    directory.create_program(&viewer(ProgramKind::ApiKey, key_id, key_digest, now)).await?;
    let client_id = token::new_id()?;
    let (client_secret, client_digest) = token::new_client_secret()?;
    directory.create_program(&viewer(ProgramKind::Client, client_id.clone(), client_digest, now)).await?;
    let guests = Guests {
        user: user.user_name,
        password: secret,
        api_key: api_key.expose().to_owned(),
        client_id,
        client_secret: client_secret.expose().to_owned(),
    };
    folder.write("guests.json", &serde_json::to_string(&guests)?)?;
    Ok(guests)
}

fn viewer(kind: ProgramKind, id: String, digest: Digest, now: Timestamp) -> Program {
    Program {
        kind,
        id,
        tenant: TenantId::default(),
        name: "demo".to_owned(),
        owner: None,
        within_owner: false,
        roles: vec!["viewer".to_owned()],
        scopes: Vec::new(),
        networks: Vec::new(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        secrets: vec![ProgramSecret { digest, created_at: now, expires_at: None }],
    }
}
