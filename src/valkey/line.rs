//! One connection, made when it is needed and made anew when it broke.
//!
//! Refuses to let callers queue before a server that is not there: while it cannot be reached, one of them tries and all others are
//! told at once. A connection that does not answer is not used again, because half of a broken network can look like patience.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::Unavailable;
use super::address::{Address, Place};

/// How long connecting may take, with TLS and sign-in.
const CONNECT: Duration = Duration::from_secs(1);
/// How long everybody is told that it cannot be reached, after it could not.
const REST: Duration = Duration::from_millis(100);
/// Commands that may wait to be sent.
const BACKLOG: usize = 1000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no connection to {0}")]
    Network(String, #[source] std::io::Error),
    #[error("no encrypted connection to {0}")]
    Tls(String, #[source] std::io::Error),
    #[error("{0} does not let us in")]
    SignIn(String, #[source] RedisError),
    #[error("no connection to {0} within {seconds} s", seconds = CONNECT.as_secs())]
    Late(String),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection and whoever reads and writes it. It ends when the server closes it.
#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    driver: Arc<AbortOnDropHandle<()>>,
}

/// A connection that comes back.
pub(crate) struct Line {
    address: Arc<Address>,
    /// How long the server may take to answer.
    patience: Duration,
    state: Mutex<State>,
}

enum State {
    Closed,
    Open(Open),
    Failed(Arc<ConnectError>, Instant),
}

impl Line {
    pub(super) fn new(address: Arc<Address>, patience: Duration) -> Self {
        Self { address, patience, state: Mutex::new(State::Closed) }
    }

    /// The answer to one command.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Unavailable> {
        let mut open = self.open().await?;
        let answer = open.connection.send_packed_command(command).await.and_then(Value::extract_error);
        self.judge(&open, answer).await
    }

    /// The answers to several commands, each of which may be an error of the server.
    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        let mut open = self.open().await?;
        let answers = open.connection.send_packed_commands(commands, 0, commands.len()).await;
        self.judge(&open, answers).await
    }

    async fn open(&self) -> Result<Open, Unavailable> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(open) if !open.driver.is_finished() => return Ok(open.clone()),
            State::Failed(error, at) if at.elapsed() < REST => return Err(Unavailable::Unreachable(Arc::clone(error))),
            _ => {}
        }
        match connect(&self.address, self.patience).await {
            Ok(open) => {
                *state = State::Open(open.clone());
                Ok(open)
            }
            Err(error) => {
                let error = Arc::new(error);
                *state = State::Failed(Arc::clone(&error), Instant::now());
                Err(Unavailable::Unreachable(error))
            }
        }
    }

    /// Takes leave of a connection that failed, was silent, or leads to a server that is not the primary any more.
    async fn judge<T>(&self, used: &Open, answer: RedisResult<T>) -> Result<T, Unavailable> {
        let demoted = |error: &RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if answer.as_ref().is_err_and(|error| error.is_io_error() || error.is_unrecoverable_error() || demoted(error)) {
            let mut state = self.state.lock().await;
            if matches!(&*state, State::Open(open) if Arc::ptr_eq(&open.driver, &used.driver)) {
                *state = State::Closed;
            }
        }
        answer.map_err(|error| if error.is_timeout() { Unavailable::Late } else { error.into() })
    }
}

async fn connect(address: &Address, patience: Duration) -> Result<Open, ConnectError> {
    let late = |_| ConnectError::Late(address.to_string());
    tokio::time::timeout(CONNECT, sign_in(address, patience)).await.map_err(late)?
}

async fn sign_in(address: &Address, patience: Duration) -> Result<Open, ConnectError> {
    let stream = stream(address).await?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(patience)).set_pipeline_buffer_size(BACKLOG);
    let (connection, driver) = MultiplexedConnection::new_with_config(&address.login, stream, config)
        .await
        .map_err(|source| ConnectError::SignIn(address.to_string(), source))?;
    Ok(Open { connection, driver: Arc::new(AbortOnDropHandle::new(tokio::spawn(driver))) })
}

async fn stream(address: &Address) -> Result<Box<dyn Stream>, ConnectError> {
    let network = |source| ConnectError::Network(address.to_string(), source);
    let (host, port, tls) = match &address.place {
        Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await.map_err(network)?)),
        Place::Tcp { host, port, tls } => (host, port, tls),
    };
    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(network)?;
    stream.set_nodelay(true).map_err(network)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let encrypted = connector.connect(tls.name.clone(), stream).await;
    Ok(Box::new(encrypted.map_err(|source| ConnectError::Tls(address.to_string(), source))?))
}
