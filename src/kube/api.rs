//! The few things that are asked of the API server.
//!
//! Refuses to know more of it than its own Secret, its own webhook's configuration and the version, because that is all the role allows.

use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::config::inject::ApiServer;
use crate::http_client::{HttpClient, HttpClientError};

/// What is shown of an answer that says why not, in characters.
const SHOWN: usize = 300;

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("the API server cannot be reached")]
    Unreachable(#[from] HttpClientError),
    #[error("the token cannot be read from `{}`", file.display())]
    Token {
        file: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the API server knows no {0}")]
    NotFound(String),
    /// Somebody else was faster; read again.
    #[error("{0} has changed in the meantime")]
    Conflict(String),
    #[error("the API server answered {status} for {what}: {message}")]
    Refused { what: String, status: u16, message: String },
    #[error("the API server's answer for {0} is not JSON")]
    NotJson(String),
    #[error("the call for {0} cannot be written")]
    Unwritable(String),
}

/// The API server, as one of its clients sees it.
#[derive(Clone, Debug)]
pub struct Api {
    server: ApiServer,
}

impl Api {
    #[must_use]
    pub fn new(server: ApiServer) -> Self {
        Self { server }
    }

    /// Whose Secrets are ours.
    pub(super) fn namespace(&self) -> &str {
        &self.server.namespace
    }

    /// Its version, as `(1, 33)`.
    pub(super) async fn version(&self) -> Result<(u32, u32), ApiError> {
        let told = self.call(Method::GET, "/version", None).await?;
        // Vendors write `33+`.
        let number = |key: &str| {
            let text = told.get(key).and_then(Value::as_str).unwrap_or_default();
            text.trim_end_matches(|letter: char| !letter.is_ascii_digit()).parse().ok()
        };
        number("major").zip(number("minor")).ok_or_else(|| ApiError::NotJson("/version".to_owned()))
    }

    pub(super) async fn read(&self, path: &str) -> Result<Value, ApiError> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.call(Method::POST, path, Some(("application/json", object))).await
    }

    /// Replaces the object if its `metadata.resourceVersion` is still the one in `object`.
    pub(super) async fn replace(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.call(Method::PUT, path, Some(("application/json", object))).await
    }

    /// Changes a part of the object, under the same condition.
    pub(super) async fn patch(&self, path: &str, part: &Value) -> Result<Value, ApiError> {
        self.call(Method::PATCH, path, Some(("application/strategic-merge-patch+json", part))).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, ApiError> {
        // Anew each time: authorities and tokens of pods are replaced while they run.
        let client = HttpClient::new(&self.server.url, self.server.ca.as_deref())?;
        let url = format!("{}{path}", self.server.url.as_str().trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(url).header(header::ACCEPT, "application/json");
        if let Some(token) = self.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let unwritable = || ApiError::Unwritable(path.to_owned());
        let bytes = match body {
            None => Vec::new(),
            Some((kind, object)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                serde_json::to_vec(object).map_err(|_| unwritable())?
            }
        };
        let answer = client.send(request.body(bytes).map_err(|_| unwritable())?).await?;
        judged(path, answer.status(), answer.body())
    }

    fn token(&self) -> Result<Option<String>, ApiError> {
        let Some(file) = &self.server.token else { return Ok(None) };
        let text = std::fs::read_to_string(file).map_err(|source| ApiError::Token { file: file.clone(), source })?;
        Ok(Some(text.trim().to_owned()))
    }
}

fn judged(path: &str, status: StatusCode, body: &[u8]) -> Result<Value, ApiError> {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    match status {
        status if status.is_success() => told.ok_or_else(|| ApiError::NotJson(path.to_owned())),
        StatusCode::NOT_FOUND => Err(ApiError::NotFound(path.to_owned())),
        StatusCode::CONFLICT => Err(ApiError::Conflict(path.to_owned())),
        status => {
            let message = told.as_ref().and_then(|told| told.get("message")).and_then(Value::as_str).unwrap_or("no reason");
            let message = message.chars().take(SHOWN).collect();
            Err(ApiError::Refused { what: path.to_owned(), status: status.as_u16(), message })
        }
    }
}
