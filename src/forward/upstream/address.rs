//! What an upstream URL says: scheme, host and port, or the path of a socket.
//!
//! Refuses paths, queries and passwords in it: they would be read as if they had an effect.

use std::net::{IpAddr, SocketAddr};

/// One server as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).
    H2c,
    /// HTTP/1.1 over a Unix socket.
    Unix,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Name { host: Box<str>, port: u16 },
    Ip(SocketAddr),
    Socket(Box<str>),
}

impl Address {
    /// What the text means, or what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            // The longest path a socket address can hold (unix(7)).
            return match path {
                path if !path.starts_with('/') => Err("a socket's path is absolute: `unix:/run/app.sock`"),
                path if path.len() > 107 => Err("a socket's path has at most 107 bytes"),
                path => Ok(Self { scheme: Scheme::Unix, place: Place::Socket(path.into()) }),
            };
        }
        let url = url::Url::parse(text).map_err(|_| WHAT)?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "h2c" => Scheme::H2c,
            _ => return Err(WHAT),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("an upstream has no path: requests keep theirs");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("write the name and password under `basic`");
        }
        let port = url.port().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(WHAT)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let place = match literal {
            Ok(ip) => Place::Ip(SocketAddr::new(ip, port)),
            Err(_) => Place::Name { host: host.to_ascii_lowercase().into(), port },
        };
        Ok(Self { scheme, place })
    }

    /// As in the `Host` field: the port is left out where it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let usual = if self.scheme == Scheme::Https { 443 } else { 80 };
        match &self.place {
            Place::Name { host, port } if *port == usual => host.to_string(),
            Place::Name { host, port } => format!("{host}:{port}"),
            Place::Ip(address) if address.port() == usual => match address.ip() {
                IpAddr::V6(ip) => format!("[{ip}]"),
                ip @ IpAddr::V4(_) => ip.to_string(),
            },
            Place::Ip(address) => address.to_string(),
            Place::Socket(_) => "localhost".to_owned(),
        }
    }

    /// The name a certificate is checked against.
    pub(super) fn server_name(&self) -> String {
        match &self.place {
            Place::Name { host, .. } => host.to_string(),
            Place::Ip(address) => address.ip().to_string(),
            Place::Socket(_) => String::new(),
        }
    }
}

const WHAT: &str = "write `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_scheme_host_and_port() {
        let parse = |text| Address::parse(text).unwrap();
        assert_eq!(parse("http://127.0.0.1:3000").place, Place::Ip(([127, 0, 0, 1], 3000).into()));
        assert_eq!(parse("https://App.Internal").place, Place::Name { host: "app.internal".into(), port: 443 });
        assert_eq!(parse("https://app.internal").authority(), "app.internal");
        assert_eq!(parse("h2c://grpc:50051").authority(), "grpc:50051");
        assert_eq!(parse("http://[::1]").authority(), "[::1]");
        assert_eq!(parse("unix:/run/app.sock").place, Place::Socket("/run/app.sock".into()));
    }

    #[test]
    fn a_url_that_says_more_is_refused() {
        for odd in ["", "app:3000", "ftp://a", "http://a/path", "http://a/?q", "http://u:p@a", "unix:run/app.sock", "http://"] {
            assert!(Address::parse(odd).is_err(), "{odd}");
        }
        assert!(Address::parse(&format!("unix:/{}", "a".repeat(107))).is_err());
    }
}
