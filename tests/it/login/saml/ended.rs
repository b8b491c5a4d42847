//! Metadata that says until when it is good (SAML Metadata §2.3.2).
//!
//! Refuses to see it believed past its end, be it a file or an address; the door itself goes on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;

use super::house::{Own, SamlHouse, connection};
use crate::support::{Site, doorward, eventually, part};

fn document(certificate: &str, until: Timestamp) -> String {
    format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example" validUntil="{until}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/></IDPSSODescriptor></EntityDescriptor>"#
    )
}

/// A provider whose document is good for so many seconds from a second before it is asked for; a real one cannot be made to hand out
/// one that has ended.
fn provider(certificate: String, seconds: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let until =
                SystemClock.now().before(Duration::from_secs(1)).after(Duration::from_secs(seconds.load(Ordering::SeqCst)));
            let body = document(&certificate, until);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Who asks may be gone.
            drop(connection.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    address
}

#[test]
fn metadata_is_believed_until_it_ends_and_the_door_goes_on() {
    let (own, site, seconds) = (Own::new(), Site::new(), Arc::new(AtomicU64::new(5)));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("idp.xml");
    std::fs::write(&file, document(&own.base64(), SystemClock.now().before(Duration::from_secs(1)))).unwrap();
    let address = provider(own.base64(), Arc::clone(&seconds));
    let connections = connection("corp", &format!("metadata: {{ url: 'http://{address}/' }}"))
        + &connection("kept", &format!("metadata: {{ path: {} }}", file.display()));
    let house = SamlHouse::around(part("echo", &[]), &site, &connections, &own);
    let begin = |id: &str| house.person().ask(&house.url(&format!("/.doorward/sign-in/{id}")), &[]);

    let refused = begin("kept");
    assert_eq!(refused.status, 502, "{}", refused.text());
    assert!(refused.text().contains("the document was good until"), "{}", refused.text());
    let checked = doorward(&["check", "--json", "--config"]).arg(house.door.config()).output().unwrap();
    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((checked.status.code(), said["problems"].as_array().unwrap().len()), (Some(1), 1), "{said}");
    assert!(said["problems"][0]["message"].as_str().unwrap().contains("the document was good until"), "{said}");

    assert!(begin("corp").header("location").is_some(), "it is still good");
    seconds.store(0, Ordering::SeqCst);
    eventually("it ends, and what is there now has ended, too", || {
        let answer = begin("corp");
        (answer.status == 502 && answer.text().contains("the document was good until")).then_some(())
    });
    seconds.store(3600, Ordering::SeqCst);
    eventually("a newer one is taken", || begin("corp").header("location").is_some().then_some(()));
}
