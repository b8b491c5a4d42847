//! License keys: EdDSA-signed JWTs, checked offline against configured public keys.
//!
//! Refuses keys without expiry or for another product: `exp` and `aud` must be there, because a license that never ends cannot
//! be taken back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use moka::future::Cache;

use super::AuthnError;
use super::jwt::{Claims, Expected, Jws, Key, KeySet, is_plain};
use super::reason::Reason;
use crate::clock::Timestamp;
use crate::config::{Config, Path, Problems};
use crate::crypto::Digest;
use crate::edge::Clean;
use crate::model::{CredentialKind, ForwardMemo, Identity, Scope, TenantId};
use crate::policy::role::Roles;

const KIND: CredentialKind = CredentialKind::License;
/// Clocks may differ by so much.
const SKEW: Duration = Duration::from_secs(60);

/// Whose licenses are taken, and what their tiers are worth.
#[derive(Debug)]
pub(super) struct Issuer {
    keys: KeySet,
    audience: String,
    roles: BTreeMap<String, Vec<String>>,
}

impl Issuer {
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Option<Self> {
        let typed = config.license.as_ref()?;
        let path = Path::from("license");
        let mut keys = Vec::with_capacity(typed.public_keys.len());
        for (index, pem) in typed.public_keys.iter().enumerate() {
            match Key::from_ed25519_pem(pem) {
                Some(key) => keys.push(key),
                None => problems.add(
                    path.key("public_keys").item(index),
                    "this is not an Ed25519 public key in PEM",
                    "`openssl pkey -in private.pem -pubout` prints it",
                ),
            }
        }
        if typed.public_keys.is_empty() {
            problems.add(path.key("public_keys"), "license keys need a public key to be checked with", "list one PEM public key");
        }
        if typed.audience.is_empty() {
            problems.add(path.key("audience"), "the audience is empty", "name this product as the license keys do in `aud`");
        }
        Some(Self { keys: KeySet::from_keys(keys), audience: typed.audience.clone(), roles: typed.roles.clone() })
    }
}

/// Checks license keys, each once.
#[derive(Debug)]
pub(super) struct Licenses {
    issuer: Option<Issuer>,
    roles: Arc<Roles>,
    known: Cache<Digest, Arc<Identity>>,
}

impl Licenses {
    pub(super) fn new(issuer: Option<Issuer>, roles: Arc<Roles>) -> Self {
        Self { issuer, roles, known: Cache::builder().max_capacity(10_000).build() }
    }

    pub(super) async fn identify(&self, license: &str, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
        let refused = |reason| AuthnError::refused(KIND, reason);
        let issuer = self.issuer.as_ref().ok_or_else(|| refused(Reason::NotConfigured))?;
        let place = Digest::of(license.as_bytes());
        let identity = if let Some(identity) = self.known.get(&place).await {
            identity
        } else {
            let identity = Arc::new(read(license, issuer, &self.roles, clean.now).map_err(refused)?);
            self.known.insert(place, Arc::clone(&identity)).await;
            identity
        };
        if identity.has_expired(clean.now) { Err(refused(Reason::Expired)) } else { Ok(identity) }
    }
}

fn read(license: &str, issuer: &Issuer, roles: &Roles, now: Timestamp) -> Result<Identity, Reason> {
    let jws = Jws::parse(license)?;
    if jws.algorithm != Algorithm::EdDSA {
        return Err(Reason::Algorithm);
    }
    jws.verify(&issuer.keys)?;
    let claims = Claims::parse(&jws.payload)?;
    let audiences = std::slice::from_ref(&issuer.audience);
    let expires_at = claims.check(&Expected { audiences, skew: SKEW }, now)?;
    let subject = claims.text("sub")?.filter(|subject| is_plain(subject)).ok_or(Reason::Claims)?;
    let tenant: Option<TenantId> = claims.text("tenant")?.map(|tenant| tenant.parse().map_err(|_| Reason::Claims)).transpose()?;
    let tenant = tenant.unwrap_or_default();
    let tier = claims.text("tier")?.map(|tier| issuer.roles.get(tier).cloned().unwrap_or_default()).unwrap_or_default();
    let held = roles.of(&tenant, &tier, &[]);
    Ok(Identity {
        credential: KIND,
        subject: subject.to_owned(),
        tenant,
        user: None,
        is_person: false,
        user_name: None,
        email: None,
        name: claims.text("name")?.map(str::to_owned),
        groups: Vec::new(),
        scopes: scopes(&claims, roles.scopes_of(&held))?,
        roles: held,
        session: None,
        connection: None,
        authenticated_at: None,
        amr: Vec::new(),
        mfa: false,
        expires_at: Some(expires_at),
        issuer: None,
        session_digest: None,
        renew_at: None,
        forward: ForwardMemo::default(),
    })
}

/// A feature `x` is the scope `feature:x`.
fn scopes(claims: &Claims, mut scopes: Vec<Scope>) -> Result<Vec<Scope>, Reason> {
    for feature in claims.list("features")? {
        scopes.push(format!("feature:{feature}").parse().map_err(|_| Reason::Claims)?);
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}
