//! What a proxy that forwards by itself is told about a request that may pass.
//!
//! Refuses to leave a name open: each that Doorward speaks by is either set or named as one to take away, because what is left is
//! whatever the client sent under it (threats H1–H3).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Headers, Outbound, preset};

/// What becomes of a request's fields.
#[derive(Debug, Default)]
pub struct Told {
    /// Each takes the place of what was sent: who is calling, and what is left of credentials and cookies that were not for Doorward.
    pub set: HeaderMap,
    /// May not go on, as far as the fields that were sent say.
    pub remove: Vec<HeaderName>,
}

/// What the proxy itself says about where a request comes from, which is its own to keep.
const OF_THE_PROXY: [&str; 11] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-forwarded-client-cert",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-envoy-original-path",
];

impl Headers {
    /// What is to become of the fields that were `sent` before they go to the application.
    pub(in crate::forward) fn tell(&self, outbound: &Outbound, assertion: Option<HeaderValue>, sent: &HeaderMap) -> Told {
        let mut left = sent.clone();
        self.strip(outbound, &mut left);
        let mut told = Told::default();
        for name in self.carriers.names() {
            if let Some(value) = left.get(&name) {
                told.set.insert(name, value.clone());
            }
        }
        // What is said counts before what was sent: an ID token goes where a credential may have stood.
        self.say(outbound, assertion, &mut told.set);
        let spoken = preset::NAMES.into_iter().map(HeaderName::from_static).chain(self.carriers.names());
        let own = self.templates.iter().map(|template| template.name.clone()).chain(self.assertion_names.iter().cloned());
        let stripped = sent.keys().filter(|name| !left.contains_key(*name)).cloned();
        told.remove = spoken.chain(own).chain(stripped).filter(|name| !told.set.contains_key(name)).collect();
        told.remove.retain(|name| !OF_THE_PROXY.contains(&name.as_str()));
        told.remove.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        told.remove.dedup();
        told
    }

    /// A field whose name some applications read as one that Doorward speaks by, though a proxy that takes those away leaves it.
    pub(in crate::forward) fn alias<'a>(&self, sent: &'a HeaderMap) -> Option<&'a HeaderName> {
        sent.keys().find(|name| self.reserved.is_alias(name.as_str()))
    }
}
