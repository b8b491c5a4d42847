//! A receiver by TLS whose certificate is wrong, and one that wants to know who comes.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;

use super::{House, SECRET, Seen, event, siem};
use crate::support::free_port;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Files `NAME.crt` and `NAME.key` for `localhost`, good until that year.
    fn issue(&self, folder: &Path, name: &str, until: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        fs::write(folder.join(format!("{name}.crt")), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn events_wait_while_the_receivers_certificate_is_wrong_and_come_when_it_is_right() {
    let (port, files) = (free_port(), tempfile::tempdir().unwrap());
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    ours.issue(files.path(), "good", 2090);
    ours.issue(files.path(), "expired", 2021);
    ours.issue(files.path(), "door", 2090);
    other.issue(files.path(), "other", 2090);
    fs::write(files.path().join("ca.crt"), &ours.pem).unwrap();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let sinks = format!(
        "    - id: hook
      webhook: {{ url: 'https://localhost:{port}/', secret: '{SECRET}', private_addresses: true }}
      ca: {}
      client_certificate: {{ cert: {}, key: {} }}
      format: doorward
      from: beginning
",
        file("ca.crt"),
        file("door.crt"),
        file("door.key")
    );
    let speaking = |name: &str| {
        let (cert, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
        siem(port, &["--cert", &cert, "--key", &key, "--client-ca", &file("ca.crt")])
    };
    let receiver = speaking("expired");
    let house = House::new(&sinks, |_| {});
    house.record(vec![event("one"), event("two")]);
    let why = |needle: &str| {
        let failing = house.standing("hook", |standing| standing["error"].as_str().is_some_and(|why| why.contains(needle)));
        assert_eq!(failing["state"], "failing");
    };
    why("xpired");
    drop(receiver);
    let receiver = speaking("other");
    why("UnknownIssuer");
    drop(receiver);
    let receiver = speaking("good");
    house.record(vec![event("three")]);
    house.delivered("hook");
    let mut seen = Seen::default();
    seen.add(&receiver);
    let newest = seen.0.last().unwrap().1;
    assert_eq!(seen.is_whole("here", newest, &[]), 0);
    let certificate = &receiver.control("GET", "/last")["certificate"];
    assert_eq!(certificate["subjectAltName"], json!([["DNS", "localhost"]]), "the door showed who it is");
}
