//! A syslog server.
//!
//! Refuses nothing by itself; `config::review` does.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// Messages of RFC 5424 by UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Where to: `tls://siem.example.com`, `tcp://…` or `udp://…`, with a port where it is not the usual one (6514; 601; 514).
    pub url: String,
    /// How the receiver knows where a message ends, by TCP and TLS. Default: `octet_counting`.
    #[serde(default)]
    pub framing: Framing,
    /// Default: authpriv.
    #[serde(default)]
    pub facility: Facility,
    /// Whom messages are from. Default: the replica that recorded the event.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Default: doorward.
    #[serde(default = "default_app_name")]
    pub app_name: String,
    /// Name of the structured data: `name@number`, the number being a private enterprise number (RFC 5424 §7.2.2). Default:
    /// `doorward@32473`, with the number that is set aside for examples (RFC 5612); put your organisation's in its place.
    #[serde(default = "default_structured_data")]
    pub structured_data: String,
    /// Longest message in bytes. What is longer loses its longest fields. Default: 8192, by UDP 1400.
    #[serde(default)]
    #[schemars(range(min = 480, max = 65000))]
    pub largest: Option<usize>,
}

/// How messages are told apart on a connection (RFC 6587 §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Each begins with its length (§3.4.1), as RFC 5425 wants it by TLS.
    #[default]
    OctetCounting,
    /// Each ends with a line feed (§3.4.2).
    Newline,
}

/// What part of a system a message is about (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Facility {
    User = 1,
    Daemon = 3,
    Auth = 4,
    #[default]
    Authpriv = 10,
    /// "Log audit"; some receivers call it `security`.
    Audit = 13,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

fn default_app_name() -> String {
    "doorward".to_owned()
}

fn default_structured_data() -> String {
    "doorward@32473".to_owned()
}

/// How messages get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    /// The way that an address names by its scheme.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        match url.scheme() {
            "udp" => Some(Self::Udp),
            "tcp" => Some(Self::Tcp),
            "tls" => Some(Self::Tls),
            _ => None,
        }
    }

    /// The registered port (RFC 5426 §3.3, RFC 3195 §9.1, RFC 5425 §4.1).
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Udp => 514,
            Self::Tcp => 601,
            Self::Tls => 6514,
        }
    }

    /// Longest message in bytes: by UDP what an Ethernet frame holds with room for tunnels (RFC 5426 §3.2), else what receivers take unless
    /// told otherwise.
    #[must_use]
    pub const fn usual_length(self) -> usize {
        match self {
            Self::Udp => 1400,
            Self::Tcp | Self::Tls => 8192,
        }
    }
}
