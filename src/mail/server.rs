//! A mail server, as the configuration names it: where it is, how it is spoken to, what it knows us by.
//!
//! Refuses an address whose letters could be read on the way: TLS from the first byte or a required STARTTLS (RFC 8314 §3.3), and
//! cleartext only to this machine.

use std::path::Path as FilePath;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use url::{Host, Url};

use super::MailError;
use super::line::Line;
use crate::config::{Mail, Path, Problems};

/// Submission over TLS (RFC 8314 §3.3).
const SMTPS: u16 = 465;
/// Submission (RFC 6409 §3.1).
const SUBMISSION: u16 = 587;

/// How the connection is protected.
#[derive(Clone)]
pub(super) enum Protection {
    Implicit(TlsParameters),
    StartTls(TlsParameters),
    /// To this machine only.
    Loopback,
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Implicit(_) => "Implicit",
            Self::StartTls(_) => "StartTls",
            Self::Loopback => "Loopback",
        })
    }
}

/// A mail server and who its letters come from.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) credentials: Option<Credentials>,
    pub(super) timeout: Duration,
    pub(super) from: Mailbox,
}

impl Server {
    /// `place`: where it stands in the configuration. `None` where a problem was added.
    pub fn compile(typed: &Mail, place: &Path, problems: &mut Problems) -> Option<Self> {
        let from = sender(typed, place, problems);
        let address = address(typed, place, problems);
        let tls = authorities(typed.ca.as_deref(), place, problems);
        if typed.username.is_some() != typed.password.is_some() {
            let hint = "give both, or neither";
            problems.add(place.clone(), "`username` and `password` belong together", hint);
        }
        if typed.timeout.0 == Duration::ZERO {
            problems.add(place.key("timeout"), "no time at all: nothing would ever succeed", "write a duration such as `20s`");
        }
        let (from, url, tls) = (from?, address?, tls?);
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut parameters = || tls(&host).map_err(|error| unusable(&error, place, problems)).ok();
        let (protection, port) = match url.scheme() {
            "smtps" => (Protection::Implicit(parameters()?), SMTPS),
            _ if requires_tls(&url) => (Protection::StartTls(parameters()?), SUBMISSION),
            _ => (Protection::Loopback, SUBMISSION),
        };
        let credentials = credentials(typed, &url);
        Some(Self { port: url.port().unwrap_or(port), host, protection, credentials, timeout: typed.timeout.0, from })
    }

    /// Connects, encrypts and signs in as for a letter, and says goodbye.
    ///
    /// # Errors
    /// [`MailError`]
    pub async fn greet(&self) -> Result<(), MailError> {
        let line = Line::open(self).await?;
        line.close(self.timeout).await;
        Ok(())
    }

    /// `mail.example.com:465`, for logs and metrics.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn unusable(error: &lettre::transport::smtp::Error, place: &Path, problems: &mut Problems) {
    problems.add(place.key("smtp"), format!("TLS cannot be set up: {error}"), "look at `ca` and the system's authorities");
}

fn sender(typed: &Mail, place: &Path, problems: &mut Problems) -> Option<Mailbox> {
    let parsed = typed.from.parse::<Mailbox>().ok().filter(|from| from.email.user().is_ascii() && from.email.domain().is_ascii());
    if parsed.is_none() {
        let message = format!("`{}` is not an e-mail address", typed.from.chars().take(80).collect::<String>());
        problems.add(place.key("from"), message, "write `door@example.com` or `Example <door@example.com>`");
    }
    parsed
}

/// The text itself is never shown: it may hold a password.
fn address(typed: &Mail, place: &Path, problems: &mut Problems) -> Option<Url> {
    const HINT: &str = "write `smtps://mail.example.com`, or `smtp://mail.example.com?tls=required`";
    let place = place.key("smtp");
    let Ok(url) = Url::parse(typed.smtp.expose()) else {
        problems.add(place, "this is not a URL", HINT);
        return None;
    };
    let options: Vec<_> = url.query_pairs().collect();
    let known = options.iter().all(|(name, value)| name == "tls" && value == "required");
    let problem = match url.scheme() {
        "smtps" | "smtp" if url.host_str().is_none_or(str::is_empty) => "the host is missing",
        "smtps" | "smtp" if !matches!(url.path(), "" | "/") || url.fragment().is_some() => "a path or fragment has no place here",
        "smtps" | "smtp" if !known => "the only option is `tls=required`",
        "smtp" if options.is_empty() && !is_loopback(&url) => "letters would travel unencrypted, and they hold a way in",
        "smtps" | "smtp" => return Some(url),
        _ => "this is not the address of a mail server",
    };
    problems.add(place, problem, HINT);
    None
}

