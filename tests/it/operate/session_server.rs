//! What an operator is told of the session server: at the start, while it is away, and from the command line.

use super::{configuration, metric, operations, secret};
use crate::support::valkey::{PASSWORD, ValkeyServer};
use crate::support::{Door, doorward, eventually, part};

fn with_sessions(upstream: u16, sessions: &str) -> String {
    let plain = configuration(upstream, "connections: [{ id: local, password: {} }]\n");
    let changed = plain.replace("doorward.db }", &format!("doorward.db, sessions: {sessions} }}"));
    assert_ne!(plain, changed);
    changed
}

#[test]
fn a_session_server_that_is_away_is_told_by_readiness_and_a_metric_until_it_is_back() {
    let mut server = ValkeyServer::start();
    let upstream = part("echo", &[]);
    let door = Door::serve(&with_sessions(upstream.port(), &format!("{{ url: {} }}", server.url())), secret);
    let blind = || metric(&door, "doorward_change_feed_blind_seconds");
    assert_eq!((operations(&door, "/readyz").status, blind()), (200, Some(0.0)));
    assert_eq!(metric(&door, "doorward_sessions_live"), Some(0.0));
    server.kill();
    let told = eventually("readiness says so", || {
        let ready = operations(&door, "/readyz");
        (ready.status == 503).then(|| ready.json())
    });
    assert_eq!(told["missing"][0]["what"], "change_feed", "{told}");
    eventually("so does the metric", || (blind() > Some(0.0)).then_some(()));
    server.begin();
    eventually("it is ready again", || (operations(&door, "/readyz").status == 200).then_some(()));
    assert_eq!(blind(), Some(0.0));
    let listed = door.command(&["session", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");
}

#[test]
fn what_the_session_server_may_forget_is_said_at_the_start() {
    let upstream = part("echo", &[]);
    for (arguments, told) in [
        (&["--appendonly", "yes", "--appendfsync", "always"][..], None),
        (&["--appendonly", "no"], Some("in memory only")),
        (
            &["--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
            Some("maxmemory-policy noeviction"),
        ),
    ] {
        let server = ValkeyServer::with(arguments);
        let door = Door::serve(&with_sessions(upstream.port(), &format!("{{ url: {} }}", server.url())), secret);
        assert_eq!(operations(&door, "/readyz").status, 200);
        match told {
            Some(told) => eventually(told, || door.process.said().contains(told).then_some(())),
            None => assert!(!door.process.said().contains("session server"), "{}", door.process.said()),
        }
    }
}

#[test]
fn a_session_server_that_does_not_let_us_in_is_said_and_nothing_is_served() {
    let server = ValkeyServer::encrypted();
    let folder = tempfile::TempDir::new().unwrap();
    secret(folder.path());
    let serve = |sessions: &str| {
        let file = folder.path().join("doorward.yaml");
        let text = with_sessions(1, sessions).replace("{folder}", folder.path().to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let output = doorward(&["serve", "--config"]).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let url = server.encrypted_url(PASSWORD);
    let url = url.replace(&format!(":{PASSWORD}@"), "");
    let (code, said) = serve(&format!("{{ url: '{url}', password: not-the-one, ca: {} }}", server.ca().display()));
    assert!(code == Some(1) && said.contains("refuses user or password") && !said.contains("not-the-one"), "{code:?} {said}");
    let (code, said) = serve(&format!("{{ url: '{url}', password: {PASSWORD} }}"));
    assert!(code == Some(1) && said.contains("certificate is not accepted") && !said.contains(PASSWORD), "{code:?} {said}");
}
