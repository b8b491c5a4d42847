//! In which tenant, and in which form: what most commands are told besides.
//!
//! Refuses nothing; a tenant that is not there has nothing to show.

use clap::Args;

use super::store::Store;
use crate::admin::{Acting, Administration};
use crate::model::TenantId;

#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    /// Whose it is.
    #[arg(long, default_value = "default")]
    pub(super) tenant: TenantId,
    /// JSON instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

impl Place {
    /// The operations of administrators, and who does them here.
    pub(super) fn administration(&self, store: &Store) -> (Administration, Acting) {
        store.administration(&self.tenant)
    }
}
