//! Which request a proxy asks about, as its fields or the path say.
//!
//! Refuses whatever is left open or said in two ways: a proxy that forgets one of these fields passes on what the client put there
//! (threats P4, CVE-2026-40575).

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use pingora::http::RequestHeader;

use super::refuse;
use crate::edge::{Unclean, fields};

const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Fields by which some applications take another path, method or host than the one that was judged; no proxy takes them away.
const OVERRIDES: [&str; 7] = [
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-host",
    "x-http-host-override",
];

/// What a question leaves open: each has a reason of its own, because nginx shows its operator nothing but Doorward's log.
const NO_ADDRESS: Unclean = Unclean::new(
    400,
    "original_address_missing",
    "The proxy did not say the address: X-Forwarded-Uri, X-Original-URI or X-Original-URL.",
);
const NO_METHOD: Unclean =
    Unclean::new(400, "original_method_missing", "The proxy did not say the method: X-Forwarded-Method or X-Original-Method.");
const NO_HOST: Unclean = Unclean::new(400, "original_host_missing", "The proxy did not say the host: X-Forwarded-Host.");
const NO_SCHEME: Unclean = Unclean::new(400, "original_scheme_missing", "The proxy did not say the scheme: X-Forwarded-Proto.");
const NO_CLIENT: Unclean =
    Unclean::new(400, "original_client_missing", "The proxy did not say where the request comes from: X-Forwarded-For.");
const CONTRADICTORY: Unclean = refuse(400, "original_request_contradictory");
const MALFORMED: Unclean = refuse(400, "original_request");

/// Whether the request is named as nginx's `auth_request` examples do.
pub(super) fn is_nginx(headers: &HeaderMap) -> bool {
    fields::holds(headers, &ORIGINAL_URI) || fields::holds(headers, &ORIGINAL_URL)
}

/// Turns `head` into the request that is meant. With `suffix`, its target from there on is the original one, and its method and host too.
pub(super) fn turn(head: &mut RequestHeader, suffix: Option<usize>) -> Result<(), Unclean> {
    if OVERRIDES.iter().any(|name| head.headers.contains_key(*name)) {
        return Err(refuse(400, "override_header"));
    }
    let url = only(head, &ORIGINAL_URL)?.map(absolute).transpose()?;
    let by_path = suffix.map(|at| head.raw_path().get(at..).ok_or(MALFORMED)).transpose()?;
    let by_url = url.as_ref().map(|url| url.target.as_bytes());
    let by_fields = [only(head, &ORIGINAL_URI)?, only(head, &FORWARDED_URI)?].map(|value| value.map(HeaderValue::as_bytes));
    let target = agreed([by_path, by_url, by_fields[0], by_fields[1]])?.ok_or(NO_ADDRESS)?;
    if !target.starts_with(b"/") || target.iter().any(|byte| !(0x21..0x7f).contains(byte) || *byte == b'#') {
        return Err(MALFORMED);
    }
    let method = method(head, by_path.is_some())?;
    let host = host(head, url.as_ref(), by_path.is_some())?;
    let proto = only(head, &FORWARDED_PROTO)?.map(HeaderValue::as_bytes);
    let proto = agreed([proto, url.as_ref().map(|url| url.scheme.as_bytes())])?;
    let proto = proto.map(HeaderValue::from_bytes).transpose().map_err(|_| MALFORMED)?;
    if proto.is_none() && by_path.is_none() {
        return Err(NO_SCHEME);
    }
    if !fields::holds(&head.headers, &FORWARDED_FOR) {
        return Err(NO_CLIENT);
    }
    let target = target.to_vec();
    head.set_raw_path(&target).map_err(|_| MALFORMED)?;
    head.set_method(method);
    head.insert_header(FORWARDED_HOST, host.clone()).map_err(|_| MALFORMED)?;
    head.insert_header(header::HOST, host).map_err(|_| MALFORMED)?;
    if let Some(proto) = proto {
        head.insert_header(FORWARDED_PROTO, proto).map_err(|_| MALFORMED)?;
    }
    // Whether it may upgrade is the proxy's to carry out; what came to ask about it upgrades to nothing.
    head.remove_header(&header::UPGRADE);
    Ok(())
}

