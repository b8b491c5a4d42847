//! A line to the mail server: one connection, used for as long as letters come.
//!
//! Refuses to go on without TLS where TLS is required (a server that does not offer STARTTLS may be somebody in between,
//! RFC 3207 §6), and to repeat what a server said while it was given the password.

use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response::Code};

use super::server::Protection;
use super::{LetterError, Server};

/// Characters kept of a server's own words.
const WORDS: usize = 200;

/// Why a letter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the mail server did not answer in time")]
    Late,
    #[error("the mail server is not proved to be the right one: {0}")]
    Tls(String),
    #[error("the mail server offers no encryption")]
    NoStartTls,
    /// Its words are left out: some repeat what they were given.
    #[error("the mail server does not take our user name and password{}", code(*.0))]
    Credentials(Option<Code>),
    /// Not now (RFC 5321 §4.2.1: 4yz), as servers that greylist say.
    #[error("the mail server said not now: {0}")]
    NotNow(String),
    /// Never (5yz).
    #[error("the mail server refused: {0}")]
    Refused(String),
    #[error("the mail server's answer cannot be understood: {0}")]
    Protocol(String),
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// Too many letters wait already.
    #[error("too many letters are waiting")]
    Full,
}

impl MailError {
    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "mail_server_unreachable",
            Self::Late => "mail_server_slow",
            Self::Tls(_) => "mail_server_certificate",
            Self::NoStartTls => "mail_server_without_tls",
            Self::Credentials(_) => "mail_server_credentials",
            Self::NotNow(_) => "mail_not_now",
            Self::Refused(_) => "mail_refused",
            Self::Protocol(_) => "mail_server_answer",
            Self::Letter(_) => "mail_not_written",
            Self::Full => "mail_queue_full",
        }
    }

    /// Whether the same letter may be taken a little later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late | Self::Tls(_) | Self::NoStartTls | Self::NotNow(_) | Self::Protocol(_) => true,
            Self::Credentials(_) | Self::Refused(_) | Self::Letter(_) | Self::Full => false,
        }
    }

    /// Whether it tells of the server rather than of this one letter.
    #[must_use]
    pub const fn is_of_the_server(&self) -> bool {
        !matches!(self, Self::NotNow(_) | Self::Refused(_) | Self::Letter(_) | Self::Full)
    }
}

fn code(code: Option<Code>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

/// A connection that is ready to take letters.
pub(super) struct Line(AsyncSmtpConnection);

impl Line {
    /// Connects, encrypts and signs in.
    pub(super) async fn open(server: &Server) -> Result<Self, MailError> {
        within(server.timeout, connect(server)).await
    }

    /// Hands one letter over.
    pub(super) async fn send(&mut self, server: &Server, message: &Message) -> Result<(), MailError> {
        let bytes = message.formatted();
        let sent = self.0.send(message.envelope(), &bytes);
        within(server.timeout, async { sent.await.map(drop).map_err(|error| failure(&error)) }).await
    }

    /// Whether the server is still there.
    pub(super) async fn is_alive(&mut self, patience: Duration) -> bool {
        !self.0.has_broken() && tokio::time::timeout(patience, self.0.test_connected()).await.unwrap_or(false)
    }

    /// Says goodbye, if the server still listens.
    pub(super) async fn close(mut self, patience: Duration) {
        // A server that is gone needs no goodbye.
        let _ = tokio::time::timeout(patience, self.0.abort()).await;
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, MailError>>) -> Result<T, MailError> {
    tokio::time::timeout(patience, work).await.unwrap_or(Err(MailError::Late))
}

async fn connect(server: &Server) -> Result<Line, MailError> {
    let hello = ClientId::default();
    let tls = match &server.protection {
        Protection::Implicit(tls) => Some(tls.clone()),
        Protection::StartTls(_) | Protection::Loopback => None,
    };
    let address = (server.host.as_str(), server.port);
    let connected = AsyncSmtpConnection::connect_tokio1(address, Some(server.timeout), &hello, tls, None).await;
    let mut connection = connected.map_err(|error| failure(&error))?;
    if let Protection::StartTls(tls) = &server.protection {
        if !connection.can_starttls() {
            return Err(MailError::NoStartTls);
        }
        connection.starttls(tls.clone(), &hello).await.map_err(|error| failure(&error))?;
    }
    if let Some(credentials) = &server.credentials {
        let answer = connection.auth(DEFAULT_MECHANISMS, credentials).await;
        answer.map_err(|error| if error.is_transient() { failure(&error) } else { MailError::Credentials(error.status()) })?;
    }
    Ok(Line(connection))
}

fn failure(error: &Error) -> MailError {
    let words = words(error);
    match error {
        error if error.is_tls() || is_rustls(error) => MailError::Tls(words),
        error if error.is_timeout() => MailError::Late,
        error if error.is_transient() => MailError::NotNow(words),
        error if error.is_permanent() => MailError::Refused(words),
        error if error.is_response() || error.is_client() => MailError::Protocol(words),
        _ => MailError::Unreachable(words),
    }
}

/// A handshake that fails arrives as an I/O error with rustls's own inside.
fn is_rustls(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        let inside = deeper.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if deeper.is::<rustls::Error>() || inside.and_then(|inside| inside.downcast_ref::<rustls::Error>()).is_some() {
            return true;
        }
        source = deeper.source();
    }
    false
}

/// Everything that led to it, on one line.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        let more = deeper.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = deeper.source();
    }
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(WORDS).collect()
}
