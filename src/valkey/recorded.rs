//! What the session server is asked for the sake of a request that is recorded, as spans (semantic conventions for Redis).
//!
//! Refuses keys and values: the command's name says what was asked.

use redis::{Arg, Cmd};

use super::Unavailable;
use crate::trace::{self, Open};

pub(super) fn begin(command: &Cmd) -> Option<Open> {
    trace::begin(|_| {
        let first = command.args_iter().next();
        let name = match first {
            Some(Arg::Simple(name)) => String::from_utf8_lossy(name).to_ascii_uppercase(),
            _ => "_OTHER".to_owned(),
        };
        (name.clone(), vec![("db.system.name", "redis".into()), ("db.operation.name", name.into())])
    })
}

pub(super) fn end<T>(span: Option<Open>, outcome: &Result<T, Unavailable>) {
    let Some(span) = span else { return };
    match outcome {
        Ok(_) => span.succeed(),
        Err(Unavailable::Failed(_)) => span.fail("server"),
        Err(Unavailable::Unreachable(_)) => span.fail("unreachable"),
        Err(Unavailable::Late) => span.fail("timeout"),
        Err(Unavailable::NotKept) => span.fail("not_kept"),
    }
}
