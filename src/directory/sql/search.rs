//! Looking for people.
//!
//! Refuses to take letters of a search for a pattern: what is typed is looked for as it is.

use super::super::{Page, UserFilter};
use super::user::{self, Stored};
use crate::db::{Readers, query};
use crate::model::{TenantId, User};

/// Those who fit, ordered by id.
pub(super) async fn find(
    readers: &Readers,
    tenant: &TenantId,
    filter: &UserFilter,
    page: &Page,
) -> Result<Vec<User>, sqlx::Error> {
    let found: Vec<Stored> = query(
        "SELECT * FROM users WHERE tenant = $1 AND id > $2 AND ($4 IS NULL OR active = $4) AND ($5 IS NULL \
         OR folded_name LIKE $5 ESCAPE '!' OR lower(coalesce(email, '')) LIKE $5 ESCAPE '!' \
         OR lower(coalesce(name, '')) LIKE $5 ESCAPE '!') ORDER BY id LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(page.after.as_deref().unwrap_or_default())
    .bind(page.limit)
    .bind(filter.active)
    .bind(filter.text.as_deref().map(pattern))
    .fetch_all(readers)
    .await?;
    user::with_groups(readers, found).await
}

/// `LIKE` for whatever holds the text.
pub(super) fn pattern(text: &str) -> String {
    let plain = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{plain}%")
}
