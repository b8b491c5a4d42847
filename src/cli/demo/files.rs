//! What the demo puts into its folder: certificates, a secret, a configuration.
//!
//! Refuses to leave a secret readable for others: the folder is the user's alone.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The folder, and whether it goes when the demo ends.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    temporary: bool,
}

impl Folder {
    pub(super) fn open(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let temporary = named.is_none();
        let path = match named {
            Some(path) => std::path::absolute(path)?,
            None => std::env::temp_dir().join(format!("doorward-demo-{}", crate::crypto::random::alphanumeric(10)?)),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path, temporary })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.file(name);
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("doorward: {} could not be removed: {error}", self.path.display());
        }
    }
}

/// Makes an authority and a certificate for this machine's names, unless the folder has them already.
pub(super) fn certificates(folder: &Folder, listen: SocketAddr) -> anyhow::Result<()> {
    if folder.file("ca.pem").exists() {
        return Ok(());
    }
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Doorward demo authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority_certificate = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let own = listen.ip().to_string();
    if !listen.ip().is_unspecified() && !names.contains(&own) {
        names.push(own);
    }
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "Doorward demo");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    folder.write("tls.crt", &certificate.pem())?;
    folder.write("tls.key", &key.serialize_pem())?;
    folder.write("ca.pem", &authority_certificate.pem())?;
    Ok(())
}

/// Makes the secret key, unless the folder has one already.
pub(super) fn secret_key(folder: &Folder) -> anyhow::Result<()> {
    if !folder.file("secret").exists() {
        let secret = base64::engine::general_purpose::STANDARD.encode(crate::crypto::random::bytes::<32>()?);
        folder.write("secret", &secret)?;
    }
    Ok(())
}

/// What the demo's configuration says.
pub(super) struct Wanted<'a> {
    pub(super) listen: SocketAddr,
    pub(super) plain: Option<SocketAddr>,
    pub(super) operations: SocketAddr,
    pub(super) upstream: &'a str,
    pub(super) public_url: &'a str,
}

/// Writes `doorward.yaml`.
pub(super) fn configuration(folder: &Folder, wanted: &Wanted<'_>) -> anyhow::Result<PathBuf> {
    let path = |name: &str| yaml_text(&folder.file(name));
    let plain = wanted.plain.map(|address| format!("  - address: {address}\n")).unwrap_or_default();
    let Wanted { listen, operations, upstream, public_url, .. } = wanted;
    let upstream = serde_json::to_string(upstream)?;
    let text = format!(
        "\
# Written by `doorward demo`. It is a complete configuration: `doorward serve --config` takes it.
version: 1
public_url: {public_url}

listeners:
  - address: {listen}
    tls:
      certificates:
        - {{ cert: {cert}, key: {key} }}
{plain}
operations: {{ address: {operations} }}
upstream: {{ url: {upstream} }}
store: {{ url: {store} }}
secret_key: {{ file: {secret} }}

connections:
  - id: local
    display_name: Local account
    password: {{}}

sign_in: {{ title: Sample application }}

roles:
  ranked: [admin, editor, viewer]
  default: viewer

routes:
  - {{ path: /public/**, access: public }}
  - {{ path: /admin/**, roles: [admin] }}
  # Everything else needs a credential.

identity_headers:
  presets: [oauth2-proxy]
",
        cert = path("tls.crt"),
        key = path("tls.key"),
        secret = path("secret"),
        store = serde_json::to_string(&format!("sqlite:{}", folder.file("doorward.db").display()))?,
    );
    folder.write("doorward.yaml", &text)
}

/// A path as a YAML double-quoted text, which JSON's is too.
fn yaml_text(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}
