//! As much of an API server as an injector asks: its own Secret, its webhook's configuration, the version. A real one cannot be had
//! everywhere, and cannot be made to be of another version or to forbid things at will (`cluster.rs` has the real one).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) const SECRET: &str = "/api/v1/namespaces/doors/secrets/doorward-inject-tls";
pub(super) const WEBHOOK: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/doorward-inject";
const TOKEN: &str = "token-of-the-injector";

#[derive(Default)]
struct Cluster {
    minor: String,
    secret: Option<Value>,
    webhook: Value,
    version: u64,
    forbids_creation: bool,
    asked: Vec<String>,
    conflicts: usize,
}

/// A running fake. It ends with the test's process.
pub(super) struct ApiServer {
    address: SocketAddr,
    cluster: Arc<Mutex<Cluster>>,
}

impl ApiServer {
    pub(super) fn start(minor: &str) -> Self {
        let service = json!({ "name": "doorward-inject", "namespace": "doors", "path": "/mutate", "port": 443 });
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": "doorward-inject", "resourceVersion": "1" },
            "webhooks": [
                { "name": "a.inject.doorward.dev", "clientConfig": { "service": service }, "failurePolicy": "Fail" },
                { "name": "b.inject.doorward.dev", "clientConfig": { "service": service }, "failurePolicy": "Ignore" },
            ],
        });
        let cluster = Cluster { minor: minor.to_owned(), webhook, version: 1, ..Cluster::default() };
        let cluster = Arc::new(Mutex::new(cluster));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&cluster));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap() });
        });
        Self { address, cluster }
    }

    /// What an injector's configuration says of it; the token lies in the folder.
    pub(super) fn configuration(&self, folder: &Path) -> String {
        std::fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
        format!("api_server: {{ url: 'http://{}', token: token, namespace: doors }}\n", self.address)
    }

    pub(super) fn forbid_creation(&self) {
        self.cluster.lock().unwrap().forbids_creation = true;
    }

    /// The paths that it was asked for.
    pub(super) fn asked(&self) -> Vec<String> {
        self.cluster.lock().unwrap().asked.clone()
    }

    pub(super) fn conflicts(&self) -> usize {
        self.cluster.lock().unwrap().conflicts
    }

    /// A part of the Secret, if it is there.
    pub(super) fn secret(&self, key: &str) -> Option<String> {
        let cluster = self.cluster.lock().unwrap();
        text(cluster.secret.as_ref()?["data"][key].as_str()?)
    }

    /// Puts this into the Secret, as another replica would.
    pub(super) fn put_secret(&self, certificate: &str, key: &str, authority: &str) {
        let mut cluster = self.cluster.lock().unwrap();
        cluster.version += 1;
        let version = cluster.version.to_string();
        let encoded = |text: &str| STANDARD.encode(text);
        let data = json!({ "tls.crt": encoded(certificate), "tls.key": encoded(key), "ca.crt": encoded(authority) });
        cluster.secret = Some(
            json!({ "metadata": { "name": "doorward-inject-tls", "resourceVersion": version }, "type": "Opaque", "data": data }),
        );
    }

    /// The authorities that API servers trust: the same for each webhook.
    pub(super) fn bundle(&self) -> String {
        let cluster = self.cluster.lock().unwrap();
        let bundles: Vec<_> =
            cluster.webhook["webhooks"].as_array().unwrap().iter().map(|one| &one["clientConfig"]["caBundle"]).collect();
        assert!(bundles.windows(2).all(|pair| pair[0] == pair[1]), "webhooks trust different authorities");
        bundles[0].as_str().and_then(text).unwrap_or_default()
    }

    pub(super) fn webhook(&self) -> Value {
        self.cluster.lock().unwrap().webhook.clone()
    }
}

fn text(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

fn status(code: StatusCode, message: &str) -> (StatusCode, axum::Json<Value>) {
    (code, axum::Json(json!({ "kind": "Status", "apiVersion": "v1", "code": code.as_u16(), "message": message })))
}

async fn answer(
    State(cluster): State<Arc<Mutex<Cluster>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, axum::Json<Value>) {
    let mut cluster = cluster.lock().unwrap();
    cluster.asked.push(format!("{method} {}", uri.path()));
    if headers.get(header::AUTHORIZATION).is_none_or(|shown| shown != format!("Bearer {TOKEN}").as_str()) {
        return status(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    match (method.as_str(), uri.path()) {
        ("GET", "/version") => status_ok(json!({ "major": "1", "minor": cluster.minor })),
        ("GET", WEBHOOK) => status_ok(cluster.webhook.clone()),
        ("PATCH", WEBHOOK) if kind == "application/strategic-merge-patch+json" => cluster.patch(&sent),
        ("GET", SECRET) => match &cluster.secret {
            Some(secret) => status_ok(secret.clone()),
            None => status(StatusCode::NOT_FOUND, "not found"),
        },
        ("PUT", SECRET) => cluster.replace(sent),
        ("POST", "/api/v1/namespaces/doors/secrets") => cluster.create(sent),
        _ => status(StatusCode::FORBIDDEN, "the role allows nothing else"),
    }
}

fn status_ok(object: Value) -> (StatusCode, axum::Json<Value>) {
    (StatusCode::OK, axum::Json(object))
}

impl Cluster {
    fn conflict(&mut self) -> (StatusCode, axum::Json<Value>) {
        self.conflicts += 1;
        status(StatusCode::CONFLICT, "the object has been modified")
    }

    fn create(&mut self, mut secret: Value) -> (StatusCode, axum::Json<Value>) {
        if self.forbids_creation {
            return status(StatusCode::FORBIDDEN, "secrets is forbidden: cannot create resource \"secrets\"");
        }
        if self.secret.is_some() {
            return self.conflict();
        }
        self.version += 1;
        secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.secret = Some(secret.clone());
        status_ok(secret)
    }

    fn replace(&mut self, mut secret: Value) -> (StatusCode, axum::Json<Value>) {
        let same = self.secret.as_ref().is_some_and(|there| {
            there["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"] && there["type"] == secret["type"]
        });
        if !same {
            return self.conflict();
        }
        self.version += 1;
        secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.secret = Some(secret.clone());
        status_ok(secret)
    }

    /// A strategic merge patch of webhooks, which are known by their names.
    fn patch(&mut self, part: &Value) -> (StatusCode, axum::Json<Value>) {
        if part["metadata"]["resourceVersion"] != self.webhook["metadata"]["resourceVersion"] {
            return self.conflict();
        }
        self.version += 1;
        let version = self.version.to_string();
        self.webhook["metadata"]["resourceVersion"] = json!(version);
        for changed in part["webhooks"].as_array().into_iter().flatten() {
            let all = self.webhook["webhooks"].as_array_mut().unwrap();
            let one = all.iter_mut().find(|one| one["name"] == changed["name"]).unwrap();
            one["clientConfig"]["caBundle"] = changed["clientConfig"]["caBundle"].clone();
        }
        status_ok(self.webhook.clone())
    }
}
