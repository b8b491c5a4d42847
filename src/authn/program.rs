//! API keys, and client ids with their secrets.
//!
//! Refuses by digest: the id finds the record, and the presented secret's SHA-256 is compared with the stored ones in constant
//! time (threats M6).

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::AuthnError;
use crate::crypto::{Digest, token};
use crate::directory::Directory;
use crate::edge::Clean;
use crate::model::{Change, CredentialKind, ForwardMemo, Identity, Program, ProgramKind};
use crate::policy::role::Roles;

/// A program whose secret was right, ready for the next request.
#[derive(Debug)]
struct Known {
    program: Program,
    identity: Arc<Identity>,
    /// Until when this very secret is taken.
    secret_expires: Option<crate::clock::Timestamp>,
}

/// Checks programs, from memory where it can.
#[derive(Debug)]
pub(super) struct Programs {
    directory: Arc<dyn Directory>,
    roles: Arc<Roles>,
    known: Cache<Digest, Arc<Known>>,
}

impl Programs {
    pub(super) fn new(directory: Arc<dyn Directory>, roles: Arc<Roles>) -> Self {
        let known =
            Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(300)).support_invalidation_closures().build();
        Self { directory, roles, known }
    }

    pub(super) async fn api_key(&self, key: &str, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
        let kind = CredentialKind::ApiKey;
        let digest = Digest::of(key.as_bytes());
        if let Some(known) = self.known.get(&digest).await {
            return still_good(&known, kind, clean);
        }
        let id = token::api_key_id(key).ok_or(AuthnError::Refused { kind, reason: "malformed" })?;
        self.look_up(ProgramKind::ApiKey, kind, id, digest, digest, clean).await
    }

    pub(super) async fn client(&self, id: &str, secret: &str, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
        let kind = CredentialKind::ClientSecret;
        let place = Digest::of_parts(&[id.as_bytes(), secret.as_bytes()]);
        if let Some(known) = self.known.get(&place).await {
            return still_good(&known, kind, clean);
        }
        self.look_up(ProgramKind::Client, kind, id, Digest::of(secret.as_bytes()), place, clean).await
    }

    async fn look_up(
        &self,
        program_kind: ProgramKind,
        kind: CredentialKind,
        id: &str,
        secret: Digest,
        place: Digest,
        clean: &Clean<'_>,
    ) -> Result<Arc<Identity>, AuthnError> {
        let found = self.directory.program(program_kind, id).await.map_err(|error| AuthnError::unavailable(kind, error))?;
        let program = found.ok_or(AuthnError::Refused { kind, reason: "unknown" })?;
        let matching = program.secrets.iter().find(|stored| stored.digest == secret);
        let secret_expires = matching.ok_or(AuthnError::Refused { kind, reason: "wrong_secret" })?.expires_at;
        if let Some(owner) = program.owner {
            let owner = self.directory.user(owner).await.map_err(|error| AuthnError::unavailable(kind, error))?;
            if !owner.is_some_and(|owner| owner.active) {
                return Err(AuthnError::Refused { kind, reason: "owner_inactive" });
            }
        }
        let identity = Arc::new(identity(&program, kind, &self.roles));
        let known = Arc::new(Known { program, identity, secret_expires });
        let answer = still_good(&known, kind, clean)?;
        self.known.insert(place, known).await;
        Ok(answer)
    }

    pub(super) fn forget(&self, change: &Change) {
        let stale = match change.clone() {
            Change::Session(_) => return,
            Change::Everything => return self.known.invalidate_all(),
            Change::User(user) => self.known.invalidate_entries_if(move |_, known| known.program.owner == Some(user)),
            Change::Program(kind, id) => {
                self.known.invalidate_entries_if(move |_, known| known.program.kind == kind && known.program.id == id)
            }
        };
        if stale.is_err() {
            self.known.invalidate_all();
        }
    }
}

/// What may change between two requests without a change in the store: time, and where the request comes from.
fn still_good(known: &Known, kind: CredentialKind, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
    let refused = |reason| Err(AuthnError::Refused { kind, reason });
    let program = &known.program;
    if program.revoked_at.is_some() {
        return refused("revoked");
    }
    if [program.expires_at, known.secret_expires].into_iter().flatten().any(|end| end <= clean.now) {
        return refused("expired");
    }
    if !program.networks.is_empty() && !program.networks.iter().any(|network| network.contains(&clean.client)) {
        return refused("network");
    }
    Ok(Arc::clone(&known.identity))
}

fn identity(program: &Program, credential: CredentialKind, roles: &Roles) -> Identity {
    let held = roles.of(&program.roles, &[]);
    let mut scopes = program.scopes.clone();
    scopes.extend(roles.scopes_of(&held));
    scopes.sort();
    scopes.dedup();
    Identity {
        credential,
        subject: program.id.clone(),
        tenant: program.tenant.clone(),
        user: program.owner,
        user_name: None,
        email: None,
        name: Some(program.name.clone()),
        groups: Vec::new(),
        roles: held,
        scopes,
        session: None,
        connection: None,
        authenticated_at: None,
        amr: Vec::new(),
        mfa: false,
        expires_at: program.expires_at,
        forward: ForwardMemo::default(),
    }
}
