//! TLS: certificates, versions, protocols, client certificates, resumption.

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::{Authority, Stage, ask};
use crate::support::eventually;

/// A door with one encrypted listener, whose first certificate is for `app.test`; `more` goes into its `tls`.
fn encrypted(certificates: &str, more: &str) -> (Stage, Authority) {
    let authority = Authority::new();
    let listener =
        format!("{{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: app.pem, key: app.key }}{certificates}]{more} }} }}");
    let stage = Stage::set(&listener, "", |folder| {
        fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
        authority.issue(folder, "app", &["app.test"]);
        authority.issue(folder, "other", &["other.test"]);
        authority.issue(folder, "wild", &["*.wild.test"]);
        authority.issue(folder, "client", &["robot"]);
        Authority::new().issue(folder, "stranger", &["robot"]);
    });
    (stage, authority)
}

#[test]
fn the_certificate_is_chosen_by_the_server_name() {
    let (stage, _) = encrypted(", { cert: other.pem, key: other.key }, { cert: wild.pem, key: wild.key }", "");
    // curl checks that the certificate is for the name.
    for name in ["app.test", "other.test", "a.wild.test", "B.Wild.Test"] {
        let seen = stage.https(name, &[]);
        assert_eq!(seen.status, 200, "{name}: {}", seen.error);
    }
    for name in ["wild.test", "a.b.wild.test", "nobody.test"] {
        let seen = stage.https(name, &[]);
        assert_eq!(seen.status, 0, "{name}");
        assert!(seen.error.contains("(60)"), "{name}: {}", seen.error);
        // Without a certificate of that name the first is shown.
        assert_eq!(stage.https(name, &["--insecure"]).status, 200, "{name}");
    }
}

#[test]
fn tls_1_2_and_1_3_are_taken_and_the_minimum_holds() {
    let (both, _) = encrypted("", "");
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        assert_eq!(both.https("app.test", &version).status, 200, "{version:?}");
    }
    assert_eq!(both.https("app.test", &["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]).status, 0);
    let (strict, _) = encrypted("", ", min_version: '1.3'");
    assert_eq!(strict.https("app.test", &["--tlsv1.3"]).status, 200);
    let refused = strict.https("app.test", &["--tlsv1.2", "--tls-max", "1.2"]);
    assert_eq!(refused.status, 0, "{refused:?}");
    assert!(refused.error.contains("version"), "{}", refused.error);
}

#[test]
fn the_protocol_is_the_one_that_was_agreed() {
    let (stage, _) = encrypted("", "");
    for (offered, expected) in [("--http2", "2"), ("--http1.1", "1.1"), ("--no-alpn", "1.1")] {
        let seen = stage.https("app.test", &[offered, "--write-out", "\nspoken=%{http_version}"]);
        assert_eq!(seen.status, 200, "{offered}: {}", seen.error);
        assert!(seen.text().ends_with(&format!("\nspoken={expected}")), "{offered}: {}", seen.text());
    }
}

#[test]
fn a_replaced_certificate_is_taken_over_and_open_connections_stay() {
    let (stage, authority) = encrypted("", "");
    let folder = stage.door.folder();
    let client = client(&stage, &[&rustls::version::TLS13], None);
    let mut open = connect(&stage, &client).unwrap();
    assert!(ask(&mut open, "/before").starts_with("HTTP/1.1 200 "));
    let old = open.conn.peer_certificates().unwrap()[0].clone().into_owned();

    authority.issue(folder, "app", &["app.test"]);
    let new = CertificateDer::from_pem_file(folder.join("app.pem")).unwrap();
    assert_ne!(old, new);
    eventually("the new certificate is shown", || {
        let mut fresh = connect(&stage, &self::client(&stage, &[&rustls::version::TLS13], None)).ok()?;
        assert!(ask(&mut fresh, "/fresh").starts_with("HTTP/1.1 200 "));
        (fresh.conn.peer_certificates().unwrap()[0] == new).then_some(())
    });
    assert!(ask(&mut open, "/after").starts_with("HTTP/1.1 200 "), "the open connection goes on");
}

#[test]
fn a_client_certificate_must_be_of_the_authority_and_be_there_if_required() {
    let key = |stage: &Stage, name: &str| stage.door.folder().join(name).to_str().unwrap().to_owned();
    for (rule, without) in [("required", 0), ("optional", 200)] {
        let (stage, _) = encrypted("", &format!(", client_ca: ca.pem, client_certificate: {rule}"));
        assert_eq!(stage.https("app.test", &[]).status, without, "{rule}");
        for (who, expected) in [("client", 200), ("stranger", 0)] {
            let (cert, key) = (key(&stage, &format!("{who}.pem")), key(&stage, &format!("{who}.key")));
            let seen = stage.https("app.test", &["--cert", &cert, "--key", &key]);
            assert_eq!(seen.status, expected, "{rule}, {who}: {}", seen.error);
        }
        assert_eq!(stage.arrived(), 1 + usize::from(without == 200), "{rule}");
    }
}

#[test]
fn sessions_resume_unless_client_certificates_are_asked_for() {
    let versions: [&'static SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];
    for (asks, more) in [(false, ""), (true, ", client_ca: ca.pem")] {
        let (stage, _) = encrypted("", more);
        for version in versions {
            let client = client(&stage, &[version], asks.then_some("client"));
            let kinds: Vec<HandshakeKind> = (0..3)
                .map(|_| {
                    let mut stream = connect(&stage, &client).unwrap();
                    assert!(ask(&mut stream, "/").starts_with("HTTP/1.1 200 "));
                    stream.conn.handshake_kind().unwrap()
                })
                .collect();
            let expected = if asks { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(kinds, [HandshakeKind::Full, expected, expected], "{version:?}, asks: {asks}");
        }
    }
}

/// A client that remembers its sessions, with a certificate of its own if `certificate` names one.
fn client(stage: &Stage, versions: &[&'static SupportedProtocolVersion], certificate: Option<&str>) -> Arc<ClientConfig> {
    let folder = stage.door.folder();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

fn connect(stage: &Stage, client: &Arc<ClientConfig>) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("app.test").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut tcp = stage.tcp();
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}
