//! That a session's provider tokens are due, said by whoever sees the session used to whoever can ask the provider.
//!
//! Refuses to be waited for by a session that is known: the request is served meanwhile, because a person's click must not hang on a
//! provider's answer.

use std::fmt;

use futures::future::BoxFuture;

use crate::crypto::{Digest, Secret};

/// A session whose tokens are due. The cookie's value is the key to them.
pub struct Due {
    pub digest: Digest,
    pub value: Secret,
}

/// Asks providers for new tokens.
pub trait Refresher: fmt::Debug + Send + Sync {
    /// Begins in the background, whether or not the answer is waited for; that is there when it ended, however it did.
    fn begin(&self, due: Due) -> BoxFuture<'static, ()>;
}
