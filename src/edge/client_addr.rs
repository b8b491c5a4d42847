//! Who is at the other end, behind proxies that are trusted to say so.
//!
//! Refuses to believe anyone else, and refuses a trusted proxy's request whose account of the client is malformed or contradicts
//! itself, because an address that was guessed is worse than none (threats P4, P7).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::hygiene::{Unclean, refuse};

/// Addresses looked at in one chain; more is no deployment but an attack.
const HOPS: usize = 32;

const WHAT: Unclean = refuse(400, "forwarded_headers");

/// What is known of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client<'a> {
    pub address: IpAddr,
    /// Whether the client's own leg was encrypted, where the proxy says so.
    pub secure: Option<bool>,
    /// The authority the client asked for, where the proxy says so.
    pub authority: Option<&'a str>,
}

/// The client behind the trusted `peer`, from `X-Forwarded-*` or `Forwarded` (RFC 7239).
///
/// Both may be there if they agree: a proxy that sets one may pass on the other as a stranger sent it.
pub(super) fn behind<'a>(peer: IpAddr, headers: &'a HeaderMap, trusted: &[IpNet]) -> Result<Client<'a>, Unclean> {
    let scheme = one(headers, "x-forwarded-proto")?.map(secure).transpose()?;
    let host = one(headers, "x-forwarded-host")?;
    let chain = list(headers, "x-forwarded-for")?;
    let legacy = match &chain {
        Some(chain) => Some(walk(peer, chain.split(',').map(|text| address(text.trim_matches([' ', '\t']))), trusted)?),
        None => None,
    };
    let Some(forwarded) = list(headers, "forwarded")? else {
        return Ok(Client { address: legacy.unwrap_or(peer), secure: scheme, authority: host });
    };
    let elements: Vec<Element> = forwarded.split(',').map(element).collect::<Result<_, _>>()?;
    let standard = walk(peer, elements.iter().map(|element| element.client.ok_or(WHAT)), trusted)?;
    let proto = elements.last().and_then(|element| element.secure);
    let disagree = legacy.is_some_and(|legacy| legacy != standard) || scheme.zip(proto).is_some_and(|(a, b)| a != b);
    if disagree {
        return Err(refuse(400, "forwarded_headers_disagree"));
    }
    Ok(Client { address: standard, secure: scheme.or(proto), authority: host })
}

/// The rightmost address that is not a trusted proxy's; each proxy appends who it heard from.
fn walk(
    peer: IpAddr,
    chain: impl DoubleEndedIterator<Item = Result<IpAddr, Unclean>>,
    trusted: &[IpNet],
) -> Result<IpAddr, Unclean> {
    let mut client = peer;
    for (hop, address) in chain.rev().enumerate() {
        if hop == HOPS {
            return Err(WHAT);
        }
        client = address?;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    Ok(client)
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// An address as proxies write it: with or without port, IPv6 with or without brackets.
fn address(text: &str) -> Result<IpAddr, Unclean> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .map(|address| address.to_canonical())
        .map_err(|_| WHAT)
}

fn secure(scheme: &str) -> Result<bool, Unclean> {
    match scheme {
        scheme if scheme.eq_ignore_ascii_case("https") => Ok(true),
        scheme if scheme.eq_ignore_ascii_case("http") => Ok(false),
        _ => Err(WHAT),
    }
}

/// The header's value if it is there; a list must say the same everywhere.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unclean> {
    let mut found = None;
    for value in headers.get_all(name) {
        for part in value.to_str().map_err(|_| WHAT)?.split(',').map(|part| part.trim_matches([' ', '\t'])) {
            if part.is_empty() || found.is_some_and(|found| found != part) {
                return Err(WHAT);
            }
            found = Some(part);
        }
    }
    Ok(found)
}

/// The header's lines as one list (RFC 9110 §5.3).
fn list<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<Cow<'a, str>>, Unclean> {
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let mut all = Cow::Borrowed(first.to_str().map_err(|_| WHAT)?);
    for line in lines {
        let all = all.to_mut();
        all.push(',');
        all.push_str(line.to_str().map_err(|_| WHAT)?);
    }
    Ok(Some(all))
}

/// One hop of a `Forwarded` header.
struct Element {
    /// `None` for `unknown` and obfuscated names, which say nothing we could use.
    client: Option<IpAddr>,
    secure: Option<bool>,
}

fn element(text: &str) -> Result<Element, Unclean> {
    let mut found = Element { client: None, secure: None };
    for pair in text.split(';').map(|pair| pair.trim_matches([' ', '\t'])).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(WHAT)?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or(WHAT)?,
            None => value,
        };
        match name {
            name if name.eq_ignore_ascii_case("for") && found.client.is_none() => found.client = Some(address(value)?),
            name if name.eq_ignore_ascii_case("for") => return Err(WHAT),
            name if name.eq_ignore_ascii_case("proto") => found.secure = Some(secure(value)?),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(fields: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let headers = fields.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        match behind("10.0.0.1".parse().unwrap(), &headers, &trusted) {
            Ok(client) => Ok(format!("{} {:?} {:?}", client.address, client.secure, client.authority)),
            Err(unclean) => Err(unclean.reason),
        }
    }

    #[test]
    fn p4_the_client_is_the_rightmost_address_that_is_not_trusted() {
        for (chain, wanted) in [
            ("203.0.113.7", "203.0.113.7"),
            ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
            ("6.6.6.6, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
            ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
            ("garbage, 203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, ::ffff:10.0.0.9", "203.0.113.7"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", chain)]), Ok(format!("{wanted} None None")), "{chain}");
        }
        assert_eq!(
            client(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")]),
            Ok("203.0.113.7 None None".into())
        );
        assert_eq!(client(&[]), Ok("10.0.0.1 None None".into()));
    }

    #[test]
    fn p4_a_malformed_account_of_the_client_is_refused() {
        for chain in
            ["", "unknown", "203.0.113.7,", "203.0.113.7 10.0.0.1", "203.0.113.256", "0x7f.1", "localhost", "203.0.113.7:x"]
        {
            assert_eq!(client(&[("x-forwarded-for", chain)]), Err("forwarded_headers"), "{chain}");
        }
        for proto in ["", "ftp", "https,http", "http s", "on"] {
            assert_eq!(client(&[("x-forwarded-proto", proto)]), Err("forwarded_headers"), "{proto}");
        }
        let endless = vec!["10.0.0.1"; 40].join(",");
        assert_eq!(client(&[("x-forwarded-for", &endless)]), Err("forwarded_headers"));
        for forwarded in
            ["for", "for=unknown", "for=_hidden", "for=\"203.0.113.7", "for=1.1.1.1;for=2.2.2.2", "proto=ftp;for=1.1.1.1"]
        {
            assert_eq!(client(&[("forwarded", forwarded)]), Err("forwarded_headers"), "{forwarded}");
        }
    }

    #[test]
    fn p4_forwarded_counts_as_x_forwarded_does_and_must_agree_with_it() {
        let both = [("forwarded", "for=203.0.113.7;proto=https;by=10.0.0.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client(&both), Ok("203.0.113.7 Some(true) None".into()));
        assert_eq!(client(&[("forwarded", "For=\"[2001:db8::7]:1\"")]), Ok("2001:db8::7 None None".into()));
        let spoofed = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client(&spoofed), Err("forwarded_headers_disagree"));
        let downgraded = [("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-proto", "http")];
        assert_eq!(client(&downgraded), Err("forwarded_headers_disagree"));
    }
}