/// The method: of the request that came where its path says what is meant, else as fields say it. A proxy asks with GET or as it was asked.
fn method(head: &RequestHeader, by_path: bool) -> Result<Method, Unclean> {
    let came = head.method.as_str().as_bytes();
    let named = [only(head, &ORIGINAL_METHOD)?, only(head, &FORWARDED_METHOD)?].map(|value| value.map(HeaderValue::as_bytes));
    let method = agreed([by_path.then_some(came), named[0], named[1]])?.ok_or(NO_METHOD)?;
    if head.method != Method::GET && came != method {
        return Err(CONTRADICTORY);
    }
    Method::from_bytes(method).map_err(|_| MALFORMED)
}

/// The host that the client asked for.
fn host(head: &RequestHeader, url: Option<&Absolute>, by_path: bool) -> Result<HeaderValue, Unclean> {
    let came = head.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let came = came.or_else(|| head.uri.authority().map(|authority| authority.as_str().as_bytes()));
    let forwarded = only(head, &FORWARDED_HOST)?.map(HeaderValue::as_bytes);
    let host = agreed([came.filter(|_| by_path), url.map(|url| url.authority.as_bytes()), forwarded])?.ok_or(NO_HOST)?;
    HeaderValue::from_bytes(host).map_err(|_| MALFORMED)
}

/// What all that say something say; `None`: nothing does.
fn agreed<const N: usize>(said: [Option<&[u8]>; N]) -> Result<Option<&[u8]>, Unclean> {
    let mut said = said.into_iter().flatten();
    let first = said.next();
    if said.all(|other| Some(other) == first) { Ok(first) } else { Err(CONTRADICTORY) }
}

/// The field's value; two lines are two opinions.
fn only<'a>(head: &'a RequestHeader, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Unclean> {
    let mut values = fields::values(&head.headers, name);
    let first = values.next();
    if values.next().is_some() { Err(CONTRADICTORY) } else { Ok(first) }
}

/// An address with scheme and host, as ingress-nginx names the request.
struct Absolute {
    scheme: String,
    authority: String,
    target: String,
}

