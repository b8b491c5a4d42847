//! From the configuration to a provider that can be spoken to.
//!
//! Refuses keys, certificates and metadata that cannot be used, at start and not at the first sign-in.

use std::sync::Arc;

use url::Url;

use super::discovery::Discovery;
use super::idp::{Endpoint, IdentityProvider, Transport};
use super::key::{OwnKey, UnusableKey};
use super::signature::Trust;
use super::{Provider, certificate, names};
use crate::clock::Timestamp;
use crate::config::connection::{Binding, NameIdFormat, Saml, SamlMetadata};
use crate::config::{Path, Problems};
use crate::http_client::{HttpClient, HttpClientError};
use crate::login::connection::Site;

impl Provider {
    /// `None` where a problem was added, or the review has already told of one.
    pub(in crate::login) fn compile(typed: &Saml, site: &Site<'_>, problems: &mut Problems) -> Option<Self> {
        let address = |door: &str| {
            let path = format!("{}/saml/{}/{door}", site.config.prefix, site.id);
            site.origins.own().join(&path).ok().map(String::from)
        };
        // Here, where it stops the start, and not at the first sign-in.
        if let Err(error) = bergshamra::initialize_backend() {
            problems.add(site.place.clone(), format!("signatures cannot be checked on this machine: {error}"), "");
            return None;
        }
        let discovery = discovery(typed, &site.place, problems);
        let key = own_key(typed, &site.place, problems);
        let (discovery, key) = (discovery?, key?);
        Some(Self {
            discovery,
            entity_id: typed.sp_entity_id.clone().or_else(|| address("metadata"))?,
            acs: address("acs")?,
            slo: address("slo")?,
            sign_requests: typed.sign_requests.unwrap_or(key.is_some()),
            key,
            want_assertions_signed: typed.want_assertions_signed,
            want_response_signed: typed.want_response_signed,
            idp_initiated: typed.idp_initiated,
            force_authn: typed.force_authn,
            name_id_format: typed.name_id_format.map(format),
            skew: typed.clock_skew.0,
            attributes: typed.attributes.clone(),
        })
    }
}

impl Provider {
    /// What is no longer as it was when the configuration was written: a metadata file that has ended. `place`: of the connection's kind.
    pub(in crate::login) fn judge_at(&self, now: Timestamp, place: &Path, problems: &mut Problems) {
        if let Discovery::Fixed(provider) = &self.discovery
            && let Err(error) = provider.current(now)
        {
            let hint = "save the provider's newest metadata document there; until then nobody can sign in by it";
            problems.add(place.key("metadata").key("path"), error.to_string(), hint);
        }
    }
}

fn format(typed: NameIdFormat) -> &'static str {
    match typed {
        NameIdFormat::Persistent => names::PERSISTENT_FORMAT,
        NameIdFormat::Email => names::EMAIL_FORMAT,
        NameIdFormat::Transient => names::TRANSIENT_FORMAT,
        NameIdFormat::Unspecified => names::UNSPECIFIED_FORMAT,
    }
}

/// Outside: whether it could be compiled; inside: whether there is one.
#[expect(clippy::option_option, reason = "no key and an unusable key are two things")]
fn own_key(typed: &Saml, place: &Path, problems: &mut Problems) -> Option<Option<OwnKey>> {
    let (Some(key), Some(certificate)) = (&typed.key, &typed.certificate) else { return Some(None) };
    match OwnKey::new(key.expose(), certificate) {
        Ok(key) => Some(Some(key)),
        Err(error) => {
            let at = if matches!(error, UnusableKey::NotRsa) { "key" } else { "certificate" };
            problems.add(
                place.key(at),
                error.to_string(),
                "make both with `openssl req -x509 -newkey rsa:3072 -nodes -days 3650`",
            );
            None
        }
    }
}

fn discovery(typed: &Saml, place: &Path, problems: &mut Problems) -> Option<Discovery> {
    match &typed.metadata {
        Some(metadata) => from_metadata(typed, metadata, &place.key("metadata"), problems),
        None => from_settings(typed, place, problems).map(|provider| Discovery::Fixed(Arc::new(provider))),
    }
}

fn from_metadata(typed: &Saml, metadata: &SamlMetadata, place: &Path, problems: &mut Problems) -> Option<Discovery> {
    let signer = match &metadata.certificate {
        Some(pem) => Some(Arc::new(trust([pem].into_iter(), &place.key("certificate"), problems)?)),
        None => None,
    };
    let wanted = typed.entity_id.clone();
    if let Some(url) = &metadata.url {
        let url = Url::parse(url).ok()?;
        return match HttpClient::new(&url, metadata.ca.as_deref()) {
            Ok(http) => Some(Discovery::remote(url, http, wanted, signer)),
            Err(error @ HttpClientError::Authorities { .. }) => {
                problems.add(place.key("ca"), error.to_string(), "name a PEM file with the provider's authorities");
                None
            }
            Err(error) => {
                problems.add(place.key("url"), error.to_string(), "write the https address of the provider's metadata");
                None
            }
        };
    }
    let path = metadata.path.as_ref()?;
    let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
    // Whether it has ended is asked when it is used, and by `check`: the day on which it does must not keep the whole door from starting.
    let parsed = read.and_then(|text| {
        let provider = IdentityProvider::read(&text, wanted.as_deref(), signer.as_deref());
        provider.map_err(|error| error.to_string())
    });
    match parsed {
        Ok(provider) => Some(Discovery::Fixed(Arc::new(provider))),
        Err(error) => {
            problems.add(place.key("path"), error, "save the provider's metadata document there");
            None
        }
    }
}

fn from_settings(typed: &Saml, place: &Path, problems: &mut Problems) -> Option<IdentityProvider> {
    let trust = trust(typed.certificates.iter(), &place.key("certificates"), problems)?;
    let binding = match typed.binding {
        Binding::Redirect => Transport::Redirect,
        Binding::Post => Transport::Post,
    };
    let sign_in = Endpoint::new(binding, typed.sso_url.as_deref()?, None)?;
    let sign_out = typed.slo_url.as_deref().and_then(|url| Endpoint::new(Transport::Redirect, url, None));
    Some(IdentityProvider::typed(typed.entity_id.clone()?, trust, sign_in, sign_out))
}

fn trust<'p>(pems: impl Iterator<Item = &'p String>, place: &Path, problems: &mut Problems) -> Option<Trust> {
    let mut all = Vec::new();
    for pem in pems {
        all.extend(certificate::from_pem(pem).or_else(|| {
            problems.add(place.clone(), "a certificate cannot be read", "write it as PEM, or name its file: `{ file: /path }`");
            None
        })?);
    }
    match Trust::new(all) {
        Ok(trust) => Some(trust),
        Err(error) => {
            problems.add(place.clone(), error.to_string(), "ask the provider for its signing certificate");
            None
        }
    }
}
