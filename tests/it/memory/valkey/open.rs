//! Which servers are taken, and what is said of those that are not.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use doorward::clock::SystemClock;
use doorward::session::{SessionStore as _, ValkeySessions};
use doorward::valkey::{Address, OpenError, Valkey};

use super::super::conformance::{Outcome, at, nobody, session};
use crate::support::free_port;
use crate::support::valkey::{PASSWORD, ValkeyServer};

async fn opened(url: &str, ca: Option<&Path>) -> Result<Valkey, OpenError> {
    Valkey::open(Address::new(url, ca)?).await
}

/// What is said of it; it must not be taken, and never say its password.
async fn refusal(url: &str, ca: Option<&Path>) -> String {
    let Err(error) = opened(url, ca).await else { panic!("{url} was taken") };
    let mut all = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        all.push_str(": ");
        all.push_str(&cause.to_string());
        source = cause.source();
    }
    assert!(!format!("{all}{error:?}").contains("secret-in-vain"), "{all} {error:?}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_kept_over_tls_behind_a_password() -> Outcome {
    let server = ValkeyServer::encrypted();
    let there = opened(&server.encrypted_url(PASSWORD), Some(&server.ca())).await?;
    let sessions = ValkeySessions::new(there, Arc::new(SystemClock));
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    assert_eq!(sessions.find(&kept.digest).await?.as_ref(), Some(&kept));
    assert!(sessions.end(&kept.handle, at(10)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_proves_nothing_or_is_told_nothing_is_refused_with_a_remedy() -> Outcome {
    let (server, stranger) = (ValkeyServer::encrypted(), ValkeyServer::encrypted());
    let ca = server.ca();
    let (server, other_ca) = (&server, stranger.ca());
    let by_address = server.encrypted_url(PASSWORD).replace("localhost", "127.0.0.1");
    let plain = format!("redis://:secret-in-vain@localhost:{}/0", server.port);
    let nowhere = format!("redis://:secret-in-vain@127.0.0.1:{}/0", free_port());
    let said = [
        refusal(&server.encrypted_url("secret-in-vain"), Some(&ca)).await,
        refusal(&server.encrypted_url("").replace(":@", ""), Some(&ca)).await,
        refusal(&server.encrypted_url(PASSWORD), Some(&other_ca)).await,
        refusal(&server.encrypted_url(PASSWORD), None).await,
        refusal(&by_address, Some(&ca)).await,
        refusal(&plain, None).await,
        refusal(&nowhere, None).await,
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    the session server refuses user or password: look at `store.sessions.url`, written `rediss://user:password@host`
    the session server refuses user or password: look at `store.sessions.url`, written `rediss://user:password@host`
    the session server's certificate is not accepted: `store.sessions.ca` names its authorities, and the host in `store.sessions.url` has to be a name in it; or it does not speak TLS, then the address begins with `redis://`
    the session server's certificate is not accepted: `store.sessions.ca` names its authorities, and the host in `store.sessions.url` has to be a name in it; or it does not speak TLS, then the address begins with `redis://`
    the session server's certificate is not accepted: `store.sessions.ca` names its authorities, and the host in `store.sessions.url` has to be a name in it; or it does not speak TLS, then the address begins with `redis://`
    the session server cannot be reached: is it running, and do `store.sessions.url` and the network lead to it? A server that speaks TLS only has an address that begins with `rediss://`
    the session server cannot be reached: is it running, and do `store.sessions.url` and the network lead to it? A server that speaks TLS only has an address that begins with `rediss://`
    ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_keep_sessions_is_refused_with_a_remedy() -> Outcome {
    let (cluster, primary) = (ValkeyServer::with(&["--cluster-enabled", "yes"]), ValkeyServer::start());
    let replica = ValkeyServer::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let said = [refusal(&cluster.url(), None).await, refusal(&replica.url(), None).await];
    insta::assert_snapshot!(said.join("\n"), @r"
    the session server is part of a cluster, which is not supported: use a single primary, with replicas if you like
    the session server is a replica, which only follows: name its primary in `store.sessions.url`
    ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_no_more_than_what_is_documented() -> Outcome {
    let server = ValkeyServer::start();
    server.say(&["ACL", "SETUSER", "door", "on", ">pw", "~doorward:*", "+@all", "-@admin", "-@dangerous", "+info"]);
    server.say(&["ACL", "SETUSER", "eve", "on", ">secret-in-vain", "~other:*", "+@all", "-@admin", "-@dangerous", "+info"]);
    let url = |login: &str| server.url().replace("127.0.0.1", &format!("{login}@127.0.0.1"));
    let sessions = ValkeySessions::new(opened(&url("door:pw"), None).await?, Arc::new(SystemClock));
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    assert_eq!(sessions.end_all(kept.user, at(10)).await?, 1);
    assert_eq!(sessions.purge(at(2000)).await?, 1);
    insta::assert_snapshot!(refusal(&url("eve:secret-in-vain"), None).await, @"the session server does not allow what is needed: its user needs all commands on the keys `doorward:*`, and `INFO`");
    Ok(())
}
