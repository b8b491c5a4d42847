//! A webhook that a name leads inside.

use std::net::{IpAddr, TcpListener, ToSocketAddrs as _};

use super::{House, SECRET, event};
use crate::support::free_port;

/// A name that says nothing of where it leads, and leads to this machine: its own, or those that distributions give to the loopback.
fn name() -> (String, IpAddr) {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let names = [own.trim(), "ip6-localhost", "ip6-loopback"];
    let leads = |name: &str| (name, 0).to_socket_addrs().ok()?.find(|found| found.ip().is_loopback()).map(|found| found.ip());
    let found = names
        .into_iter()
        .filter(|name| !name.is_empty() && *name != "localhost")
        .find_map(|name| Some((name.to_owned(), leads(name)?)));
    found.unwrap_or_else(|| panic!("none of {names:?} leads to the loopback (/etc/hosts)"))
}

#[test]
fn a_name_that_leads_inside_is_not_connected_to_unless_that_is_allowed() {
    let (name, address) = name();
    let listener = TcpListener::bind((address, free_port())).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let hook = |id: &str, more: &str| {
        format!(
            "    - id: {id}
      webhook: {{ url: 'https://{name}:{port}/', secret: '{SECRET}'{more} }}
      from: beginning
      timeout: 2s
"
        )
    };
    let house = House::new(&hook("closed", ""), |_| {});
    house.record(vec![event("one")]);
    let failing = house.standing("closed", |standing| standing["state"] == "failing");
    assert!(failing["error"].as_str().unwrap().contains("no public address"), "{failing}");
    assert!(listener.accept().is_err(), "it was connected to");

    let house = House::new(&hook("open", ", private_addresses: true"), |_| {});
    house.record(vec![event("one")]);
    let failing = house.standing("open", |standing| standing["state"] == "failing");
    assert!(!failing["error"].as_str().unwrap().contains("no public address"), "{failing}");
    assert!(listener.accept().is_ok(), "where it is allowed, it is connected to");
}
