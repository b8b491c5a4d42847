//! What every pod's door has in common.
//!
//! Refuses nothing; the configuration was reviewed when it was read.

use crate::config::inject::{Defaults, Inject, PullPolicy};

/// What a pod is judged by.
#[derive(Clone, Debug)]
pub struct Settings {
    pub image: String,
    pub pull_policy: Option<PullPolicy>,
    /// Whether doors are native sidecars.
    pub native: bool,
    pub defaults: Defaults,
}

impl Settings {
    #[must_use]
    pub fn new(inject: &Inject, native: bool) -> Self {
        let Inject { image, image_pull_policy, defaults, .. } = inject;
        Self { image: image.clone(), pull_policy: *image_pull_policy, native, defaults: defaults.clone() }
    }
}
