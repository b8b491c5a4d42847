//! Break-glass accounts: administrators who get in when nothing else works, in a sealed file beside the configuration.
//!
//! Refuses a file that was not sealed with the configuration's key, as a whole: an account that somebody else could add would be a back
//! door. Nobody is in it unless `doorward user break-glass` put them there (threats M10).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Builder;

use crate::clock::Timestamp;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::crypto::{Digest, Secret};
use crate::model::{EmailAddress, UserId};

/// The file's first line.
const FORMAT: &str = "doorward-break-glass-1";
/// A file larger than this is not one of ours.
const MOST_BYTES: u64 = 256 * 1024;

/// One account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassAccount {
    /// Another each time the account is made.
    pub id: String,
    pub address: EmailAddress,
    /// Argon2id, in PHC form.
    pub password_hash: String,
    pub totp_secret: Vec<u8>,
    pub roles: Vec<String>,
    /// Where it may be used from; empty: anywhere.
    pub networks: Vec<IpNet>,
    pub created_at: Timestamp,
}

/// Without its secrets.
impl fmt::Debug for BreakGlassAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BreakGlassAccount({}, {})", self.address, self.id)
    }
}

impl BreakGlassAccount {
    /// What its sessions are known by; no person of the directory has it.
    #[must_use]
    pub fn user(&self) -> UserId {
        let digest = Digest::of_parts(&[b"break-glass", self.id.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        UserId(Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Why the accounts cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BreakGlassError {
    #[error("`{}`: {source}", file.display())]
    File {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` was not sealed with this `secret_key`, or was changed since", .0.display())]
    Unsealable(PathBuf),
}

/// The file with the accounts.
#[derive(Debug)]
pub struct BreakGlassFile {
    path: PathBuf,
    /// The present key first, then those that still open what they sealed.
    sealers: Vec<Sealer>,
}

impl BreakGlassFile {
    /// The file at `path`, whether it is there or not.
    ///
    /// # Errors
    /// [`Unsealable`] where no key can be derived.
    pub fn new<'k>(path: &Path, keys: impl IntoIterator<Item = &'k Secret>) -> Result<Self, Unsealable> {
        let sealers: Result<_, _> = keys.into_iter().map(|key| Sealer::new(key.expose().as_bytes(), "break glass")).collect();
        Ok(Self { path: path.to_owned(), sealers: sealers? })
    }

    /// The file beside the one at `path` with the same name and this ending.
    #[must_use]
    pub fn beside(path: &Path, ending: &str) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    }

    /// Every account; none where there is no file.
    ///
    /// # Errors
    /// [`BreakGlassError`] where it cannot be read as a whole.
    pub fn read(&self) -> Result<Vec<BreakGlassAccount>, BreakGlassError> {
        let about = match std::fs::metadata(&self.path) {
            Ok(about) if about.len() > MOST_BYTES => return Err(BreakGlassError::Unsealable(self.path.clone())),
            Ok(_) => std::fs::read_to_string(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let text = about.map_err(|source| self.failed(source))?;
        let opened = text.strip_prefix(FORMAT).and_then(|sealed| {
            let sealed = STANDARD.decode(sealed.trim()).ok()?;
            let plain = self.sealers.iter().find_map(|sealer| sealer.open(&sealed, FORMAT.as_bytes()).ok())?;
            serde_json::from_slice(&plain).ok()
        });
        opened.ok_or_else(|| BreakGlassError::Unsealable(self.path.clone()))
    }

    /// Puts the file with exactly these accounts in the place of the present one, at once and durably, readable by its owner only.
    ///
    /// # Errors
    /// [`BreakGlassError`] where it cannot be written; then the present one is as it was.
    pub fn write(&self, accounts: &[BreakGlassAccount]) -> Result<(), BreakGlassError> {
        let unsealable = || BreakGlassError::Unsealable(self.path.clone());
        let plain = serde_json::to_vec(accounts).map_err(|error| self.failed(error.into()))?;
        let sealer = self.sealers.first().ok_or_else(unsealable)?;
        let sealed = sealer.seal(&plain, FORMAT.as_bytes()).map_err(|_| unsealable())?;
        let text = format!("{FORMAT}\n{}\n", STANDARD.encode(sealed));
        replace(&self.path, &Self::beside(&self.path, ".new"), text.as_bytes()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> BreakGlassError {
        BreakGlassError::File { file: self.path.clone(), source }
    }
}

/// Writes `fresh`, and moves it to `path` when it is on the disk.
fn replace(path: &Path, fresh: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that an earlier try left behind may have other permissions.
    match std::fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn account(address: &str) -> BreakGlassAccount {
        BreakGlassAccount {
            id: "one".to_owned(),
            address: address.parse().unwrap(),
            password_hash: "$argon2id$hash".to_owned(),
            totp_secret: b"12345678901234567890".to_vec(),
            roles: vec!["admin".to_owned()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            created_at: Timestamp::from_seconds(1_800_000_000),
        }
    }

    fn file(folder: &Path, keys: &[&str]) -> BreakGlassFile {
        let keys: Vec<Secret> = keys.iter().map(|key| Secret::new((*key).to_owned())).collect();
        BreakGlassFile::new(&folder.join("break-glass"), &keys).unwrap()
    }

    #[test]
    fn accounts_come_back_as_they_were_written_and_only_their_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let own = file(folder.path(), &["a key"]);
        assert_eq!(own.read().unwrap(), []);
        own.write(&[account("ops@acme.example"), account("ada@acme.example")]).unwrap();
        assert_eq!(own.read().unwrap(), [account("ops@acme.example"), account("ada@acme.example")]);
        let kept = folder.path().join("break-glass");
        assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&kept).unwrap();
        assert!(!text.contains("ops@acme") && !text.contains("argon2id"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(file(folder.path(), &["a new key", "a key"]).read().unwrap().len(), 2, "the former key still opens it");
    }

    #[test]
    fn a_file_that_was_changed_or_sealed_by_somebody_else_is_refused_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let own = file(folder.path(), &["a key"]);
        file(folder.path(), &["another key"]).write(&[account("mallory@evil.example")]).unwrap();
        assert!(matches!(own.read(), Err(BreakGlassError::Unsealable(_))));
        own.write(&[account("ops@acme.example")]).unwrap();
        let kept = folder.path().join("break-glass");
        let whole = std::fs::read(&kept).unwrap();
        for place in [0, 10, FORMAT.len() + 5, whole.len() - 5] {
            let mut changed = whole.clone();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            std::fs::write(&kept, changed).unwrap();
            assert!(matches!(own.read(), Err(BreakGlassError::Unsealable(_))), "byte {place}");
        }
        for odd in [&b""[..], FORMAT.as_bytes(), &whole[..whole.len() / 2]] {
            std::fs::write(&kept, odd).unwrap();
            assert!(own.read().is_err());
        }
    }
}
