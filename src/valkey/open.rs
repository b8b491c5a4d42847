//! What a server has to be before sessions are kept on it, and what it is told of that may surprise.
//!
//! Refuses a cluster and a replica: a script there would see a part of what it decides on, or could not write. What a server merely
//! does worse than it could is said in the log, because whoever runs it may have chosen so.

use std::collections::HashMap;
use std::sync::Arc;

use redis::{ErrorKind, ServerErrorKind, Value, cmd};

use super::line::{ConnectError, Line};
use super::writer::{is_kept, kept};
use super::{AddressError, PREFIX, Unavailable, read};

/// The oldest version with all that is used here.
const OLDEST: (u32, u32) = (6, 2);

/// Why sessions cannot be kept there, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`store.sessions` cannot be used")]
    Address(#[from] AddressError),
    #[error(
        "the session server cannot be reached: is it running, and do `store.sessions.url` and the network lead \
         to it? A server that speaks TLS only has an address that begins with `rediss://`"
    )]
    Unreachable(#[source] Arc<ConnectError>),
    #[error(
        "the session server's certificate is not accepted: `store.sessions.ca` names its authorities, and the host in \
         `store.sessions.url` has to be a name in it; or it does not speak TLS, then the address begins with `redis://`"
    )]
    Tls(#[source] Arc<ConnectError>),
    #[error("the session server refuses user or password: look at `store.sessions.url`, written `rediss://user:password@host`")]
    SignIn(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the session server is of version {0}: use Valkey, or Redis 6.2 or later")]
    Old(String),
    #[error("the session server is part of a cluster, which is not supported: use a single primary, with replicas if you like")]
    Cluster,
    #[error("this is a sentinel, which keeps nothing: name the primary that it watches in `store.sessions.url`")]
    Sentinel,
    #[error("the session server is a replica, which only follows: name its primary in `store.sessions.url`")]
    Replica,
    #[error("the session server does not allow what is needed: its user needs all commands on the keys `doorward:*`, and `INFO`")]
    Forbidden(#[source] redis::RedisError),
    #[error(
        "the session server does not write changes to its disk in time: set `appendfsync everysec` or `always`, and look at the disk; \
         or set `appendonly no` if sessions may be lost"
    )]
    NeverSynced,
    #[error("the session server does not do what is asked")]
    Unavailable(#[source] Unavailable),
}

impl From<Unavailable> for OpenError {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Unreachable(why) => match &*why {
                ConnectError::SignIn(_, source) if source.kind() == ErrorKind::AuthenticationFailed => {
                    Self::SignIn(Box::new(source.clone()))
                }
                ConnectError::Tls(..) => Self::Tls(why),
                _ => Self::Unreachable(why),
            },
            Unavailable::Failed(error) if error.code() == Some("NOAUTH") => Self::SignIn(Box::new(error)),
            Unavailable::Failed(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Forbidden(error),
            error => Self::Unavailable(error),
        }
    }
}

/// Looks at the server; says whether changes have to wait for its disk. `to_disk` is a connection that can wait so long.
pub(super) async fn examine(line: &Line, to_disk: &Line) -> Result<bool, OpenError> {
    let about = about(line).await?;
    let is = |key: &str, value: &str| about.get(key).is_some_and(|found| found == value);
    if is("redis_mode", "sentinel") || is("server_mode", "sentinel") {
        return Err(OpenError::Sentinel);
    }
    if is("cluster_enabled", "1") {
        return Err(OpenError::Cluster);
    }
    if is("role", "slave") {
        return Err(OpenError::Replica);
    }
    let version = about.get("redis_version").map_or("", String::as_str);
    if !is_new_enough(version) {
        return Err(OpenError::Old(version.to_owned()));
    }
    allowed(line).await?;
    let policy = about.get("maxmemory_policy").map_or("noeviction", String::as_str);
    if policy != "noeviction" && !is("maxmemory", "0") {
        tracing::warn!(
            policy,
            "the session server may forget sessions, and that a proof was used, when its memory is full: set `maxmemory-policy noeviction`"
        );
    }
    disk(to_disk, is("aof_enabled", "1")).await
}

async fn about(line: &Line) -> Result<HashMap<String, String>, OpenError> {
    let text: String = read(line.ask(cmd("INFO").arg("default")).await?)?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(OLDEST.0), Some(OLDEST.1))
}

/// Does a little of each kind that is needed, so that a user who may not is found now and not at the first sign-in.
async fn allowed(line: &Line) -> Result<(), OpenError> {
    let probe = format!("{PREFIX}probe");
    line.ask(cmd("SET").arg(&probe).arg(1).arg("PX").arg(1000)).await?;
    line.ask(cmd("DEL").arg(&probe)).await?;
    line.ask(cmd("EVAL").arg("return 1").arg(0)).await?;
    Ok(())
}

/// Whether changes have to wait for the server's disk, and can. One that could be waited for in vain is refused: nobody could sign in.
async fn disk(line: &Line, appends: bool) -> Result<bool, OpenError> {
    if !appends {
        tracing::warn!(
            "the session server keeps sessions in memory only: when it ends, people are signed out, and a session that was ended \
             shortly before may be back from an older snapshot; set `appendonly yes` and `appendfsync always`"
        );
        return Ok(false);
    }
    if syncs_always(line).await {
        return Ok(false);
    }
    // Known since Valkey 7.2 and Redis 7.2; waits for nothing, as nothing is asked for.
    let waits = line.ask(cmd("WAITAOF").arg(0).arg(0).arg(1)).await.is_ok();
    if waits {
        line.ask(cmd("SET").arg(format!("{PREFIX}probe")).arg(1).arg("PX").arg(1000)).await?;
        let written = line.ask(&kept()).await?;
        if !is_kept(written)? {
            return Err(OpenError::NeverSynced);
        }
    } else {
        tracing::warn!(
            "the session server may forget the last second of sign-ins and sign-outs in a crash: set `appendfsync always`, or run \
             version 7.2 or later, which can be waited for"
        );
    }
    Ok(waits)
}

/// Whether the server answers only what is on its disk already. It is not taken for granted where the server does not say.
async fn syncs_always(line: &Line) -> bool {
    let answer = line.ask(cmd("CONFIG").arg("GET").arg("appendfsync")).await;
    let known: Option<HashMap<String, String>> = answer.ok().and_then(|answer: Value| read(answer).ok());
    if known.is_none() {
        tracing::info!("the session server does not say how it syncs its disk (`CONFIG GET` is forbidden)");
    }
    known.is_some_and(|known| known.get("appendfsync").is_some_and(|policy| policy == "always"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, enough) in [
            ("6.0.16", false),
            ("6.2", true),
            ("6.10.0", true),
            ("7.0.15", true),
            ("10.0.0", true),
            ("5.0.7", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
