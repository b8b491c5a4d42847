//! What happened.
//!
//! Refuses to tell of another tenant.

use super::{Acting, Administration, Undone};
use crate::audit::{AuditFilter, Entry};

impl Administration {
    /// Events of the tenant that fit, newest first.
    pub async fn events(&self, acting: &Acting, filter: AuditFilter) -> Result<Vec<Entry>, Undone> {
        let own = AuditFilter { tenant: Some(acting.tenant.to_string()), ..filter };
        Ok(self.means.trail.list(&own).await?)
    }
}
