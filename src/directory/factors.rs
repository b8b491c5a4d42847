//! Second factors of people: the trait that every store passes one suite for.
//!
//! Refuses the second use of one proof: a use moves a counter forward in the store, so that of all replicas that see the same code one
//! takes it.

use std::fmt;

use async_trait::async_trait;

use super::DirectoryError;
use crate::clock::Timestamp;
use crate::model::{Factor, FactorKind, UserId};

/// Factors that one person may have, recovery codes among them.
pub const MOST_FACTORS: usize = 40;

/// One use of a factor.
#[derive(Clone, Debug)]
pub struct FactorUse {
    /// Beyond the factor's own.
    pub counter: i64,
    /// What is kept from now on, where the use has changed it.
    pub secret: Option<Vec<u8>>,
    pub at: Timestamp,
}

/// Where second factors are kept. A write has been made durable when it returns.
#[async_trait]
pub trait Factors: fmt::Debug + Send + Sync {
    /// The person's, oldest first.
    async fn factors(&self, user: UserId) -> Result<Vec<Factor>, DirectoryError>;
    /// Adds all or none. [`DirectoryError::Missing`] where their person is not there, [`DirectoryError::Conflict`] where it would be
    /// more than [`MOST_FACTORS`].
    async fn add_factors(&self, factors: &[Factor]) -> Result<(), DirectoryError>;
    /// Puts `factors` in the place of all that the person has of `kind`, in one piece; refuses as [`Self::add_factors`] does.
    async fn replace_factors(&self, user: UserId, kind: FactorKind, factors: &[Factor]) -> Result<(), DirectoryError>;
    /// Says whether it was there, which of several callers one is told. Codes on paper are for a lost device: they go with the last one.
    async fn remove_factor(&self, user: UserId, id: &str) -> Result<bool, DirectoryError>;
    /// All of the person's, or all of a kind. Says how many.
    async fn remove_factors(&self, user: UserId, kind: Option<FactorKind>) -> Result<u64, DirectoryError>;
    /// Says whether the use is the first: the counter was behind it.
    async fn use_factor(&self, user: UserId, id: &str, used: &FactorUse) -> Result<bool, DirectoryError>;
}
