//! The injector's own certificate: made once for all replicas, trusted before it is served, renewed before it ends.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use super::fake::{ApiServer, SECRET, WEBHOOK};
use super::{Injector, SERVICE, patched, pod, review, wanted};
use crate::support::eventually;

const OWN: &str = "certificate: { self_managed: { secret: doorward-inject-tls, webhook: doorward-inject } }\n";

fn injector(server: &ApiServer, folder: &TempDir, name: &str) -> Injector {
    Injector::start(folder.path(), name, &format!("{OWN}{}", server.configuration(folder.path())))
}

/// What API servers trust now, as a file.
fn trusted(server: &ApiServer, folder: &TempDir) -> PathBuf {
    let file = folder.path().join("bundle.pem");
    fs::write(&file, server.bundle()).unwrap();
    file
}

/// A certificate for the Service as an injector makes it, good for so long.
fn made(left: Duration) -> [String; 3] {
    let now = Duration::from_millis(doorward::clock::Clock::now(&doorward::clock::SystemClock).millis().try_into().unwrap());
    let moment = |since: Duration| rcgen::date_time_ymd(1970, 1, 1) + since;
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Doorward injector before");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec![SERVICE.to_owned()]).unwrap();
    for one in [&mut authority, &mut server] {
        one.not_before = moment(now.checked_sub(Duration::from_secs(80 * 86400)).unwrap());
        one.not_after = moment(now + left);
    }
    let certificate = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
    [certificate.pem(), key.serialize_pem(), authority.self_signed(&authority_key).unwrap().pem()]
}

#[test]
fn replicas_that_begin_together_agree_on_one_certificate_that_api_servers_trust() {
    let (server, folder) = (ApiServer::start("33+"), TempDir::new().unwrap());
    let replicas: Vec<_> = (0..4).map(|number| injector(&server, &folder, &format!("{number}.yaml"))).collect();
    replicas.iter().for_each(Injector::wait_until_ready);
    let trusted = trusted(&server, &folder);
    for replica in &replicas {
        let before = pod(&wanted());
        let after = patched(&before, &replica.review(&trusted, &review(&before)));
        assert_eq!(after["spec"]["initContainers"][0]["restartPolicy"], "Always");
    }
    assert_eq!(server.bundle().trim(), server.secret("ca.crt").unwrap().trim(), "an authority that nobody needs is trusted");
    let webhook = server.webhook();
    assert_eq!(webhook["webhooks"][0]["failurePolicy"], "Fail", "what else the configuration says stays");
    let allowed = ["GET /version".to_owned(), format!("GET {SECRET}"), format!("PUT {SECRET}"), format!("GET {WEBHOOK}")];
    let more = [format!("PATCH {WEBHOOK}"), "POST /api/v1/namespaces/doors/secrets".to_owned()];
    let other: Vec<_> = server.asked().into_iter().filter(|asked| !allowed.contains(asked) && !more.contains(asked)).collect();
    assert!(other.is_empty(), "it asked for more than its own: {other:?}");
    assert!(!server.secret("tls.key").unwrap().is_empty());
    for replica in &replicas {
        let said = replica.process.said();
        assert!(!said.contains("PRIVATE") && !said.contains("token-of-the-injector"), "{said}");
    }
    let metrics = replicas[0].operations("/metrics").text();
    assert!(metrics.contains("doorward_inject_certificate_expiry_timestamp_seconds 1"), "{metrics}");
    println!("{} conflicts were settled", server.conflicts());
}

#[test]
fn a_certificate_that_ends_soon_is_renewed_and_the_former_authority_trusted_on() {
    let (server, folder) = (ApiServer::start("34"), TempDir::new().unwrap());
    let [certificate, key, authority] = made(Duration::from_secs(60 * 86400));
    server.put_secret(&certificate, &key, &authority);
    let replica = injector(&server, &folder, "inject.yaml");
    replica.wait_until_ready();
    assert_eq!(server.secret("tls.crt").unwrap(), certificate, "a good certificate was replaced");
    let first = trusted(&server, &folder);
    let [certificate, key, ending] = made(Duration::from_secs(3600));
    server.put_secret(&certificate, &key, &ending);
    replica.process.signal("HUP");
    eventually("another certificate is made", || (server.secret("tls.crt")? != certificate).then_some(()));
    let ca = server.secret("ca.crt").unwrap();
    eventually("the new authority is trusted", || server.bundle().contains(ca.trim()).then_some(()));
    assert!(server.bundle().contains(authority.trim()), "a replica that serves with the former would not be believed");
    assert_eq!(replica.call(&first, &["-d", "{}"]).status, 415, "the former certificate serves until API servers have heard");
    let new = folder.path().join("new.pem");
    fs::write(&new, ca).unwrap();
    eventually("the new certificate is served", || (replica.call(&new, &["-d", "{}"]).status == 415).then_some(()));
}

#[test]
fn a_secret_that_holds_nothing_or_junk_is_filled_and_keeps_its_kind() {
    for junk in ["", "junk"] {
        let (server, folder) = (ApiServer::start("33"), TempDir::new().unwrap());
        server.put_secret(junk, junk, junk);
        server.forbid_creation();
        let replica = injector(&server, &folder, "inject.yaml");
        replica.wait_until_ready();
        assert!(server.secret("tls.crt").unwrap().contains("BEGIN CERTIFICATE"));
        assert_eq!(replica.call(&trusted(&server, &folder), &["-d", "{}"]).status, 415);
    }
}

#[test]
fn without_a_certificate_it_is_alive_and_not_ready_and_says_why() {
    let (server, folder) = (ApiServer::start("33"), TempDir::new().unwrap());
    server.forbid_creation();
    let replica = injector(&server, &folder, "inject.yaml");
    let why = eventually("it says why", || {
        let answer = replica.operations("/readyz");
        assert_eq!(answer.status, 503);
        answer.json()["missing"][0]["detail"].as_str().map(str::to_owned)
    });
    assert!(why.contains("secrets is forbidden"), "{why}");
    assert_eq!(replica.operations("/livez").status, 200);
    assert!(server.bundle().is_empty(), "an authority was trusted without a certificate");
    assert_eq!(replica.call(&folder.path().join("token"), &["-d", "{}"]).status, 0);
}

#[test]
fn an_older_cluster_gets_plain_sidecars_unless_it_is_said_otherwise() {
    let door = |minor: &str, more: &str| {
        let (server, folder) = (ApiServer::start(minor), TempDir::new().unwrap());
        let configuration = format!("{OWN}{}{more}", server.configuration(folder.path()));
        let replica = Injector::start(folder.path(), "inject.yaml", &configuration);
        replica.wait_until_ready();
        let before = pod(&wanted());
        let after = patched(&before, &replica.review(&trusted(&server, &folder), &review(&before)));
        if after["spec"]["initContainers"][0]["name"] == "doorward" { "native" } else { "plain" }
    };
    assert_eq!(door("31", ""), "plain", "a Service would not find the door's named port");
    assert_eq!(door("32+", ""), "native");
    assert_eq!(door("31", "sidecar: native\n"), "native");
    assert_eq!(door("36", "sidecar: plain\n"), "plain");
    assert_eq!(json!(door("x", "")), "native");
}
