//! A webhook: a JSON array of events by POST, signed as Standard Webhooks are (<https://www.standardwebhooks.com>).
//!
//! Refuses redirects and, unless it is allowed, addresses inside: where events go is what the configuration says, not what a name server
//! or the receiver does.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request, header};
use url::Url;

use super::http::{compressed, fields, post};
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::clock::SharedClock;
use crate::config::sink::{Sink, Webhook as Typed};
use crate::crypto::{Digest, Secret};
use crate::http_client::{HttpClient, HttpClientError, Reach};

const MOST: Most = Most { events: 1000, bytes: 1 << 20 };
/// Before a secret that is written as Standard Webhooks write them.
const ENCODED: &str = "whsec_";

/// A webhook's receiver.
pub(super) struct Webhook {
    url: Url,
    client: HttpClient,
    keys: Vec<hmac::Key>,
    headers: HeaderMap,
    gzip: bool,
    clock: SharedClock,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.url.origin().ascii_serialization())
    }
}

impl Webhook {
    /// What `typed` says, in `sink`.
    pub(super) fn new(typed: &Typed, sink: &Sink, clock: SharedClock) -> Result<Self, HttpClientError> {
        let url = Url::parse(&typed.url).map_err(|_| HttpClientError::NotAUrl(typed.url.clone()))?;
        let reach = Reach {
            authorities: sink.ca.as_deref(),
            certificate: sink.client_certificate.as_ref(),
            timeout: sink.timeout.0,
            private_addresses: typed.private_addresses,
            plain_http: typed.plain_http,
        };
        let client = HttpClient::within(&url, &reach)?;
        let keys = [Some(&typed.secret), typed.former_secret.as_ref()].into_iter().flatten().map(key).collect();
        Ok(Self { url, client, keys, headers: fields(&typed.headers), gzip: typed.gzip, clock })
    }

    /// `v1,` and base64 of HMAC-SHA-256 over id, timestamp and body, for each secret.
    fn signatures(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signature = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.keys.iter().map(signature).collect::<Vec<_>>().join(" ")
    }

    fn request(&self, batch: &[Outgoing]) -> Result<Request<Vec<u8>>, SendError> {
        let bodies: Vec<_> = batch.iter().map(|event| &event.body).collect();
        let body = serde_json::to_vec(&bodies).map_err(|error| SendError::refused(None, error))?;
        let (id, timestamp) = (id(batch), self.clock.now().seconds());
        let mut request = Request::post(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.signatures(&id, timestamp, &body));
        let body = if self.gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
            compressed(&body).map_err(SendError::later)?
        } else {
            body
        };
        let mut request = request.body(body).map_err(SendError::later)?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

#[async_trait]
impl Transport for Webhook {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        post(&self.client, self.request(batch)?).await.map(drop)
    }

    fn most(&self) -> Most {
        MOST
    }
}

/// The same for the same batch, so that a receiver may tell a second try by it.
fn id(batch: &[Outgoing]) -> String {
    let parts: Vec<_> = batch.iter().map(|event| event.id.as_bytes()).collect();
    format!("msg_{}", &Digest::of_parts(&parts).to_hex()[..32])
}

fn key(secret: &Secret) -> hmac::Key {
    let text = secret.expose();
    let decoded = text.strip_prefix(ENCODED).and_then(|encoded| STANDARD.decode(encoded).ok());
    hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()))
}
