//! Whether a person or a program is to read the answer.
//!
//! Refuses to take a program for a person: only what a browser says of itself, or an `Accept` that prefers HTML, gets a page, and only
//! a GET gets a redirect, because a redirected POST would arrive as a GET and lose what was sent.

use http::{HeaderMap, Method, header};

/// A browser going somewhere: it can show a page.
#[must_use]
pub fn reads_pages(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key("x-requested-with") {
        return false;
    }
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text(header::ACCEPT.as_str()).is_some_and(prefers_html),
    }
}

/// A browser going somewhere that can be sent elsewhere first.
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET && reads_pages(headers)
}

/// Whether HTML is named, and nothing is preferred to it (RFC 9110 §12.5.1). Of equals the one named first counts.
fn prefers_html(accept: &str) -> bool {
    let mut best = (0.0, false);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        if quality > best.0 {
            best = (quality, name.eq_ignore_ascii_case("text/html") || name.eq_ignore_ascii_case("application/xhtml+xml"));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_a_browser_that_goes_somewhere_is_sent_to_sign_in() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (who, method, sent, expected) in [
            ("a navigation", Method::GET, headers(&[("sec-fetch-mode", "navigate"), ("accept", browser)]), true),
            ("an old browser", Method::GET, headers(&[("accept", browser)]), true),
            ("xhtml first", Method::GET, headers(&[("accept", "application/xhtml+xml, text/html;q=0.9")]), true),
            ("fetch()", Method::GET, headers(&[("sec-fetch-mode", "cors"), ("accept", "*/*")]), false),
            ("fetch() for HTML", Method::GET, headers(&[("sec-fetch-mode", "same-origin"), ("accept", browser)]), false),
            ("an image", Method::GET, headers(&[("sec-fetch-mode", "no-cors"), ("accept", "image/*")]), false),
            ("curl", Method::GET, headers(&[("accept", "*/*")]), false),
            ("a program", Method::GET, headers(&[]), false),
            ("XMLHttpRequest", Method::GET, headers(&[("x-requested-with", "XMLHttpRequest"), ("accept", browser)]), false),
            ("JSON before HTML", Method::GET, headers(&[("accept", "application/json, text/html")]), false),
            ("JSON preferred", Method::GET, headers(&[("accept", "text/html;q=0.5, application/json")]), false),
            ("HTML refused", Method::GET, headers(&[("accept", "text/html;q=0, */*")]), false),
            ("a form", Method::POST, headers(&[("sec-fetch-mode", "navigate"), ("accept", browser)]), false),
            ("a HEAD", Method::HEAD, headers(&[("accept", browser)]), false),
        ] {
            assert_eq!(is_navigation(&method, &sent), expected, "{who}");
        }
    }

    #[test]
    fn a_sent_form_may_be_answered_with_a_page() {
        assert!(reads_pages(&headers(&[("sec-fetch-mode", "navigate")])));
        assert!(!reads_pages(&headers(&[("sec-fetch-mode", "cors")])));
    }
}
