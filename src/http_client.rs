//! Doorward's one outbound HTTP client.
//!
//! Refuses redirects, answers over 1 MiB or later than 5 s, plain HTTP off the loopback, and addresses of private networks in
//! URLs that a remote document named, because a front door that fetches what strangers name is a way into the network behind
//! it (threats H6, D8, L5, L6).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::{Host, Url};

use crate::config::is_loopback;

/// Longest wait for a whole answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// Why there is no client, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    #[error("`{}` cannot be read as PEM certificates", .path.display())]
    Authorities {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`{0}` is not an http or https URL with a host")]
    NotAUrl(String),
    #[error("`{0}` is neither https nor on this machine")]
    NotHttps(String),
    #[error("`{0}` is an address of a private network, named by a document from outside")]
    Private(String),
    #[error("no answer from `{host}`")]
    NoAnswer {
        host: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
}

/// A client for one party that the configuration names, such as an issuer, and for what that party's documents name.
#[derive(Clone)]
pub struct HttpClient {
    /// What the administrator typed.
    home: Url,
    /// Reaches every address: for `home`'s own origin.
    trusted: reqwest::Client,
    /// Reaches public addresses only: for everything else.
    public: reqwest::Client,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpClient({})", self.home.origin().ascii_serialization())
    }
}

impl HttpClient {
    /// A client for the party at `home`. `authorities`: a PEM file to trust instead of the system's authorities.
    ///
    /// # Errors
    /// When `home` is not https (or http on the loopback), or TLS cannot be set up.
    pub fn new(home: &Url, authorities: Option<&Path>) -> Result<Self, HttpClientError> {
        check_scheme(home)?;
        let tls = tls(authorities)?;
        Ok(Self { home: home.clone(), trusted: client(tls.clone(), None)?, public: client(tls, Some(PublicOnly))? })
    }

    /// Sends `request` and reads the whole answer, whatever its status. Usable as openidconnect's client:
    /// `|request| client.send(request)`.
    ///
    /// # Errors
    /// When the URL is not to be reached, there is no answer within 5 s, or it is larger than 1 MiB.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpClientError> {
        let uri = request.uri().to_string();
        let url = Url::parse(&uri).map_err(|_| HttpClientError::NotAUrl(uri))?;
        let client = self.client_for(&url).await?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let no_answer = |source| HttpClientError::NoAnswer { host: host.clone(), source };
        let request = reqwest::Request::try_from(request).map_err(no_answer)?;
        let mut answer = client.execute(request).await.map_err(no_answer)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(HttpClientError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Sends a GET that asks for JSON; see [`Self::send`].
    pub async fn get(&self, url: &Url) -> Result<Response<Vec<u8>>, HttpClientError> {
        let request = Request::get(url.as_str()).header(http::header::ACCEPT, "application/json").body(Vec::new());
        self.send(request.map_err(|_| HttpClientError::NotAUrl(url.to_string()))?).await
    }

    /// What `home`'s own origin is trusted with, other places are not: they must be https and public, unless `home` itself is in
    /// a private network and so are its neighbours.
    async fn client_for(&self, url: &Url) -> Result<&reqwest::Client, HttpClientError> {
        check_scheme(url)?;
        if url.origin() == self.home.origin() {
            return Ok(&self.trusted);
        }
        if is_private(&self.home).await {
            return Ok(&self.trusted);
        }
        // An address in the URL itself is never resolved, so the resolver would not see it.
        match url.host() {
            Some(Host::Domain(_)) => Ok(&self.public),
            Some(Host::Ipv4(address)) if is_public(address.into()) => Ok(&self.public),
            Some(Host::Ipv6(address)) if is_public(address.into()) => Ok(&self.public),
            _ => Err(HttpClientError::Private(url.to_string())),
        }
    }
}

/// Whether an address is https, or http that does not leave this machine: what secrets and browsers may be sent to.
#[must_use]
pub fn is_trustworthy(url: &Url) -> bool {
    check_scheme(url).is_ok()
}

/// Whether the address, as it is written, is of this machine or of a private network. A name is not looked up: what is behind it still has
/// to prove by its certificate that it is meant, because plain HTTP is spoken with this machine only.
#[must_use]
pub fn leads_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let last = name.rsplit('.').next().unwrap_or_default();
            // Outside of http(s) an address is kept as it was typed, and resolvers read `0x7f.1` as one, too (inet_aton(3)).
            let numeric = last.starts_with(|first: char| first.is_ascii_digit());
            match name.parse::<IpAddr>() {
                Ok(address) => !is_public(address),
                Err(_) => numeric || last.eq_ignore_ascii_case("localhost"),
            }
        }
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        None => false,
    }
}

/// https, or http that does not leave this machine.
fn check_scheme(url: &Url) -> Result<(), HttpClientError> {
    match url.scheme() {
        _ if url.host().is_none() => Err(HttpClientError::NotAUrl(url.to_string())),
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(HttpClientError::NotHttps(url.to_string())),
        _ => Err(HttpClientError::NotAUrl(url.to_string())),
    }
}

async fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let port = url.port_or_known_default().unwrap_or(443);
            tokio::net::lookup_host((name, port)).await.is_ok_and(|mut found| found.any(|found| !is_public(found.ip())))
        }
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        None => false,
    }
}

/// Whether the address is one of the open internet, by the special-purpose registries (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (b & 0xfe) == 18;
            let assignments = a == 192 && b == 0 && c == 0;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || shared
                || benchmark
                || assignments)
        }
        IpAddr::V6(v6) => {
            let [head, second, ..] = v6.segments();
            // 6to4, NAT64 and Teredo carry an IPv4 address inside, which would be judged by its wrapping only.
            let carries_v4 = head == 0x2002 || (head == 0x64 && second == 0xff9b) || (head == 0x2001 && second == 0);
            let documentation = head == 0x2001 && second == 0xdb8;
            // Global unicast is 2000::/3; everything else is local, reserved or multicast.
            (head & 0xe000) == 0x2000 && !carries_v4 && !documentation
        }
    }
}

/// Resolves to public addresses only; what it says is what is connected to, so a name cannot change in between.
struct PublicOnly;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no public address")]
struct NoPublicAddress(String);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoPublicAddress(name.as_str().to_owned()).into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where outbound clients come from")]
fn client(tls: rustls::ClientConfig, resolver: Option<PublicOnly>) -> Result<reqwest::Client, HttpClientError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(2)
        .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")));
    if let Some(resolver) = resolver {
        builder = builder.dns_resolver(Arc::new(resolver));
    }
    builder.build().map_err(|source| HttpClientError::NoAnswer { host: String::new(), source })
}

fn tls(authorities: Option<&Path>) -> Result<rustls::ClientConfig, HttpClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(path) = authorities else { return Ok(builder.with_platform_verifier()?.with_no_client_auth()) };
    let unreadable = |source| HttpClientError::Authorities { path: path.to_owned(), source };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.is_empty() {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// Answers every connection with `answer` and closes it; says how often it was asked.
    async fn server(answer: Vec<u8>) -> (Url, tokio::sync::watch::Receiver<u32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, seen) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.send_modify(|count| *count += 1);
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(&answer).await;
            }
        });
        (url(&format!("http://{address}/")), seen)
    }

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "172.32.0.1", "100.128.0.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn plain_http_is_only_for_this_machine() {
        for good in
            ["https://issuer.example", "http://127.0.0.1:8080/x", "http://localhost", "http://[::1]:1/", "http://a.localhost"]
        {
            assert!(check_scheme(&url(good)).is_ok(), "{good}");
        }
        for bad in
            ["http://issuer.example", "http://10.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "http://localhost.example"]
        {
            assert!(check_scheme(&url(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_inside_is_known_as_one_however_it_is_written() {
        for inside in [
            "http://127.0.0.1:8080/",
            "http://localhost/",
            "http://LOCALHOST./",
            "https://a.localhost/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://0x7f000001/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "smtp://127.0.0.1:25",
            "smtp://0x7f.1",
            "smtp://2130706433",
            "smtps://[fd00::1]",
        ] {
            assert!(leads_inside(&Url::parse(inside).unwrap()), "{inside}");
        }
        for outside in [
            "https://login.example.com/",
            "https://9.9.9.9/",
            "smtps://mail.example.com:465",
            "urn:example:a",
            "https://1a.example/",
        ] {
            assert!(!leads_inside(&Url::parse(outside).unwrap()), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_public_issuer_cannot_send_the_client_into_the_private_network() {
        let client = HttpClient::new(&url("https://93.184.216.34/"), None).unwrap();
        for inside in ["https://169.254.169.254/latest", "https://10.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/"] {
            let refused = client.get(&url(inside)).await;
            assert!(matches!(refused, Err(HttpClientError::Private(_))), "{inside}: {refused:?}");
        }
        let (loopback, asked) = server(Vec::new()).await;
        let by_name = url(&format!("https://localhost:{}/", loopback.port().unwrap()));
        assert!(matches!(client.get(&by_name).await, Err(HttpClientError::NoAnswer { .. })));
        assert_eq!(*asked.borrow(), 0, "the name was resolved to this machine and connected to");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let (other, asked) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        let (home, _) = server(format!("HTTP/1.1 302 Found\r\nlocation: {other}\r\ncontent-length: 0\r\n\r\n").into()).await;
        let answer = HttpClient::new(&home, None).unwrap().get(&home).await.unwrap();
        assert_eq!(answer.status(), 302);
        assert_eq!(*asked.borrow(), 0);
    }

    #[tokio::test]
    async fn an_answer_over_a_mebibyte_is_refused() {
        let mut large = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LARGEST_BODY + 1).into_bytes();
        large.resize(large.len() + LARGEST_BODY + 1, b'x');
        let (home, _) = server(large).await;
        let answer = HttpClient::new(&home, None).unwrap().get(&home).await;
        assert!(matches!(answer, Err(HttpClientError::TooLarge)), "{:?}", answer.map(|answer| answer.status()));
    }
}
