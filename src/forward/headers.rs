//! What the application is told about who is calling.
//!
//! Refuses every header of these names that comes from outside, in every spelling, on every route (threats H1, H2).

use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use super::Outbound;
use crate::config::access::Preset;
use crate::config::{Config, Problems};
use crate::credential::{SESSION_COOKIE, Sources};
use crate::model::Identity;

/// Which headers are removed and which are set.
#[derive(Debug)]
pub struct Headers {
    presets: Box<[Preset]>,
    credentials: Box<[HeaderName]>,
}

impl Headers {
    pub fn compile(config: &Config, credentials: &Sources, _problems: &mut Problems) -> Self {
        let credentials = [&credentials.api_key, &credentials.client_id, &credentials.client_secret, &credentials.license];
        Self {
            presets: config.identity_headers.presets.as_slice().into(),
            credentials: credentials.into_iter().cloned().collect(),
        }
    }

    /// Rewrites the head that goes to the application: first strip, then set.
    pub fn apply(&self, outbound: &Outbound, head: &mut RequestHeader) -> pingora::Result<()> {
        self.strip(outbound, head)?;
        let scheme = if outbound.secure { "https" } else { "http" };
        head.insert_header("X-Forwarded-For", outbound.client.to_string())?;
        head.insert_header("X-Forwarded-Proto", scheme)?;
        if let Some(identity) = &outbound.identity {
            let made = identity.forward.headers.get_or_init(|| self.make(identity));
            for (name, value) in made {
                head.insert_header(name.clone(), value.clone())?;
            }
        }
        Ok(())
    }

    fn strip(&self, outbound: &Outbound, head: &mut RequestHeader) -> pingora::Result<()> {
        let doomed: Vec<HeaderName> = head.headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
        for name in doomed.iter().chain(&self.credentials) {
            head.remove_header(name);
        }
        if outbound.identity.as_ref().is_some_and(|identity| identity.credential != crate::model::CredentialKind::Session) {
            head.remove_header(&http::header::AUTHORIZATION);
        }
        without_our_cookie(head)
    }

    fn make(&self, identity: &Identity) -> Box<[(HeaderName, HeaderValue)]> {
        let mut made = Vec::new();
        if self.presets.contains(&Preset::Oauth2Proxy) {
            set(&mut made, "x-forwarded-user", Some(&identity.subject));
            set(&mut made, "x-forwarded-email", identity.email.as_deref());
            set(&mut made, "x-forwarded-preferred-username", identity.user_name.as_deref());
            set(&mut made, "x-forwarded-groups", Some(&identity.groups.join(",")));
            set(&mut made, "x-forwarded-roles", Some(&identity.roles.join(",")));
        }
        made.into()
    }
}

fn set(made: &mut Vec<(HeaderName, HeaderValue)>, name: &'static str, value: Option<&str>) {
    let value = value.filter(|value| !value.is_empty()).and_then(|value| HeaderValue::from_str(value).ok());
    made.extend(value.map(|value| (HeaderName::from_static(name), value)));
}

/// Names that only Doorward may set, and all names with `_`, which many applications cannot tell from `-`.
fn is_ours(name: &str) -> bool {
    const PREFIXES: [&str; 6] = ["x-forwarded-", "x-doorward-", "remote-", "x-authentik-", "x-pomerium-", "x-auth-request-"];
    name.contains('_')
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url" | "x-original-uri")
}

fn without_our_cookie(head: &mut RequestHeader) -> pingora::Result<()> {
    let ours =
        |value: &HeaderValue| value.as_bytes().windows(SESSION_COOKIE.len()).any(|window| window == SESSION_COOKIE.as_bytes());
    if !head.headers.get_all(http::header::COOKIE).iter().any(ours) {
        return Ok(());
    }
    let kept: Vec<String> = head
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
        .flat_map(|line| line.split(';'))
        .map(str::trim)
        .filter(|pair| !pair.starts_with(SESSION_COOKIE))
        .map(str::to_owned)
        .collect();
    head.remove_header(&http::header::COOKIE);
    if kept.is_empty() { Ok(()) } else { head.insert_header(http::header::COOKIE, kept.join("; ")) }
}
