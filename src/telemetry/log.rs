//! The server's own log, on standard error.
//!
//! Refuses terminal escapes: ANSI colours are off, so that what a client sent cannot paint the reader's terminal (threats L1).

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogFormat, Logging};

/// Begins to log as configured; a second call in one process changes nothing.
pub fn start(logging: &Logging) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&logging.level)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    // An error means that a log was begun already, which is then the one in force.
    let _ = match logging.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}
