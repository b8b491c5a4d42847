//! What every pod's door has in common.
//!
//! Refuses nothing; the configuration was reviewed when it was read.

use crate::config::inject::{Defaults, Inject, PullPolicy, SidecarKind};

/// Since when there are native sidecars.
const NATIVE: (u32, u32) = (1, 29);
/// Since when Services find their ports by name (kubernetes/kubernetes#128850).
const NAMED_PORTS: (u32, u32) = (1, 32);

/// Which doors are native sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    None,
    /// Those that no Service looks for by a name, which it would not find.
    ByNumber,
    All,
}

impl Native {
    /// What a cluster of this version can have.
    pub(super) fn of(version: (u32, u32)) -> Self {
        match version {
            version if version < NATIVE => Self::None,
            version if version < NAMED_PORTS => Self::ByNumber,
            _ => Self::All,
        }
    }
}

/// What a pod is judged by.
#[derive(Clone, Debug)]
pub struct Settings {
    pub image: String,
    pub pull_policy: Option<PullPolicy>,
    pub native: Native,
    pub defaults: Defaults,
}

impl Settings {
    #[must_use]
    pub fn new(inject: &Inject) -> Self {
        let Inject { image, image_pull_policy, defaults, .. } = inject;
        let native = if inject.sidecar == SidecarKind::Plain { Native::None } else { Native::All };
        Self { image: image.clone(), pull_policy: *image_pull_policy, native, defaults: defaults.clone() }
    }
}
