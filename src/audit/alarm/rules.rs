//! When there is an alarm.
//!
//! Refuses to turn off what is an alarm by itself, such as the use of a break-glass account: there is no rule for it here.

use std::time::Duration;

use crate::config::Config;

/// What sets off an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Failures within [`Self::window`], of one account or from one address; 0: never.
    pub repeated_failures: u32,
    /// People that one removes within [`Self::window`]; 0: never.
    pub mass_deprovisioning: u32,
    pub window: Duration,
    /// How long it is learnt from where a key or client is used before a new network is worth an alarm; `None`: never.
    pub learning: Option<Duration>,
}

impl Rules {
    #[must_use]
    pub const fn of(config: &Config) -> Self {
        let alarms = &config.audit.alarms;
        Self {
            repeated_failures: alarms.repeated_failures,
            mass_deprovisioning: alarms.mass_deprovisioning,
            window: alarms.window.0,
            learning: if alarms.new_networks { Some(alarms.learning.0) } else { None },
        }
    }

    /// Whether anything is counted.
    pub(super) const fn count(&self) -> bool {
        self.repeated_failures > 0 || self.mass_deprovisioning > 0
    }
}
