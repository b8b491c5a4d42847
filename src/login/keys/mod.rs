//! `/.doorward/keys`: the API keys that people make for themselves.
//!
//! Refuses to give a key what its maker does not have, and to make one on the strength of an old or a weak sign-in, because a key is a way
//! in that stays when the open browser is closed. Only a session gets here: a key makes no keys.

mod error;
mod forms;
mod json;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderMap;
use http::header;

use self::error::KeysError;
use self::wish::Wish;
use super::Login;
use super::mfa::FRESH;
use super::pages::negotiate;
use super::pages::step_up::Need;
use super::visitor::Visitor;
use crate::audit::Outcome;
use crate::audit::event::program;
use crate::audit::what::What;
use crate::clock::Timestamp;
use crate::config::programs::OwnKeys;
use crate::config::{Config, Problems};
use crate::crypto::{Secret, token};
use crate::directory::DirectoryError;
use crate::model::{Program, ProgramKind, ProgramSecret, Scope, User};
use crate::policy::mfa::Demands;

const KIND: ProgramKind = ProgramKind::ApiKey;

/// What the configuration says about people's own keys.
#[derive(Debug)]
pub(super) struct Rules {
    /// `None`: nobody makes any.
    offered: Option<OwnKeys>,
    demands: Demands,
}

impl Rules {
    pub(super) fn compile(config: &Config) -> Self {
        // What is wrong with the demands is told where the policy compiles them.
        Self { offered: config.own_keys.clone(), demands: Demands::compile(config, &mut Problems::default()) }
    }
}

/// A person who may have keys, and what they may give them.
struct Keeper<'r> {
    user: User,
    roles: Vec<String>,
    scopes: Vec<Scope>,
    rules: &'r OwnKeys,
}

/// A key with the secret that is shown now and never again. No Debug: it holds the secret.
struct Revealed {
    key: Program,
    secret: Secret,
}

/// The addresses; `at` makes them.
pub(super) fn routes(router: Router<Arc<Login>>, at: impl Fn(&str) -> String) -> Router<Arc<Login>> {
    router
        .route(&at("/keys"), get(list).post(create))
        .route(&at("/keys/{id}"), get(json::show).delete(json::revoke))
        .route(&at("/keys/{id}/rotate"), post(rotate))
        .route(&at("/keys/{id}/revoke"), post(forms::revoke))
}

/// `GET /.doorward/keys`
async fn list(state: State<Arc<Login>>, visitor: Visitor) -> Response {
    if negotiate::reads_pages(&visitor.headers) { forms::list(state, visitor).await } else { json::list(state, visitor).await }
}

/// `POST /.doorward/keys`
async fn create(state: State<Arc<Login>>, visitor: Visitor, body: axum::body::Bytes) -> Response {
    if is_form(&visitor.headers) { forms::create(state, visitor, &body).await } else { json::create(state, visitor, &body).await }
}

