//! Who only takes places: connections that say nothing, from one address or from many.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Injector, SERVICE, furnished};
use crate::support::{Stopwatch, eventually};

/// All places at once, and the share of one address.
const PLACES: usize = 512;
const SHARE: usize = 128;

const CONFIGURATION: &str = "certificate: { cert: tls.crt, key: tls.key }\nshutdown: { delay: 0s, grace: 20s }\n";

/// Connections that are encrypted and then say nothing.
struct Crowd {
    runtime: Runtime,
    connector: TlsConnector,
    to: SocketAddr,
    held: Vec<TlsStream<TcpStream>>,
}

impl Crowd {
    fn before(injector: &Injector, authorities: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authorities).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        let to = injector.ready["listen"].as_str().unwrap().parse().unwrap();
        Self { runtime: Runtime::new().unwrap(), connector: Arc::new(config).into(), to, held: Vec::new() }
    }

    /// So many more of 127.0.0.`host`; some may be turned away.
    fn come(&mut self, host: u8, count: usize) {
        let come = async {
            let one = async || {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
                let stream = socket.connect(self.to).await.ok()?;
                self.connector.connect(ServerName::try_from(SERVICE).unwrap(), stream).await.ok()
            };
            futures::future::join_all((0..count).map(|_| one())).await
        };
        let come = self.runtime.block_on(come);
        self.held.extend(come.into_iter().flatten());
    }
}

#[test]
fn who_says_nothing_leaves_room_for_others_and_is_not_waited_for() {
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", CONFIGURATION);
    injector.wait_until_ready();
    let ca = folder.path().join("ca.pem");
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", injector.process.id())).unwrap().count();
    let before = descriptors();
    let mut crowd = Crowd::before(&injector, &ca);
    crowd.come(1, PLACES);
    assert!((1..=SHARE).contains(&crowd.held.len()), "{} of one address", crowd.held.len());
    let clock = Stopwatch::start();
    assert_eq!(injector.call(&ca, &["--interface", "127.0.0.2", "-d", "{}"]).status, 415, "an API server is answered");
    clock.within(Duration::from_secs(5));
    eventually("they are closed", || (descriptors() <= before + 5).then_some(()));
    assert_eq!(injector.call(&ca, &["-d", "{}"]).status, 415);
}

#[test]
fn the_signal_to_stop_is_heard_while_all_places_are_taken() {
    let folder = furnished();
    let mut injector = Injector::start(folder.path(), "inject.yaml", CONFIGURATION);
    injector.wait_until_ready();
    let mut crowd = Crowd::before(&injector, &folder.path().join("ca.pem"));
    for host in 1..=4 {
        crowd.come(host, SHARE);
    }
    assert_eq!(crowd.held.len(), PLACES);
    injector.process.signal("TERM");
    assert_eq!(injector.process.wait(), Some(0));
}
