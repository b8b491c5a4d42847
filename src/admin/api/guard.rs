//! What stands before every operation: a change has to be meant by whoever's credential it carries, and is done once.
//!
//! Refuses a change that a page of another site sent with the browser's cookie or certificate (threats C8): browsers say where a request
//! comes from, and send JSON across sites only after asking, which nobody here answers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, header};

use super::problem::Problem;
use super::{Admin, once};
use crate::forward::Outbound;
use crate::model::{CredentialKind, Identity};

/// Judges a request before its handler sees it.
pub(super) async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let Some(judged) = request.extensions().get::<Arc<Outbound>>().cloned() else { return Problem::INTERNAL.into_response() };
    // The route demands somebody; a request without is a mistake of ours.
    let Some(identity) = judged.identity.as_deref() else { return Problem::INTERNAL.into_response() };
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !harmless && !is_meant(identity, request.method(), request.headers(), &admin.tenancy.site(judged.site).public_url) {
        return Problem::FOREIGN.into_response();
    }
    let mut answer = if *request.method() == Method::POST && request.headers().contains_key(once::HEADER) {
        once::answer(&admin, identity, request, next).await
    } else {
        next.run(request).await
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Whether the holder of the credential asked for it, and not a page that they happen to look at.
fn is_meant(identity: &Identity, method: &Method, headers: &HeaderMap, own: &str) -> bool {
    let all = |name: &str, ours: &dyn Fn(&[u8]) -> bool| headers.get_all(name).iter().all(|value| ours(value.as_bytes()));
    let site = all("sec-fetch-site", &|value| value == b"same-origin");
    let origin = all(header::ORIGIN.as_str(), &|value| own.as_bytes() == value);
    // What a browser sends by itself; everything else somebody put there on purpose.
    let ambient = !matches!(identity.credential, CredentialKind::ApiKey | CredentialKind::Bearer | CredentialKind::License);
    let says_so = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    let unasked = *method == Method::POST && !super::asked::is_json(headers) && !says_so;
    site && origin && !(ambient && unasked)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn meant(credential: CredentialKind, method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_meant(&Identity::sample(credential), method, &headers.collect(), "https://app.example")
    }

    #[test]
    fn a_change_by_a_session_has_to_come_from_here_or_be_json() {
        let json = ("content-type", "application/json");
        let session = |headers: &[(&'static str, &'static str)]| meant(CredentialKind::Session, &Method::POST, headers);
        assert!(session(&[json]) && session(&[json, ("origin", "https://app.example")]));
        assert!(session(&[("sec-fetch-site", "same-origin")]), "a POST without a body from a page of ours");
        for foreign in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[json, ("origin", "https://evil.example")],
            &[json, ("origin", "null")],
            &[json, ("origin", "http://app.example")],
            &[json, ("sec-fetch-site", "cross-site")],
            &[json, ("sec-fetch-site", "same-site")],
            &[json, ("sec-fetch-site", "none")],
            &[json, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        ] {
            assert!(!session(foreign), "{foreign:?}");
            let certificate = meant(CredentialKind::ClientCertificate, &Method::POST, foreign);
            assert!(!certificate, "a browser sends certificates by itself, too: {foreign:?}");
        }
        assert!(meant(CredentialKind::Session, &Method::DELETE, &[]), "across sites only after asking");
        assert!(meant(CredentialKind::ApiKey, &Method::POST, &[]), "somebody put the key there on purpose");
        assert!(!meant(CredentialKind::ApiKey, &Method::POST, &[("sec-fetch-site", "cross-site")]));
    }
}
