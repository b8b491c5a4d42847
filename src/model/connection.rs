//! A way to sign in that is kept in the store.
//!
//! Refuses to hold a secret in the open: the document is without them, and they are sealed.

use serde::Serialize;

use super::{ConnectionId, TenantId};
use crate::clock::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredConnection {
    pub id: ConnectionId,
    pub tenant: TenantId,
    /// What would be typed in the file, without its secrets.
    pub document: serde_json::Value,
    /// The secrets, sealed.
    #[serde(skip)]
    pub secrets: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// The version, too.
    pub updated_at: Timestamp,
}
