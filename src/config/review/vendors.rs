//! Sinks of vendors: Splunk, Microsoft Sentinel, Datadog.
//!
//! Refuses what the vendor would answer with a riddle, or what would send a key to strangers, because it is found out when an event is
//! missed.

use http::HeaderValue;

use super::address;
use crate::config::shown::shown;
use crate::config::sink::{Datadog, Sentinel, SplunkHec};
use crate::config::{Path, Problems};
use crate::crypto::Secret;

/// Below these an organisation's site is.
const DATADOG: [&str; 3] = ["datadoghq.com", "datadoghq.eu", "ddog-gov.com"];
/// What a tag's parts may hold besides letters and digits.
const OF_TAGS: &str = "_-./:";

pub(super) fn splunk(typed: &SplunkHec, path: &Path, problems: &mut Problems) {
    address::receiver(path.key("url"), &typed.url, typed.plain_http, problems);
    without_query(&typed.url, path.key("url"), problems);
    if typed.url.contains("/services/collector") {
        let hint = "write the address alone, such as `https://splunk.example.com:8088`";
        problems.add(path.key("url"), "`/services/collector` is added by the sink", hint);
    }
    secret(&typed.token, path.key("token"), problems);
    if typed.token.expose().starts_with("Splunk ") {
        problems.add(path.key("token"), "the word `Splunk` is added by the sink", "write the token alone");
    }
    super::not_zero(path.key("acknowledged_within"), typed.acknowledged_within, problems);
    for (key, value) in
        [("source", Some(&typed.source)), ("sourcetype", Some(&typed.sourcetype)), ("index", typed.index.as_ref())]
    {
        if value.is_some_and(String::is_empty) {
            problems.add(path.key(key), format!("`{key}` is empty"), "leave it out for the default");
        }
    }
}

pub(super) fn sentinel(typed: &Sentinel, path: &Path, problems: &mut Problems) {
    for (key, value) in [("endpoint", &typed.endpoint), ("authority", &typed.authority), ("audience", &typed.audience)] {
        address::trusted(path.key(key), value, problems);
        without_query(value, path.key(key), problems);
    }
    let digits = typed.rule.strip_prefix("dcr-");
    if !digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
        let message = format!("`{}` is not the immutable id of a data collection rule", shown(&typed.rule));
        let hint =
            "it is `dcr-` and 32 hexadecimal digits, shown as `immutableId` in the rule's JSON view; its name is not meant";
        problems.add(path.key("rule"), message, hint);
    }
    if !["Custom-", "Microsoft-"].iter().any(|known| typed.stream.starts_with(known)) || !is_name(&typed.stream) {
        let message = format!("`{}` is not a stream's name", shown(&typed.stream));
        problems.add(path.key("stream"), message, "write it as in the rule's `streamDeclarations`, such as `Custom-Doorward_CL`");
    }
    for (key, value) in [("tenant", &typed.tenant), ("client_id", &typed.client_id)] {
        if !is_name(value) {
            problems.add(path.key(key), format!("`{}` is not an id", shown(value)), "copy it from the application's overview");
        }
    }
    proof(typed, path, problems);
}

/// How the application proves that it is itself: in one way.
fn proof(typed: &Sentinel, path: &Path, problems: &mut Problems) {
    match (&typed.client_secret, &typed.federated_token_file) {
        (Some(client_secret), None) if client_secret.expose().is_empty() => {
            problems.add(path.key("client_secret"), "the secret is empty", "write the value of one, not its id");
        }
        (None, Some(file)) if !file.is_absolute() => {
            let hint = "write `/var/run/secrets/azure/tokens/azure-identity-token`, for example";
            problems.add(path.key("federated_token_file"), "the path does not begin with `/`", hint);
        }
        (None, None) => {
            let hint = "add `client_secret` or `federated_token_file`";
            problems.add(path.clone(), "the application cannot prove that it is itself", hint);
        }
        (Some(_), Some(_)) => {
            let message = "`client_secret` and `federated_token_file` are both given";
            problems.add(path.clone(), message, "leave one of them out");
        }
        _ => {}
    }
}

pub(super) fn datadog(typed: &Datadog, path: &Path, problems: &mut Problems) {
    secret(&typed.api_key, path.key("api_key"), problems);
    match (&typed.site, &typed.url) {
        (Some(_), Some(_)) => problems.add(path.clone(), "`site` and `url` are both given", "leave one of them out"),
        (_, Some(url)) => {
            address::receiver(path.key("url"), url, typed.plain_http, problems);
            without_query(url, path.key("url"), problems);
        }
        (Some(site), None) if !is_site(site) => {
            let message = format!("`{}` is not a site of Datadog", shown(site));
            problems.add(
                path.key("site"),
                message,
                "write one such as `datadoghq.eu` or `us5.datadoghq.com`, without `https://` and `app.`",
            );
        }
        _ => {}
    }
    for (name, value) in &typed.tags {
        let plain = |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || OF_TAGS.contains(letter));
        let begins = name.starts_with(char::is_alphabetic);
        if !begins || value.is_empty() || !plain(name) || !plain(value) || name.contains(':') {
            let hint = "a letter first, then letters, digits and `_ - . / :`";
            problems.add(path.key("tags").key(name), format!("`{}:{}` is not a tag", shown(name), shown(value)), hint);
        }
    }
}

/// An address to which something is added.
fn without_query(text: &str, path: Path, problems: &mut Problems) {
    if text.contains('?') {
        problems.add(path, "a query has no place here", "leave out what begins with `?`");
    }
}

fn secret(secret: &Secret, path: Path, problems: &mut Problems) {
    if secret.expose().trim().is_empty() {
        problems.add(path, "it is empty", "write `{ file: … }` or `{ env: … }`");
    } else if HeaderValue::try_from(secret.expose()).is_err() {
        problems.add(path, "it cannot be sent in a header", "leave out line breaks and control characters");
    }
}

/// Fit to be a part of an address's path.
fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    plain && !matches!(text, "" | "." | "..")
}

fn is_site(site: &str) -> bool {
    let below = |domain: &&str| site.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let labels =
        site.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    labels && DATADOG.iter().any(below) && !site.starts_with("app.")
}
