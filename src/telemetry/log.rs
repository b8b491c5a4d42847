//! The program's own log: to standard error, text or JSON, as the configuration says.
//!
//! Refuses the engine's own chatter unless a filter names it, because its errors quote what they choked on, and that may be a secret.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogFormat, Logging};

/// The filter that `logging.level` means; `check` uses it to judge the setting.
///
/// # Errors
/// When it cannot be read as `level` or `target=level,…`.
pub fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::builder().parse(level)?;
    if !level.contains("pingora") {
        filter = filter.add_directive("pingora=off".parse()?);
        for part in ["pingora_core", "pingora_proxy", "pingora_pool", "pingora_http"] {
            filter = filter.add_directive(format!("{part}=off").parse()?);
        }
    }
    Ok(filter)
}

/// Begins to log as configured, for the whole process; a second call changes nothing. Records of the `log` facade, which the engine
/// uses, come through it too.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(logging: &Logging) -> Result<(), ParseError> {
    // No colours: what a client sent must not paint the reader's terminal (threats L1).
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(&logging.level)?).with_writer(std::io::stderr).with_ansi(false);
    // An error means that a log was begun already, which is then the one in force.
    let _ = match logging.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_quiet_unless_named() -> Result<(), ParseError> {
        assert!(filter("debug")?.to_string().contains("pingora_proxy=off"));
        assert!(!filter("info,pingora_proxy=debug")?.to_string().contains("off"));
        assert!(filter("loud=").is_err() || filter("a=b=c").is_err());
        Ok(())
    }
}
