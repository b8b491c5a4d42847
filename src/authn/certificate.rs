//! TLS client certificates, which the listener has verified against its authorities.
//!
//! Refuses a certificate that names several holders or none in the configured field: which of them counts is a question that
//! two programs answer differently.

use std::sync::Arc;

use moka::future::Cache;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::AuthnError;
use super::jwt::is_plain;
use super::reason::Reason;
use crate::clock::Timestamp;
use crate::config::access::{CertificateField, ClientCertificates};
use crate::crypto::Digest;
use crate::edge::Clean;
use crate::model::{CredentialKind, ForwardMemo, Identity, Scope, TenantId};
use crate::policy::role::Roles;

const KIND: CredentialKind = CredentialKind::ClientCertificate;

/// What a certificate's holder is and may do.
#[derive(Debug)]
struct Rule {
    field: CertificateField,
    tenant: TenantId,
    roles: Vec<String>,
    scopes: Vec<Scope>,
}

/// Reads certificates, each once.
#[derive(Debug)]
pub(super) struct Certificates {
    rule: Option<Rule>,
    known: Cache<Digest, Arc<Identity>>,
}

impl Certificates {
    pub(super) fn new(typed: Option<&ClientCertificates>, roles: &Roles) -> Self {
        let rule = typed.map(|typed| {
            let held = roles.of(&typed.tenant, &typed.roles, &[]);
            let mut scopes: Vec<Scope> = typed.scopes.iter().cloned().chain(roles.scopes_of(&held)).collect();
            scopes.sort();
            scopes.dedup();
            Rule { field: typed.subject, tenant: typed.tenant.clone(), roles: held, scopes }
        });
        Self { rule, known: Cache::builder().max_capacity(10_000).build() }
    }

    pub(super) async fn identify(
        &self,
        chain: &[CertificateDer<'static>],
        clean: &Clean<'_>,
    ) -> Result<Arc<Identity>, AuthnError> {
        let refused = |reason| AuthnError::refused(KIND, reason);
        let (Some(rule), Some(leaf)) = (&self.rule, chain.first()) else { return Err(refused(Reason::NotConfigured)) };
        let place = Digest::of(leaf);
        let identity = if let Some(identity) = self.known.get(&place).await {
            identity
        } else {
            let identity = Arc::new(read(leaf, rule).map_err(refused)?);
            self.known.insert(place, Arc::clone(&identity)).await;
            identity
        };
        // A connection may outlive the certificate it began with.
        if identity.has_expired(clean.now) { Err(refused(Reason::Expired)) } else { Ok(identity) }
    }
}

fn read(leaf: &CertificateDer<'_>, rule: &Rule) -> Result<Identity, Reason> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).map_err(|_| Reason::Malformed)?;
    let names = names(&certificate, rule.field);
    let [name] = names.as_slice() else { return Err(Reason::CertificateName) };
    if !is_plain(name) {
        return Err(Reason::CertificateName);
    }
    Ok(Identity {
        credential: KIND,
        subject: name.clone(),
        tenant: rule.tenant.clone(),
        user: None,
        is_person: false,
        user_name: None,
        email: (rule.field == CertificateField::SanEmail).then(|| name.clone()),
        name: None,
        groups: Vec::new(),
        roles: rule.roles.clone(),
        scopes: rule.scopes.clone(),
        session: None,
        connection: None,
        authenticated_at: None,
        amr: Vec::new(),
        mfa: false,
        expires_at: Some(Timestamp::from_seconds(certificate.validity().not_after.timestamp())),
        issuer: None,
        session_digest: None,
        renew_at: None,
        forward: ForwardMemo::default(),
    })
}

/// All values of the field (RFC 5280 §4.1.2.6, §4.2.1.6).
fn names(certificate: &X509Certificate<'_>, field: CertificateField) -> Vec<String> {
    if field == CertificateField::CommonName {
        let names = certificate.subject().iter_common_name().map(|name| name.as_str().unwrap_or_default().to_owned());
        return names.collect();
    }
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let wanted = |name: &GeneralName<'_>| match (field, name) {
        (CertificateField::SanEmail, GeneralName::RFC822Name(name))
        | (CertificateField::SanDns, GeneralName::DNSName(name))
        | (CertificateField::SanUri, GeneralName::URI(name)) => Some((*name).to_owned()),
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(wanted).collect()
}
