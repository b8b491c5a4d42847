//! When the use of a program was last noted, for the networks it is used from of late.
//!
//! Refuses to cost a request more than one load: a use is noted again after a second, and at once where it comes from another network, or
//! one request of a thief among a thousand others of the same second would go unseen.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;

/// Networks that are told apart at a time.
const PLACES: usize = 4;

/// A mark of the network in the upper half, and the second in the lower.
#[derive(Debug, Default)]
pub(super) struct Noted([AtomicU64; PLACES]);

impl Noted {
    /// Whether the use is to be noted; then it counts as noted.
    pub(super) fn is_due(&self, client: IpAddr, now: Timestamp) -> bool {
        let network = mark(client);
        let place = (network ^ (network >> 8) ^ (network >> 16)) as usize % PLACES;
        let noted = u64::from(network) << 32 | now.seconds().cast_unsigned() & u64::from(u32::MAX);
        let is_due = self.0[place].load(Ordering::Relaxed) != noted;
        if is_due {
            self.0[place].store(noted, Ordering::Relaxed);
        }
        is_due
    }
}

/// Stands for a network as [`crate::directory::networks::neighbourhood`] has it. Two may have the same, and then share a second.
fn mark(client: IpAddr) -> u32 {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_bits() >> 8,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            (u32::from(a) << 16 | u32::from(b)) ^ u32::from(c).wrapping_mul(0x9E37_79B1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_a_second_and_at_once_from_another_network() {
        let noted = Noted::default();
        let due =
            |client: &str, second: i64| noted.is_due(client.parse().unwrap(), Timestamp::from_seconds(1_800_000_000 + second));
        assert!(due("192.0.2.1", 0));
        assert!(!due("192.0.2.1", 0) && !due("192.0.2.200", 0) && !due("::ffff:192.0.2.9", 0));
        assert!(due("198.51.100.1", 0) && due("2001:db8::1", 0) && due("2001:db8:1::1", 0));
        assert!(!due("2001:db8:1:2::1", 0));
        assert!(due("192.0.2.1", 1) && !due("192.0.2.1", 1));
    }
}