/// `POST /.doorward/keys/{id}/rotate`
async fn rotate(
    state: State<Arc<Login>>,
    axum::extract::Path(id): axum::extract::Path<String>,
    visitor: Visitor,
    body: axum::body::Bytes,
) -> Response {
    if is_form(&visitor.headers) {
        forms::rotate(state, &id, visitor, &body).await
    } else {
        json::rotate(state, &id, visitor, &body).await
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

impl Login {
    /// The person who is signed in, if they may have keys of their own.
    async fn keeper(&self, visitor: &Visitor) -> Result<Keeper<'_>, KeysError> {
        let rules = self.rules.own_keys.offered.as_ref().ok_or(KeysError::NotOffered)?;
        let identity = visitor.identity.as_ref().filter(|_| visitor.is_signed_in()).ok_or(KeysError::Nobody)?;
        let id = identity.user.ok_or(KeysError::NotForYou)?;
        if !rules.roles.is_empty() && !rules.roles.iter().any(|role| identity.roles.contains(role)) {
            return Err(KeysError::NotForYou);
        }
        // A sealed session and a break-glass account are known to no directory; a key has to have somebody to die with.
        let user = self.means.directory.user(id).await?.filter(|user| user.active).ok_or(KeysError::NotForYou)?;
        Ok(Keeper { user, roles: identity.roles.clone(), scopes: identity.scopes.clone(), rules })
    }

    /// What the sign-in lacks for a new secret; `None` if it is strong and recent enough.
    async fn lacks(&self, visitor: &Visitor, keeper: &Keeper<'_>) -> Result<Option<Need>, KeysError> {
        let identity = visitor.identity.as_deref().ok_or(KeysError::Nobody)?;
        let asks = self.rules.own_keys.demands.of_person(identity);
        let has_factor = match self.present_person(visitor).await? {
            Some(_) => !self.factors(&keeper.user).await?.is_empty(),
            None => false,
        };
        if !identity.mfa && (asks || has_factor) {
            return Ok(Some(Need::SecondFactor));
        }
        let fresh = identity.authenticated_at.is_some_and(|at| at.after(FRESH) >= self.now());
        Ok((!fresh).then_some(Need::FreshSignIn(FRESH)))
    }

    async fn check_strength(&self, visitor: &Visitor, keeper: &Keeper<'_>) -> Result<(), KeysError> {
        match self.lacks(visitor, keeper).await? {
            Some(need) => Err(KeysError::StepUp(need)),
            None => Ok(()),
        }
    }

    /// What the person owns, newest first; also what an administrator made for them.
    async fn own_keys(&self, keeper: &Keeper<'_>) -> Result<Vec<Program>, KeysError> {
        Ok(self.means.directory.programs_of(KIND, keeper.user.id).await?)
    }

    async fn own_key(&self, keeper: &Keeper<'_>, id: &str) -> Result<Program, KeysError> {
        let found = self.means.directory.program(KIND, id).await?;
        found.filter(|key| key.owner == Some(keeper.user.id) && key.revoked_at.is_none()).ok_or(KeysError::Missing)
    }

    async fn make_key(&self, visitor: &Visitor, keeper: &Keeper<'_>, wish: Wish) -> Result<Revealed, KeysError> {
        self.check_strength(visitor, keeper).await?;
        let (wish, lifetime) = wish.within(keeper)?;
        let id = token::new_id().map_err(KeysError::internal)?;
        let (secret, digest) = token::new_api_key(&id).map_err(KeysError::internal)?;
        let now = self.now();
        let key = Program {
            kind: KIND,
            id,
            tenant: keeper.user.tenant.clone(),
            name: wish.name,
            owner: Some(keeper.user.id),
            within_owner: true,
            roles: wish.roles,
            scopes: wish.scopes,
            networks: wish.networks,
            created_at: now,
            expires_at: Some(now.after(lifetime)),
            revoked_at: None,
            last_used_at: None,
            secrets: vec![ProgramSecret { digest, created_at: now, expires_at: None }],
        };
        match self.means.directory.create_own_program(&key, keeper.rules.most).await {
            Err(DirectoryError::Full(_)) => return Err(KeysError::Full { most: keeper.rules.most }),
            made => made?,
        }
        // It may do what its maker may, who is known to be an administrator if they are one.
        self.record_key(visitor, program::created(&key, false), &key).await?;
        Ok(Revealed { key, secret })
    }

    /// A new secret; the old one works until `overlap` is over. Only for what the person made: an administrator's key may do more than
    /// they, and its secret is not theirs to see.
    async fn renew_key(
        &self,
        visitor: &Visitor,
        keeper: &Keeper<'_>,
        id: &str,
        overlap: Duration,
    ) -> Result<Revealed, KeysError> {
        let key = self.own_key(keeper, id).await?;
        if !key.within_owner {
            return Err(KeysError::Administered);
        }
        self.check_strength(visitor, keeper).await?;
        let (secret, digest) = token::new_api_key(id).map_err(KeysError::internal)?;
        let now = self.now();
        let newest = ProgramSecret { digest, created_at: now, expires_at: None };
        let previous_until: Timestamp = now.after(overlap);
        self.means.directory.rotate_program(KIND, id, &newest, previous_until).await?;
        self.record_key(visitor, program::rotated(&key, previous_until), &key).await?;
        Ok(Revealed { key: self.own_key(keeper, id).await?, secret })
    }

    /// Never asks for a fresher sign-in: to close a door must be easy.
    async fn revoke_key(&self, visitor: &Visitor, keeper: &Keeper<'_>, id: &str) -> Result<(), KeysError> {
        let key = self.own_key(keeper, id).await?;
        self.means.directory.revoke_program(KIND, id, self.now()).await?;
        self.record_key(visitor, program::revoked(&key), &key).await
    }

    async fn record_key(&self, visitor: &Visitor, what: What, key: &Program) -> Result<(), KeysError> {
        let mut event = self.event(visitor, what, Outcome::Success);
        event.tenant = key.tenant.to_string();
        event.actor = key.owner.map(|owner| owner.to_string());
        event.target = Some(key.id.clone());
        event.session = visitor.session().map(ToString::to_string);
        Ok(self.means.audit.record(event).await?)
    }
}
