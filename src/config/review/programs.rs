//! What is wrong with what programs get by themselves.
//!
//! Refuses what could not work where nothing is kept.

use std::time::Duration;

use crate::config::{Config, Path, Problems};

/// The longest that a person's own key may work.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86400);

/// The longest that a token of Doorward's own may work: it is there to be short.
const LONGEST_TOKEN: Duration = Duration::from_secs(3600);

pub(super) fn review(config: &Config, problems: &mut Problems) {
    own_keys(config, problems);
    let Some(endpoint) = &config.token_endpoint else { return };
    let at = Path::from("token_endpoint");
    if config.store.is_none() {
        problems.add(at.clone(), "there is nothing to keep clients in", "configure `store`");
    }
    if endpoint.lifetime.0 < Duration::from_secs(30) || endpoint.lifetime.0 > LONGEST_TOKEN {
        let hint = "write a duration such as `10m`; a client asks again";
        problems.add(at.key("lifetime"), "a token works for thirty seconds at least and an hour at most", hint);
    }
}

fn own_keys(config: &Config, problems: &mut Problems) {
    let Some(keys) = &config.own_keys else { return };
    let at = Path::from("own_keys");
    if config.store.is_none() {
        problems.add(at.clone(), "there is nothing to keep keys in", "configure `store`");
    }
    if config.connections.is_empty() {
        problems.add(at.clone(), "nobody can sign in to make a key", "configure `connections`");
    }
    if keys.longest.0 < Duration::from_secs(3600) || keys.longest.0 > LONGEST {
        problems.add(
            at.key("longest"),
            "a key works for an hour at least and ten years at most",
            "write a duration such as `365d`",
        );
    }
}