fn requires_tls(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name == "tls")
}

/// `url` knows hosts of special schemes only: an address arrives as a name.
fn is_loopback(url: &Url) -> bool {
    match url.host_str().map(Host::parse) {
        Some(Ok(Host::Domain(name))) => name == "localhost" || name.ends_with(".localhost"),
        Some(Ok(Host::Ipv4(address))) => address.is_loopback(),
        Some(Ok(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

/// How to make TLS parameters for a host, once the authorities could be read.
fn authorities(
    file: Option<&FilePath>,
    place: &Path,
    problems: &mut Problems,
) -> Option<impl Fn(&str) -> Result<TlsParameters, lettre::transport::smtp::Error> + use<>> {
    let own = match file.map(|file| std::fs::read(file).map(|pem| Certificate::from_pem(&pem))) {
        None => None,
        Some(Ok(Ok(certificates))) => Some(certificates),
        Some(_) => {
            problems.add(place.key("ca"), "this cannot be read as PEM certificates", "name the mail server's authorities");
            return None;
        }
    };
    Some(move |host: &str| {
        let builder: TlsParametersBuilder = TlsParameters::builder(host.to_owned());
        match own.clone() {
            Some(own) => builder.certificate_store(CertificateStore::None).add_root_certificate(own).build(),
            None => builder.build(),
        }
    })
}

fn credentials(typed: &Mail, url: &Url) -> Option<Credentials> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (&typed.username, &typed.password, url.password()) {
        (Some(user), Some(password), _) => Some(Credentials::new(user.clone(), password.expose().to_owned())),
        (_, _, Some(password)) => Some(Credentials::new(decoded(url.username()), decoded(password))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;
    use crate::crypto::Secret;

    fn compile(from: &str, smtp: &str) -> (Option<Server>, String) {
        let typed = Mail {
            from: from.to_owned(),
            smtp: Secret::new(smtp.to_owned()),
            username: None,
            password: None,
            ca: None,
            timeout: Span::seconds(5),
        };
        let mut problems = Problems::default();
        let server = Server::compile(&typed, &Path::from("mail"), &mut problems);
        (server, format!("{problems:?}"))
    }

    #[test]
    fn a_server_is_spoken_to_over_tls_or_is_this_machine() {
        for (smtp, protection, port) in [
            ("smtps://mail.acme.example", "Implicit", 465),
            ("smtps://mail.acme.example:2465", "Implicit", 2465),
            ("smtp://mail.acme.example?tls=required", "StartTls", 587),
            ("smtp://localhost:1025?tls=required", "StartTls", 1025),
            ("smtp://127.0.0.1:1025", "Loopback", 1025),
            ("smtp://[::1]:1025", "Loopback", 1025),
            ("smtp://localhost", "Loopback", 587),
        ] {
            let (server, problems) = compile("door@acme.example", smtp);
            let server = server.unwrap_or_else(|| panic!("{smtp}: {problems}"));
            assert!(format!("{:?}", server.protection).starts_with(protection), "{smtp}");
            assert_eq!(server.port, port, "{smtp}");
        }
        for smtp in [
            "smtp://mail.acme.example",
            "smtp://10.0.0.1:25",
            "smtp://mail.acme.example?tls=opportunistic",
            "smtp://mail.acme.example?tls=required&tls=none",
            "smtps://mail.acme.example?tls=none",
            "smtp://localhost.evil.example",
            "http://mail.acme.example",
            "mail.acme.example:25",
            "smtps://",
            "smtps:///x",
            "smtps://mail.acme.example/path",
        ] {
            assert!(compile("door@acme.example", smtp).0.is_none(), "{smtp}");
        }
    }

    #[test]
    fn no_password_is_shown_by_a_server_or_its_problems() {
        let (server, _) = compile("door@acme.example", "smtps://door:hunter%202@mail.acme.example");
        assert!(!format!("{server:?}").contains("hunter"));
        let (none, problems) = compile("door@acme.example", "smtp://door:hunter2@mail.acme.example");
        assert!(none.is_none() && !problems.contains("hunter"), "{problems}");
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for from in ["door@acme.example", "Türe <door@acme.example>", "\"Door, front\" <door@acme.example>"] {
            assert!(compile(from, "smtps://mail.acme.example").0.is_some(), "{from}");
        }
        for from in ["door", "", "a@b@c", "door@acme.example\r\nBcc: x@y.example"] {
            assert!(compile(from, "smtps://mail.acme.example").0.is_none(), "{from}");
        }
    }
}
