//! Which addresses are of the open internet, and which lead inside.
//!
//! Refuses to be fooled by how an address is written, because `0x7f.1` is this machine as well.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether the address, as it is written, is of this machine or of a private network. A name is not looked up: what is behind it still has
/// to prove by its certificate that it is meant, or is judged by the address that is connected to ([`PublicOnly`]).
#[must_use]
pub fn leads_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let last = name.rsplit('.').next().unwrap_or_default();
            // Outside of http(s) an address is kept as it was typed, and resolvers read `0x7f.1` as one, too (inet_aton(3)).
            let numeric = last.starts_with(|first: char| first.is_ascii_digit());
            match name.parse::<IpAddr>() {
                Ok(address) => !is_public(address),
                Err(_) => numeric || last.eq_ignore_ascii_case("localhost"),
            }
        }
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        None => false,
    }
}

pub(super) async fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let port = url.port_or_known_default().unwrap_or(443);
            tokio::net::lookup_host((name, port)).await.is_ok_and(|mut found| found.any(|found| !is_public(found.ip())))
        }
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        None => false,
    }
}

/// Whether the address is one of the open internet, by the special-purpose registries (RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (b & 0xfe) == 18;
            let assignments = a == 192 && b == 0 && c == 0;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || shared
                || benchmark
                || assignments)
        }
        IpAddr::V6(v6) => {
            let [head, second, ..] = v6.segments();
            // 6to4, NAT64 and Teredo carry an IPv4 address inside, which would be judged by its wrapping only.
            let carries_v4 = head == 0x2002 || (head == 0x64 && second == 0xff9b) || (head == 0x2001 && second == 0);
            let documentation = head == 0x2001 && second == 0xdb8;
            // Global unicast is 2000::/3; everything else is local, reserved or multicast.
            (head & 0xe000) == 0x2000 && !carries_v4 && !documentation
        }
    }
}

/// Resolves to public addresses only; what it says is what is connected to, so a name cannot change in between.
pub(super) struct PublicOnly;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no public address")]
struct NoPublicAddress(String);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoPublicAddress(name.as_str().to_owned()).into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "172.32.0.1", "100.128.0.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_inside_is_known_as_one_however_it_is_written() {
        for inside in [
            "http://127.0.0.1:8080/",
            "http://localhost/",
            "http://LOCALHOST./",
            "https://a.localhost/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://0x7f000001/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "smtp://127.0.0.1:25",
            "smtp://0x7f.1",
            "smtp://2130706433",
            "smtps://[fd00::1]",
        ] {
            assert!(leads_inside(&Url::parse(inside).unwrap()), "{inside}");
        }
        for outside in [
            "https://login.example.com/",
            "https://9.9.9.9/",
            "smtps://mail.example.com:465",
            "urn:example:a",
            "https://1a.example/",
        ] {
            assert!(!leads_inside(&Url::parse(outside).unwrap()), "{outside}");
        }
    }
}
