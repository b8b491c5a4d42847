//! What a listener does before there is a request: handshakes, who is at the other end, and how long it waits.

mod encryption;
mod origin;
mod redirect;
mod slow;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{Answer, Door, PATIENCE, Part, curl, part};

/// A door with these listeners before an echo.
struct Stage {
    door: Door,
    upstream: Part,
}

impl Stage {
    /// `listeners` as in the configuration; `more` are further lines of it.
    #[track_caller]
    fn set(listeners: &str, more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let upstream = part("echo", &[]);
        let configuration = format!(
            "\
version: 1
public_url: https://app.test
listeners: [{listeners}]
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
routes: [{{ path: /**, access: public }}]
{more}",
            upstream.port()
        );
        let door = Door::serve(&configuration, |folder| {
            fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
            prepare(folder);
        });
        Self { door, upstream }
    }

    /// A raw connection to the first listener.
    fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.door.listener(0)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp
    }

    /// curl to the first listener as `https://NAME/`, trusting every authority of [`Authority`].
    fn https(&self, name: &str, arguments: &[&str]) -> Answer {
        let (host, port) = self.door.listener(0).rsplit_once(':').unwrap();
        let connect = format!("{name}:443:{host}:{port}");
        let ca = self.door.folder().join("ca.pem");
        let url = format!("https://{name}/");
        let mut all = vec!["--cacert", ca.to_str().unwrap(), "--connect-to", &connect];
        all.extend(arguments);
        all.push(&url);
        curl(&all)
    }

    /// How many requests the application has seen.
    fn arrived(&self) -> usize {
        self.upstream.control("GET", "/requests").as_array().unwrap().len()
    }
}

/// A private authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own, lest what it issues look self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes `FILE.pem` and `FILE.key`, a certificate for these names.
    fn issue(&self, folder: &Path, file: &str, names: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
    }
}

/// All that comes until the other end closes; fails if it does not.
#[track_caller]
fn to_the_end(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("it was not closed after {}", bytes.escape_ascii())
        }
        // A reset is an end, too.
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Sends a request on a connection that stays open, and reads the answer, whose body is chunked, as the echo's are.
#[track_caller]
fn ask(stream: &mut (impl Read + Write), path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes()).unwrap();
    stream.flush().unwrap();
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.ends_with("\r\n0\r\n\r\n") {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    answer
}
