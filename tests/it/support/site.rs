//! Where a door will be, for those of its counterparts that have to know before it is there: its address, its name, its certificate.

use std::path::Path;

use rcgen::{CertifiedKey, KeyPair};

use super::free_port;

/// The name that a site goes by; curl and the browser resolve it to this machine.
pub(crate) const HOST: &str = "door.test";

pub(crate) struct Site {
    pub(crate) port: u16,
    made: CertifiedKey<KeyPair>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { port: free_port(), made: rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap() }
    }

    /// Without a slash in the end.
    pub(crate) fn origin(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// Its certificate, as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.made.cert.pem()
    }

    /// What the configuration of a door here begins with, before an application on this port; `roles` are lines of the roles. Further
    /// settings may follow.
    pub(crate) fn configuration(&self, upstream: u16, connections: &str, roles: &str) -> String {
        format!(
            "\
version: 1
public_url: {}
listeners:
  - {{ address: 127.0.0.1:{}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}] }} }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
connections:
{connections}
roles:
  ranked: [admin, editor, viewer]
  default: viewer
{roles}
identity_headers: {{ presets: [doorward] }}
",
            self.origin(),
            self.port
        )
    }

    /// Puts the files into the door's folder that the configuration names.
    pub(crate) fn furnish(&self, folder: &Path) {
        std::fs::write(folder.join("tls.crt"), self.certificate()).unwrap();
        std::fs::write(folder.join("tls.key"), self.made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    }
}
