//! A person's second factor, as the store keeps it.
//!
//! Refuses to hold an open secret: what proves the factor is sealed, or a digest.

use serde::{Deserialize, Serialize};

use super::UserId;
use crate::clock::Timestamp;

/// What the person shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// A key of a device (WebAuthn).
    Passkey,
    /// A code on paper, for one use.
    RecoveryCode,
}

impl FactorKind {
    pub const ALL: [Self; 3] = [Self::Totp, Self::Passkey, Self::RecoveryCode];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Factor {
    /// Public; opens nothing.
    pub id: String,
    pub user: UserId,
    pub kind: FactorKind,
    /// What the person calls it.
    pub name: String,
    /// Sealed for this factor of this person; of a recovery code the digest.
    #[serde(skip)]
    pub secret: Vec<u8>,
    /// The time step of the last code, or how often it was used. Only ever grows.
    #[serde(skip)]
    pub counter: i64,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}