fn absolute(value: &HeaderValue) -> Result<Absolute, Unclean> {
    let text = value.to_str().map_err(|_| MALFORMED)?;
    let uri: Uri = text.parse().map_err(|_| MALFORMED)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(MALFORMED) };
    // The rest as it was written: a parser may have changed it.
    let target = text.get(scheme.len() + "://".len() + authority.as_str().len()..).ok_or(MALFORMED)?;
    Ok(Absolute { scheme: scheme.to_owned(), authority: authority.as_str().to_owned(), target: target.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is meant by a request for `path` with these fields; `/auth` in it ends where the original target begins.
    fn meant(wire: &str, path: &str, sent: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let mut head = RequestHeader::build(wire, path.as_bytes(), None).unwrap();
        for (name, value) in sent {
            head.append_header(*name, *value).unwrap();
        }
        let suffix = path.contains("/auth/").then(|| path.find("/auth/").unwrap() + "/auth".len());
        turn(&mut head, suffix).map_err(|unclean| unclean.reason)?;
        let host = head.headers[header::HOST].to_str().unwrap();
        Ok(format!("{} {host} {}", head.method, String::from_utf8_lossy(head.raw_path())))
    }

    const ORIGIN: [(&str, &str); 4] = [
        ("host", "door:1"),
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "192.0.2.1"),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        [&ORIGIN, more].concat()
    }

    #[test]
    fn each_proxy_names_the_request_in_its_own_way() {
        let nginx = with(&[("x-original-uri", "/a?b"), ("x-original-method", "POST")]);
        assert_eq!(meant("GET", "/d/auth", &nginx).unwrap(), "POST app.example /a?b");
        let traefik = with(&[("x-forwarded-uri", "/a?b"), ("x-forwarded-method", "PUT")]);
        assert_eq!(meant("GET", "/d/auth", &traefik).unwrap(), "PUT app.example /a?b");
        assert_eq!(meant("PUT", "/d/auth", &traefik).unwrap(), "PUT app.example /a?b");
        let ingress =
            [("x-original-url", "https://app.example/a?b"), ("x-original-method", "GET"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(meant("GET", "/d/auth", &ingress).unwrap(), "GET app.example /a?b");
        let envoy = [("host", "app.example"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(meant("DELETE", "/d/auth/a?b", &envoy).unwrap(), "DELETE app.example /a?b");
    }

    #[test]
    fn p4_what_a_proxy_leaves_open_is_refused() {
        let complete = with(&[("x-forwarded-uri", "/a"), ("x-forwarded-method", "GET")]);
        for (left_out, reason) in [
            ("x-forwarded-uri", "original_address_missing"),
            ("x-forwarded-method", "original_method_missing"),
            ("x-forwarded-host", "original_host_missing"),
            ("x-forwarded-proto", "original_scheme_missing"),
            ("x-forwarded-for", "original_client_missing"),
        ] {
            let rest: Vec<_> = complete.iter().copied().filter(|(name, _)| *name != left_out).collect();
            assert_eq!((rest.len(), meant("GET", "/d/auth", &rest)), (complete.len() - 1, Err(reason)), "{left_out}");
        }
        assert_eq!(meant("GET", "/d/auth/a", &[("host", "app.example")]), Err("original_client_missing"));
        assert_eq!(meant("GET", "/d/auth", &[]), Err("original_address_missing"));
    }

    #[test]
    fn p4_what_is_said_in_two_ways_is_refused() {
        let complete = with(&[("x-forwarded-uri", "/a"), ("x-forwarded-method", "GET")]);
        for other in [
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-uri", "/a"),
            ("x-original-uri", "/public"),
            ("x-original-url", "https://app.example/public"),
            ("x-original-url", "https://other.example/a"),
            ("x-original-url", "http://app.example/a"),
            ("x-original-method", "POST"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-host", "other.example"),
            ("x-forwarded-proto", "https"),
        ] {
            let both = [&complete[..], &[other]].concat();
            assert_eq!(meant("GET", "/d/auth", &both), Err("original_request_contradictory"), "{other:?}");
        }
        assert_eq!(meant("POST", "/d/auth", &complete), Err("original_request_contradictory"));
        let envoy = [("host", "app.example"), ("x-forwarded-for", "192.0.2.1")];
        for other in [("x-forwarded-uri", "/public"), ("x-forwarded-host", "other.example"), ("x-original-method", "POST")] {
            let both = [&envoy[..], &[other]].concat();
            assert_eq!(meant("GET", "/d/auth/a", &both), Err("original_request_contradictory"), "{other:?}");
        }
    }

    #[test]
    fn p4_what_is_no_target_is_refused() {
        for target in ["", "a", "http://app.example/a", "*", "/a b", "/a#b", "//@", "?/a"] {
            let sent = with(&[("x-forwarded-method", "GET")]);
            let refused = meant("GET", "/d/auth", &[&sent[..], &[("x-forwarded-uri", target)]].concat());
            // An empty segment is `edge`'s to refuse.
            assert_eq!(refused.is_err(), target != "//@", "{target}");
        }
        for url in ["/a", "app.example/a", "https:///a", "https://app.example"] {
            let sent = with(&[("x-original-method", "GET"), ("x-original-url", url)]);
            assert!(meant("GET", "/d/auth", &sent).is_err(), "{url}");
        }
        for name in OVERRIDES {
            let sent = with(&[("x-forwarded-uri", "/a"), ("x-forwarded-method", "GET"), (name, "/b")]);
            assert_eq!(meant("GET", "/d/auth", &sent), Err("override_header"), "{name}");
        }
    }
}
