//! What the application is told about who is calling, and what it is not told.
//!
//! Refuses every header of these names that comes from outside, in every spelling, on every route (threats H1–H3): first strip,
//! then set, so that an identity header is the one value set here or is not there.

mod credential;
mod origin;
mod preset;
mod reserved;
mod template;
mod told;
mod value;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::ResponseHeader;

use super::Outbound;
use crate::config::access::Preset;
use crate::config::{Config, Path, Problems};
use crate::credential::Sources;
use crate::edge::fields;
use crate::model::{CredentialKind, Identity};
use credential::Carriers;
pub use origin::Origin;
use reserved::Reserved;
use template::Template;
pub use told::Told;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// As oauth2-proxy calls it; like all of `X-Forwarded-`, it is taken off every request that comes in.
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-forwarded-access-token");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// Fields that every request is given: where it came from, its id and its trace.
const SET_FOR_ALL: usize = 7;

/// Which headers are removed and which are set.
#[derive(Debug)]
pub struct Headers {
    reserved: Reserved,
    carriers: Carriers,
    presets: Box<[Preset]>,
    templates: Box<[Template]>,
    assertion_names: Box<[HeaderName]>,
    access_token: bool,
    id_token: bool,
}

impl Headers {
    pub fn compile(config: &Config, credentials: &Sources, problems: &mut Problems) -> Self {
        let typed = &config.identity_headers;
        let at = Path::from("identity_headers").key("custom");
        let custom = typed.custom.iter();
        let templates: Box<[Template]> =
            custom.filter_map(|(name, text)| Template::compile(name, text, &at.key(name), problems)).collect();
        let secret = super::upstream::all(config).flat_map(|(_, upstream)| upstream.headers.keys());
        let secret: Vec<HeaderName> = secret.filter_map(|name| name.parse().ok()).collect();
        let mut assertion_names = Vec::new();
        if typed.assertion.is_some() {
            assertion_names.push(HeaderName::from_static("x-doorward-assertion"));
            if typed.presets.contains(&Preset::Pomerium) {
                assertion_names.push(HeaderName::from_static("x-pomerium-jwt-assertion"));
            }
        }
        Self {
            reserved: Reserved::new(templates.iter().map(|template| &template.name).chain(&secret)),
            carriers: Carriers::new(credentials),
            presets: typed.presets.as_slice().into(),
            templates,
            assertion_names: assertion_names.into(),
            access_token: typed.access_token,
            id_token: typed.id_token,
        }
    }

    /// Rewrites the head that goes to the application: first strip, then set.
    pub(super) fn apply(&self, outbound: &Outbound, assertion: Option<HeaderValue>, fields: &mut HeaderMap) {
        self.strip(outbound, fields);
        // A map that grows is built anew each time it does.
        fields.reserve(SET_FOR_ALL + self.assertion_names.len() + self.said(outbound).map_or(0, <[_]>::len));
        outbound.origin.apply(fields);
        self.say(outbound, assertion, fields);
    }

    /// Sets what is said about who is calling.
    fn say(&self, outbound: &Outbound, assertion: Option<HeaderValue>, fields: &mut HeaderMap) {
        for (name, value) in self.said(outbound).into_iter().flatten() {
            fields.insert(name, value.clone());
        }
        self.provider_tokens(outbound, fields);
        if let Some(assertion) = assertion {
            for name in &self.assertion_names {
                fields.insert(name, assertion.clone());
            }
        }
    }

