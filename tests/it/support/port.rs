//! Ports for doors and parts that must be known before whoever listens there has begun. Never one that the system may give to
//! somebody else in the meantime, because a port that was free a moment ago is often taken on a busy machine.

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;

/// Below what Linux (32768) and others (49152) give to those who ask for any port, and without those that browsers refuse.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// The UDP ports of the same numbers, held until this process ends: they keep other test processes away from what this one claimed,
/// and the system lets go of them however it ends.
static CLAIMED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A loopback port that is this process's alone, and on which nobody listens yet.
#[track_caller]
pub(crate) fn free_port() -> u16 {
    // Each process begins elsewhere, and goes on where it was, so that a port is not used again soon.
    let begin = std::process::id() % u32::from(COUNT);
    let mut claimed = CLAIMED.lock().unwrap();
    for step in 0..u32::from(COUNT) {
        let port = FIRST + u16::try_from((begin + step) % u32::from(COUNT)).unwrap();
        let Ok(claim) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            claimed.push(claim);
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
