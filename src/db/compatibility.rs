//! Which versions may work with the same tables at once.
//!
//! Refuses to work with tables that a newer version has changed in more than additions: it would read or write them wrongly. What
//! merely adds is borne, so that replicas of two versions can serve during an upgrade, and the older one can start again.

use sqlx::migrate::Migrator;

/// The number of the last migration that those before it cannot live with; a migration that does more than add writes its own there.
pub(super) const OLDEST: &str = "SELECT oldest FROM compatibility";

/// How this version stands to the tables.
pub(super) enum Standing {
    Known,
    /// They were changed by a newer version in a way that this one does not know.
    Newer,
}

pub(super) fn standing(oldest: i64, known: &Migrator) -> Standing {
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    if oldest > newest { Standing::Newer } else { Standing::Known }
}