    fn said<'a>(&self, outbound: &'a Outbound) -> Option<&'a [(HeaderName, HeaderValue)]> {
        outbound.identity.as_ref().map(|identity| &**identity.forward.headers.get_or_init(|| self.make(identity)))
    }

    /// The provider's tokens, unless they have ended: none is better than one that does not work.
    fn provider_tokens(&self, outbound: &Outbound, fields: &mut HeaderMap) {
        let Some(memo) = outbound.identity.as_ref().map(|identity| &identity.forward) else { return };
        let given = [
            (ACCESS_TOKEN, memo.access_token.as_ref().filter(|_| self.access_token)),
            (header::AUTHORIZATION, memo.id_token.as_ref().filter(|_| self.id_token)),
        ];
        for (name, token) in given {
            let live = token.filter(|token| token.expires_at.is_none_or(|end| outbound.now < end));
            if let Some(token) = live {
                fields.insert(name, token.value.clone());
            }
        }
    }

    fn strip(&self, outbound: &Outbound, fields: &mut HeaderMap) {
        let used = outbound.identity.as_ref().map(|identity| identity.credential);
        let is_doomed = |name: &HeaderName, value: &HeaderValue| {
            self.reserved.holds(name.as_str()) || self.carriers.dooms(used, name, value.as_bytes()) || self.poses(used, name)
        };
        // One look at each field. Empty, and so without an allocation, for most requests.
        let doomed: Vec<HeaderName> =
            fields.iter().filter(|(name, value)| is_doomed(name, value)).map(|(name, _)| name.clone()).collect();
        for name in &doomed {
            fields.remove(name);
            self.carriers.strip_companion(name, fields);
        }
        credential::cookies(fields);
    }

    /// Whether a field stands where the application looks for the provider's token, and is not the bearer token that was taken here.
    fn poses(&self, used: Option<CredentialKind>, name: &HeaderName) -> bool {
        let taken = used == Some(CredentialKind::Bearer) && self.carriers.keeps(CredentialKind::Bearer);
        self.id_token && *name == header::AUTHORIZATION && !taken
    }

    /// All that is said about an identity; made once for each, then shared by its requests.
    fn make(&self, identity: &Identity) -> Box<[(HeaderName, HeaderValue)]> {
        let mut fields = Vec::new();
        for preset in &self.presets {
            preset::add(*preset, identity, &mut fields);
        }
        for template in &self.templates {
            fields.extend(template.fill(identity).map(|value| (template.name.clone(), value)));
        }
        fields.into()
    }

    /// What an answer of the application may not say: it never sets a cookie of Doorward's (threats C1, C2), and connection
    /// fields of its leg do not travel on (RFC 9110 §7.6.1). `Server` is kept.
    pub(super) fn answer(head: &mut ResponseHeader) -> pingora::Result<()> {
        for name in nominated(head) {
            head.remove_header(&name);
        }
        for name in [KEEP_ALIVE, PROXY_CONNECTION] {
            if fields::holds(&head.headers, &name) {
                head.remove_header(&name);
            }
        }
        let upgrades = head.status == http::StatusCode::SWITCHING_PROTOCOLS;
        if !upgrades && fields::holds(&head.headers, &header::UPGRADE) {
            head.remove_header(&header::UPGRADE);
        }
        if fields::values(&head.headers, &header::SET_COOKIE).any(|line| sets_ours(line.as_bytes())) {
            let kept: Vec<HeaderValue> =
                head.headers.get_all(header::SET_COOKIE).iter().filter(|line| !sets_ours(line.as_bytes())).cloned().collect();
            head.remove_header(&header::SET_COOKIE);
            for line in kept {
                head.append_header(header::SET_COOKIE, line)?;
            }
        }
        Ok(())
    }
}

/// Fields that an answer's `Connection` says are of its leg only; never those that frame the message or name its type.
fn nominated(head: &ResponseHeader) -> Vec<HeaderName> {
    let lines = fields::values(&head.headers, &header::CONNECTION).filter_map(|line| line.to_str().ok());
    let words = lines.flat_map(|line| line.split(',')).map(str::trim);
    let usual = |word: &&str| ["close", "keep-alive", "upgrade", ""].iter().any(|usual| word.eq_ignore_ascii_case(usual));
    let names = words.filter(|word| !usual(word)).filter_map(|word| word.parse::<HeaderName>().ok());
    let kept = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_TYPE, header::CONNECTION, header::SET_COOKIE];
    names.filter(|name| !kept.contains(name)).collect()
}

/// Whether a `Set-Cookie` line names a cookie of Doorward's; browsers trim what surrounds the name (RFC 6265bis §5.6), and some
/// match the prefix without regard to case.
fn sets_ours(line: &[u8]) -> bool {
    let name = line.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii();
    name.get(..credential::OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(credential::OURS))
}

/// A header name from the configuration that Doorward is to set, if it may be one.
pub(super) fn own_name(text: &str, path: &Path, problems: &mut Problems) -> Option<HeaderName> {
    const FRAMING: [&str; 12] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "cookie",
        "http2-settings",
    ];
    let Ok(name) = text.parse::<HeaderName>() else {
        problems.add(path.clone(), format!("`{text}` is not a header name"), "use letters, digits and `-`");
        return None;
    };
    if FRAMING.contains(&name.as_str()) {
        problems.add(path.clone(), format!("`{text}` belongs to the connection, not to the application"), "choose another name");
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests;
