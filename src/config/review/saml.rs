//! SAML identity providers.
//!
//! Refuses settings that contradict one another, and clocks that may differ by more than a stolen assertion needs to be used.

use std::time::Duration;

use super::address;
use crate::config::connection::{NameIdFormat, Saml, SamlMetadata};
use crate::config::{Path, Problems};

/// Most that two clocks may differ.
const MOST_SKEW: Duration = Duration::from_secs(5 * 60);

pub(super) fn review(saml: &Saml, path: &Path, problems: &mut Problems) {
    match &saml.metadata {
        Some(document) => metadata(saml, document, path, problems),
        None => by_hand(saml, path, problems),
    }
    if let Some(url) = &saml.slo_url {
        address::trusted(path.key("slo_url"), url, problems);
    }
    let (key, certificate) = (saml.key.is_some(), saml.certificate.is_some());
    if key != certificate {
        let (given, missing) = if key { ("key", "certificate") } else { ("certificate", "key") };
        problems.add(path.key(given), format!("`{given}` is given without `{missing}`"), "give both or neither");
    }
    if saml.sign_requests == Some(true) && !key {
        problems.add(path.key("sign_requests"), "there is no `key` to sign requests with", "give `key` and `certificate`");
    }
    if saml.clock_skew.0 > MOST_SKEW {
        problems.add(path.key("clock_skew"), "the clocks may differ by at most `5m`", "have the servers' clocks set by NTP");
    }
    if saml.name_id_format == Some(NameIdFormat::Transient) && saml.attributes.subject.is_none() {
        let hint = "name an attribute that stays the same: `attributes: { subject: … }`";
        problems.add(path.key("name_id_format"), "a transient name is another one at every sign-in", hint);
    }
}

fn metadata(saml: &Saml, document: &SamlMetadata, path: &Path, problems: &mut Problems) {
    let stated = [
        ("sso_url", saml.sso_url.is_some()),
        ("slo_url", saml.slo_url.is_some()),
        ("certificates", !saml.certificates.is_empty()),
    ];
    for (key, _) in stated.iter().filter(|(_, given)| *given) {
        problems.add(path.key(key), format!("`{key}` is what `metadata` says"), "remove one of the two");
    }
    let path = path.key("metadata");
    match (&document.url, &document.path) {
        (Some(url), None) => address::trusted(path.key("url"), url, problems),
        (None, Some(_)) if document.ca.is_some() => problems.add(path.key("ca"), "`ca` is for `url`", "remove it"),
        (None, Some(_)) => {}
        (Some(_), Some(_)) => problems.add(path, "`url` and `path` are both given", "remove one of them"),
        (None, None) => problems.add(path, "`metadata` does not say where it is", "add `url` or `path`"),
    }
}

fn by_hand(saml: &Saml, path: &Path, problems: &mut Problems) {
    let missing = [
        ("entity_id", saml.entity_id.is_none()),
        ("sso_url", saml.sso_url.is_none()),
        ("certificates", saml.certificates.is_empty()),
    ];
    let missing: Vec<_> = missing.iter().filter(|(_, missing)| *missing).map(|(key, _)| format!("`{key}`")).collect();
    if !missing.is_empty() {
        let what = format!("the provider is not described: {} missing", missing.join(", "));
        problems.add(path.clone(), what, "give its `metadata`, or `entity_id`, `sso_url` and `certificates`");
    }
    if let Some(url) = &saml.sso_url {
        address::trusted(path.key("sso_url"), url, problems);
    }
}
