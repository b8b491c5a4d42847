//! Doorward's one outbound HTTP client.
//!
//! Refuses redirects, answers over 1 MiB or later than 5 s, plain HTTP off the loopback unless it is meant, and addresses of private networks in
//! URLs that a remote document named, because a front door that fetches what strangers name is a way into the network behind
//! it (threats H6, D8, L5, L6).

mod address;
pub mod client_auth;
mod recorded;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::{Host, Url};

use crate::config::is_loopback;
use crate::config::listener::Certificate;
use address::PublicOnly;
pub use address::leads_inside;
use address::{is_private, is_public};

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
    #[error("`{}` cannot be read as a client's certificate and key in PEM", .path.display())]
    Certificate {
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
    #[error("`{0}` is an address of this machine or of a private network, which it may not be")]
    Inside(String),
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
    /// For `home`'s own origin: reaches every address, unless it was said that it must not.
    trusted: reqwest::Client,
    /// Reaches public addresses only: for everything else.
    public: reqwest::Client,
    /// Whether other origins may be in a private network where `home` is in one.
    private_neighbours: bool,
}

/// How a party is reached.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'r> {
    /// A PEM file to trust instead of the system's authorities.
    pub authorities: Option<&'r Path>,
    /// What is shown to a party that asks for a client certificate.
    pub certificate: Option<&'r Certificate>,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    /// Whether it may be on this machine or in a private network. A name is judged by the addresses that are then connected to.
    pub private_addresses: bool,
    /// Whether it may be reached by plain HTTP though it is not this machine; nobody else may.
    pub plain_http: bool,
}

