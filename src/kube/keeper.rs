//! A certificate of the injector's own making: kept in a Secret that all replicas share, trusted by the webhook's configuration.
//!
//! Refuses to serve with a certificate before API servers have been told to trust it, because until then every pod's creation would fail.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::api::{Api, ApiError};
use super::certificate::{self, CertificateError, Pair};
use super::state::State;
use crate::config::inject::SelfManaged;

/// How long API servers may take to hear of a new authority; they watch, so that it is a moment.
const HEARSAY: Duration = Duration::from_secs(5);

/// Why there is no certificate, or no newer one.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the MutatingWebhookConfiguration calls nothing that a certificate could be made for")]
    NoNames,
}

impl KeepError {
    /// Whether somebody else was faster, so that all that is to be done is to look again.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(ApiError::Conflict(_)))
    }
}

/// Keeps the certificate.
pub(super) struct Keeper {
    api: Api,
    typed: SelfManaged,
    state: Arc<State>,
    /// The certificate that is served.
    served: Option<String>,
}

impl Keeper {
    pub(super) fn new(api: Api, typed: SelfManaged, state: Arc<State>) -> Self {
        Self { api, typed, state, served: None }
    }

    /// Looks whether everything is as it should be, and mends what is not.
    pub(super) async fn turn(&mut self) -> Result<(), KeepError> {
        let path = format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{}", self.typed.webhook);
        let webhook = self.api.read(&path).await?;
        let names = names(&webhook);
        if names.is_empty() {
            return Err(KeepError::NoNames);
        }
        let pair = self.pair(&names).await?;
        let told = self.trust(&path, &webhook, &pair).await?;
        if self.served.as_ref() == Some(&pair.certificate) {
            return Ok(());
        }
        if told && self.served.is_some() {
            // Served with the former meanwhile, which is trusted still.
            tokio::time::sleep(HEARSAY).await;
        }
        let (config, life) = certificate::serving(pair.certificate.as_bytes(), pair.key.as_bytes())?;
        self.state.serve_with(config, life.ends);
        tracing::info!(ends = %life.ends, "serving with a certificate");
        self.served = Some(pair.certificate);
        Ok(())
    }

    /// The Secret's, or a new one if that is not good for much longer.
    async fn pair(&self, names: &[String]) -> Result<Pair, KeepError> {
        let folder = format!("/api/v1/namespaces/{}/secrets", self.api.namespace());
        let path = format!("{folder}/{}", self.typed.secret);
        let there = match self.api.read(&path).await {
            Ok(secret) => Some(secret),
            Err(ApiError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let now = self.state.clock.now();
        if let Some(pair) = there.as_ref().and_then(stored) {
            let good = certificate::check(&pair, names, now);
            let life = certificate::serving(pair.certificate.as_bytes(), pair.key.as_bytes());
            match (good, life) {
                (Ok(()), Ok((_, life))) if !life.is_due(now) => return Ok(pair),
                (Ok(()), Ok(_)) => tracing::info!("the certificate ends soon: making another"),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%error, "the Secret's certificate is of no use: making another");
                }
            }
        }
        let pair = certificate::make(names, now, self.typed.lifetime.0)?;
        if let Some(Value::Object(mut secret)) = there {
            secret.insert("data".to_owned(), data(&pair));
            self.api.replace(&path, &Value::Object(secret)).await?;
        } else {
            let metadata = json!({ "name": self.typed.secret, "namespace": self.api.namespace() });
            let kind = "kubernetes.io/tls";
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data(&pair) });
            self.api.create(&folder, &secret).await?;
        }
        Ok(pair)
    }

    /// Makes all webhooks of the configuration trust the pair's authority; says whether they had to be told.
    async fn trust(&self, path: &str, configuration: &Value, pair: &Pair) -> Result<bool, KeepError> {
        let now = self.state.clock.now();
        let mut parts = Vec::new();
        for webhook in webhooks(configuration) {
            let before = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            let bundle = STANDARD.encode(certificate::bundle(&pair.authority, &decoded(before).unwrap_or_default(), now));
            if bundle != before {
                parts.push(json!({ "name": webhook["name"], "clientConfig": { "caBundle": bundle } }));
            }
        }
        if parts.is_empty() {
            return Ok(false);
        }
        let version = &configuration["metadata"]["resourceVersion"];
        self.api.patch(path, &json!({ "metadata": { "resourceVersion": version }, "webhooks": parts })).await?;
        tracing::info!("the API server was told which authority to trust");
        Ok(true)
    }
}

fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

/// What API servers call: a Service by its name in the cluster, or a URL's host.
fn names(configuration: &Value) -> Vec<String> {
    let mut names: Vec<String> = webhooks(configuration)
        .filter_map(|webhook| {
            let called = &webhook["clientConfig"];
            if let (Some(name), Some(namespace)) = (called["service"]["name"].as_str(), called["service"]["namespace"].as_str()) {
                return Some(format!("{name}.{namespace}.svc"));
            }
            let url = Url::parse(called["url"].as_str()?).ok()?;
            Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn data(pair: &Pair) -> Value {
    json!({
        "tls.crt": STANDARD.encode(&pair.certificate),
        "tls.key": STANDARD.encode(&pair.key),
        "ca.crt": STANDARD.encode(&pair.authority),
    })
}

/// What a Secret holds; an empty one, as a chart makes it, holds nothing.
fn stored(secret: &Value) -> Option<Pair> {
    let part = |key: &str| decoded(secret["data"][key].as_str()?).filter(|text| !text.is_empty());
    Some(Pair { certificate: part("tls.crt")?, key: part("tls.key")?, authority: part("ca.crt")? })
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}
