//! Raw clients, the door before a recorder, and what arrived there.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::h2::Http2;
use crate::support::{Door, PATIENCE, Part, part};

/// The name that all requests are for.
pub(crate) const HOST: &str = "app.test";

/// Writes what a listener with TLS needs, and the secret.
pub(crate) fn prepare(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned(), "*.app.test".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
}

/// A plain listener, one with TLS, all presets, a public and a guarded part; further lines as given.
pub(crate) fn configuration(upstream: u16, more: &str) -> String {
    format!(
        "\
version: 1
public_url: https://{HOST}
listeners:
  - {{ address: 127.0.0.1:0 }}
  - {{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: cert.pem, key: key.pem }}] }} }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
identity_headers: {{ presets: [doorward, oauth2-proxy, authelia, authentik, pomerium] }}
roles: {{ ranked: [admin, viewer] }}
routes:
  - {{ path: /admin/**, roles: [admin] }}
  - {{ path: /closed/**, access: deny }}
  - {{ path: /$data/**, access: deny }}
  - {{ path: /optional/**, access: optional }}
  - {{ path: /**, access: public }}
{more}"
    )
}

/// The door before a recorder of raw bytes.
pub(crate) struct Stage {
    pub(crate) door: Door,
    recorder: Part,
    tls: Arc<ClientConfig>,
}

/// How a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Plain,
    Tls,
}

/// What came back on an HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 where there was none.
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Whether the door ended the connection.
    pub(crate) closed: bool,
}

pub(crate) trait Duplex: std::io::Read + Write {}
impl<T: std::io::Read + Write> Duplex for T {}

impl Stage {
    pub(crate) fn set(more: &str) -> Self {
        Self::before(part("raw-recorder", &[]), more)
    }

    /// Before another counterpart, which records nothing.
    pub(crate) fn before(recorder: Part, more: &str) -> Self {
        let door = Door::serve(&configuration(recorder.port(), more), prepare);
        let tls = trusting(&door.folder().join("cert.pem"));
        Self { door, recorder, tls }
    }

    /// Forgets what arrived so far.
    pub(crate) fn forget(&self) {
        let url = format!("http://127.0.0.1:{}/connections", self.recorder.ready["control"]);
        crate::support::curl(&["-X", "DELETE", &url]);
    }

    /// All bytes that arrived at the application, one character for each.
    pub(crate) fn arrived(&self) -> String {
        self.connections().concat()
    }

    /// The same, for each connection.
    pub(crate) fn connections(&self) -> Vec<String> {
        let records = self.recorder.control("GET", "/connections");
        records.as_array().unwrap().iter().filter_map(|record| record["text"].as_str().map(str::to_owned)).collect()
    }

    /// How many requests for `path` an echo has read the head of.
    pub(crate) fn seen(&self, path: &str) -> usize {
        let requests = self.recorder.control("GET", "/requests");
        requests.as_array().unwrap().iter().filter(|request| request["url"] == path).count()
    }

    fn connect(&self, over: Over) -> Box<dyn Duplex> {
        let tcp = self.tcp(usize::from(over == Over::Tls));
        match over {
            Over::Plain => Box::new(tcp),
            Over::Tls => Box::new(self.encrypt(tcp, &[b"http/1.1"])),
        }
    }

    /// A connection of HTTP/2 within TLS, with these settings.
    pub(crate) fn http2(&self, settings: &[(u16, u32)]) -> Http2<StreamOwned<ClientConnection, TcpStream>> {
        self.http2_with_patience(settings, PATIENCE)
    }

    /// The same, which says after this long that nothing comes.
    pub(crate) fn http2_with_patience(
        &self,
        settings: &[(u16, u32)],
        patience: Duration,
    ) -> Http2<StreamOwned<ClientConnection, TcpStream>> {
        let tcp = self.tcp(1);
        tcp.set_read_timeout(Some(patience)).unwrap();
        // Where the door reads no more, as it may in a flood, there is no point in writing for long.
        tcp.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        Http2::open(self.encrypt(tcp, &[b"h2"]), settings)
    }

    fn tcp(&self, listener: usize) -> TcpStream {
        let tcp = TcpStream::connect(self.door.listener(listener)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    fn encrypt(&self, tcp: TcpStream, alpn: &[&[u8]]) -> StreamOwned<ClientConnection, TcpStream> {
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(HOST).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
    }

    /// Sends these bytes and reads one answer; then sees whether the connection ends.
    pub(crate) fn send(&self, over: Over, request: &[u8]) -> Reply {
        let mut stream = self.begin(over, request);
        self.go_on(&mut stream, b"")
    }

    /// Sends the beginning of a request.
    pub(crate) fn begin(&self, over: Over, beginning: &[u8]) -> Box<dyn Duplex> {
        let mut stream = self.connect(over);
        // The door may have hung up already, which the reading will show.
        let _ = stream.write_all(beginning).and_then(|()| stream.flush());
        stream
    }

    /// Sends the rest of it and reads one answer.
    pub(crate) fn go_on(&self, stream: &mut Box<dyn Duplex>, rest: &[u8]) -> Reply {
        let _ = stream.write_all(rest).and_then(|()| stream.flush());
        read(&mut **stream)
    }
}

fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Reads one answer; a refusal is read to the connection's end.
fn read(stream: &mut dyn Duplex) -> Reply {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    let mut closed = false;
    while !complete(&bytes) {
        match stream.read(&mut buffer) {
            Ok(0) => {
                closed = true;
                break;
            }
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => {
                closed = !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                break;
            }
        }
    }
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let status = text.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    Reply { status, text, closed }
}

/// Whether the answer is all there; a refusal for form never is, so that its connection is watched until it ends.
fn complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    let judged = ["200", "401", "403", "429"].iter().any(|status| head[8..].trim_start().starts_with(status));
    judged && length.is_some_and(|length| body.len() >= length)
}

/// One byte for each character.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}