impl Default for Reach<'_> {
    fn default() -> Self {
        Self { authorities: None, certificate: None, timeout: TIMEOUT, private_addresses: true, plain_http: false }
    }
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
        Self::within(home, &Reach { authorities, ..Reach::default() })
    }

    /// The same, where more is said of how the party is reached.
    ///
    /// # Errors
    /// As [`Self::new`]; also when `home` is written as a private address that is not to be reached.
    pub fn within(home: &Url, reach: &Reach<'_>) -> Result<Self, HttpClientError> {
        check_scheme(home, reach.plain_http)?;
        if !reach.private_addresses && leads_inside(home) {
            return Err(HttpClientError::Inside(home.to_string()));
        }
        let tls = tls(reach.authorities, reach.certificate)?;
        let public = client(tls.clone(), reach.timeout, Some(PublicOnly))?;
        let trusted = if reach.private_addresses { client(tls, reach.timeout, None)? } else { public.clone() };
        Ok(Self { home: home.clone(), trusted, public, private_neighbours: reach.private_addresses })
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
        let mut request = reqwest::Request::try_from(request).map_err(no_answer)?;
        let span = recorded::begin(&mut request);
        let answered = exchange(client, request).await.map_err(|failed| match failed {
            Failed::TooLarge => HttpClientError::TooLarge,
            Failed::NoAnswer(source) => no_answer(source),
        });
        recorded::end(span, &answered);
        answered
    }

    /// Sends a GET that asks for JSON; see [`Self::send`].
    pub async fn get(&self, url: &Url) -> Result<Response<Vec<u8>>, HttpClientError> {
        let request = Request::get(url.as_str()).header(http::header::ACCEPT, "application/json").body(Vec::new());
        self.send(request.map_err(|_| HttpClientError::NotAUrl(url.to_string()))?).await
    }

    /// What `home`'s own origin is trusted with, other places are not: they must be https and public, unless `home` itself is in
    /// a private network and so are its neighbours.
    async fn client_for(&self, url: &Url) -> Result<&reqwest::Client, HttpClientError> {
        // Its scheme was judged when the client was made.
        if url.origin() == self.home.origin() {
            return Ok(&self.trusted);
        }
        check_scheme(url, false)?;
        if self.private_neighbours && is_private(&self.home).await {
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

/// Why there is no whole answer.
enum Failed {
    TooLarge,
    NoAnswer(reqwest::Error),
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self::NoAnswer(error)
    }
}

/// The whole answer.
async fn exchange(client: &reqwest::Client, request: reqwest::Request) -> Result<Response<Vec<u8>>, Failed> {
    let mut answer = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(Failed::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// Whether an address is https, or http that does not leave this machine: what secrets and browsers may be sent to.
#[must_use]
pub fn is_trustworthy(url: &Url) -> bool {
    check_scheme(url, false).is_ok()
}

/// https, or http that does not leave this machine or is meant to.
fn check_scheme(url: &Url, plain_http: bool) -> Result<(), HttpClientError> {
    match url.scheme() {
        _ if url.host().is_none() => Err(HttpClientError::NotAUrl(url.to_string())),
        "https" => Ok(()),
        "http" if plain_http || is_loopback(url) => Ok(()),
        "http" => Err(HttpClientError::NotHttps(url.to_string())),
        _ => Err(HttpClientError::NotAUrl(url.to_string())),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where outbound clients come from")]
fn client(
    tls: rustls::ClientConfig,
    timeout: Duration,
    resolver: Option<PublicOnly>,
) -> Result<reqwest::Client, HttpClientError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .pool_max_idle_per_host(2)
        .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")));
    if let Some(resolver) = resolver {
        builder = builder.dns_resolver(Arc::new(resolver));
    }
    builder.build().map_err(|source| HttpClientError::NoAnswer { host: String::new(), source })
}

/// How TLS is spoken with others: with the authorities in a PEM file instead of the system's, and with a client's certificate for those that ask.
///
/// # Errors
/// When the files cannot be read, or do not fit.
pub fn tls(authorities: Option<&Path>, certificate: Option<&Certificate>) -> Result<rustls::ClientConfig, HttpClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authorities {
        None => builder.with_platform_verifier()?,
        Some(path) => builder.with_root_certificates(roots(path)?),
    };
    let Some(Certificate { cert, key }) = certificate else { return Ok(builder.with_no_client_auth()) };
    let unreadable = |path: &Path, source| HttpClientError::Certificate { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(|source| unreadable(cert, source))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable(key, source))?;
    Ok(builder.with_client_auth_cert(chain, private)?)
}

fn roots(path: &Path) -> Result<rustls::RootCertStore, HttpClientError> {
    let unreadable = |source| HttpClientError::Authorities { path: path.to_owned(), source };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.is_empty() {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(roots)
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
    fn plain_http_is_only_for_this_machine() {
        for good in
            ["https://issuer.example", "http://127.0.0.1:8080/x", "http://localhost", "http://[::1]:1/", "http://a.localhost"]
        {
            assert!(is_trustworthy(&url(good)), "{good}");
        }
        for bad in
            ["http://issuer.example", "http://10.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "http://localhost.example"]
        {
            assert!(!is_trustworthy(&url(bad)), "{bad}");
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
    async fn plain_http_that_is_allowed_is_for_the_one_place_that_was_meant() {
        let (here, asked) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        // Another name of this machine, which is not known to be one.
        let home = url(&format!("http://0.0.0.0:{}/", here.port().unwrap()));
        assert!(matches!(HttpClient::new(&home, None), Err(HttpClientError::NotHttps(_))));
        let client = HttpClient::within(&home, &Reach { plain_http: true, ..Reach::default() }).unwrap();
        assert_eq!(client.get(&home).await.unwrap().status(), 204);
        assert_eq!(*asked.borrow(), 1);
        for other in ["http://93.184.216.34/", "http://0.0.0.0:1/", "http://issuer.example/"] {
            assert!(matches!(client.get(&url(other)).await, Err(HttpClientError::NotHttps(_))), "{other}");
        }
        let outside = Reach { plain_http: true, private_addresses: false, ..Reach::default() };
        assert!(matches!(HttpClient::within(&home, &outside), Err(HttpClientError::Inside(_))), "that is another question");
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
