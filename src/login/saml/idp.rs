//! What the identity provider is: its entity id, addresses and keys, from its metadata or as typed (SAML Metadata §2.4.3).
//!
//! Refuses metadata that is not signed where a certificate is configured for it, or whose addresses are not HTTPS (on this machine also
//! HTTP), because a browser is sent there (threats S14); and says until when it is good, which whoever uses it has to ask.

use std::time::Duration;

use url::Url;

use super::certificate;
use super::encrypt::Recipient;
use super::names;
use super::refusal::Refusal;
use super::signature::{self, Trust};
use super::tree::{Element, Tree};
use crate::clock::Timestamp;

/// The least and the most that a document decides about how long it is kept: whoever writes it has the door ask once a minute at most, and
/// a key that was withdrawn is gone after a day at the latest.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(24 * 3600);

/// An identity provider.
#[derive(Debug)]
pub(super) struct IdentityProvider {
    pub entity_id: String,
    pub trust: Trust,
    sign_in: Vec<Endpoint>,
    sign_out: Vec<Endpoint>,
    /// It takes signed requests only.
    pub wants_signed: bool,
    /// What it can read that nobody else can.
    pub recipient: Option<Recipient>,
    /// When the document stops being good, if it says so (SAML Metadata §2.3.2).
    valid_until: Option<Timestamp>,
    /// How long the document is to be kept before it is read again, if it says so.
    kept: Option<Duration>,
}

/// Where a kind of message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub binding: Transport,
    pub location: Url,
    /// Where answers go, if elsewhere.
    pub response_location: Option<Url>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Redirect,
    Post,
}

/// Why there is no provider to be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableMetadata {
    #[error("the document cannot be read: {0}")]
    Document(#[from] Refusal),
    #[error("the document is not signed with the certificate that is configured for it")]
    Unsigned,
    #[error("the document was good until {0}")]
    Ended(Timestamp),
    #[error("the document describes no identity provider{0}")]
    NoProvider(String),
    #[error("the document describes several identity providers: name one by `entity_id`")]
    Several,
    #[error("the document names no signing certificate that can be used")]
    NoCertificate,
    #[error("the document names no address for signing in that can be used")]
    NoAddress,
}

impl IdentityProvider {
    /// As typed, without metadata.
    pub(super) fn typed(entity_id: String, trust: Trust, sign_in: Endpoint, sign_out: Option<Endpoint>) -> Self {
        let sign_out = sign_out.into_iter().collect();
        Self {
            entity_id,
            trust,
            sign_in: vec![sign_in],
            sign_out,
            wants_signed: false,
            recipient: None,
            valid_until: None,
            kept: None,
        }
    }

    /// `signer`: what the document has to be signed with; `wanted`: the entity id that is meant.
    pub(super) fn read(text: &str, wanted: Option<&str>, signer: Option<&Trust>) -> Result<Self, UnusableMetadata> {
        let tree = Tree::parse(text.trim_start_matches('\u{feff}'))?;
        let root = tree.root()?;
        if let Some(signer) = signer {
            signature::verify(&tree, None, signer)?.root().ok_or(UnusableMetadata::Unsigned)?;
        }
        let entities: Vec<_> = root.subtree().filter(|element| element.is(names::METADATA, "EntityDescriptor")).collect();
        let named = |entity: &&Element<'_>| wanted.is_none_or(|wanted| entity.attribute("entityID") == Some(wanted));
        let providers: Vec<_> = entities.iter().filter(named).filter_map(|entity| Some((*entity, role(*entity)?))).collect();
        match providers.as_slice() {
            [(entity, role)] => Self::of(*entity, *role),
            [] => Err(UnusableMetadata::NoProvider(wanted.map(|name| format!(" `{name}`")).unwrap_or_default())),
            _ => Err(UnusableMetadata::Several),
        }
    }

    fn of(entity: Element<'_>, role: Element<'_>) -> Result<Self, UnusableMetadata> {
        // One certificate that nothing can be done with does not spoil those beside it.
        let usable = keys(role, "signing").flat_map(certificates_of).filter(|der| Trust::new(vec![der.clone()]).is_ok());
        let certificates: Vec<_> = usable.collect();
        let sign_in = endpoints(role, "SingleSignOnService");
        if sign_in.is_empty() {
            return Err(UnusableMetadata::NoAddress);
        }
        if certificates.is_empty() {
            return Err(UnusableMetadata::NoCertificate);
        }
        Ok(Self {
            entity_id: entity.attribute("entityID").filter(|id| !id.is_empty()).ok_or(UnusableMetadata::NoAddress)?.to_owned(),
            trust: Trust::new(certificates).map_err(|_| UnusableMetadata::NoCertificate)?,
            sign_in,
            sign_out: endpoints(role, "SingleLogoutService"),
            wants_signed: matches!(role.attribute("WantAuthnRequestsSigned"), Some("true" | "1")),
            recipient: keys(role, "encryption").find_map(recipient),
            valid_until: valid_until(role)?,
            kept: cache_duration(role),
        })
    }

    /// Refuses what is no longer good: keys that were withdrawn since would be believed for ever.
    pub(super) fn current(&self, now: Timestamp) -> Result<(), UnusableMetadata> {
        match self.valid_until {
            Some(until) if until <= now => Err(UnusableMetadata::Ended(until)),
            _ => Ok(()),
        }
    }

    /// How long it is to be believed without looking again; `usual` where it does not say.
    pub(super) fn kept(&self, usual: Duration) -> Duration {
        self.kept.unwrap_or(usual)
    }

    /// Where people are signed in: by redirect where that is offered, because it needs no page in between.
    pub(super) fn sign_in(&self) -> Option<&Endpoint> {
        preferred(&self.sign_in)
    }

    pub(super) fn sign_out(&self) -> Option<&Endpoint> {
        preferred(&self.sign_out)
    }
}

/// The role's keys for this usage: those that name none are for each (SAML Metadata §2.4.1.1).
fn keys<'t>(role: Element<'t>, usage: &'static str) -> impl Iterator<Item = Element<'t>> {
    role.all(names::METADATA, "KeyDescriptor").filter(move |key| key.attribute("use").is_none_or(|own| own == usage))
}

fn certificates_of(key: Element<'_>) -> Vec<Vec<u8>> {
    let all = key.subtree().filter(|element| element.is(names::SIGNATURE, "X509Certificate"));
    all.filter_map(|element| certificate::from_base64(&element.text()?)).collect()
}

/// Whoever can read what is encrypted for this key, if there is a way that both know.
fn recipient(key: Element<'_>) -> Option<Recipient> {
    let methods: Vec<_> =
        key.all(names::METADATA, "EncryptionMethod").filter_map(|method| method.attribute("Algorithm")).collect();
    certificates_of(key).iter().find_map(|certificate| Recipient::new(certificate, &methods))
}

fn preferred(endpoints: &[Endpoint]) -> Option<&Endpoint> {
    endpoints.iter().find(|endpoint| endpoint.binding == Transport::Redirect).or_else(|| endpoints.first())
}

impl Endpoint {
    /// `None` unless the address is one that a browser may be sent to.
    pub(super) fn new(binding: Transport, location: &str, response_location: Option<&str>) -> Option<Self> {
        let response_location = match response_location {
            Some(location) => Some(address(location)?),
            None => None,
        };
        Some(Self { binding, location: address(location)?, response_location })
    }

    pub(super) fn for_responses(&self) -> &Url {
        self.response_location.as_ref().unwrap_or(&self.location)
    }
}

fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(crate::http_client::is_trustworthy)
}

fn endpoints(role: Element<'_>, name: &'static str) -> Vec<Endpoint> {
    let read = |service: Element<'_>| {
        let binding = match service.attribute("Binding")? {
            names::REDIRECT => Transport::Redirect,
            names::POST => Transport::Post,
            _ => return None,
        };
        Endpoint::new(binding, service.attribute("Location")?, service.attribute("ResponseLocation"))
    };
    role.all(names::METADATA, name).filter_map(read).collect()
}

/// The entity's role as a SAML 2.0 identity provider.
fn role(entity: Element<'_>) -> Option<Element<'_>> {
    let mut roles = entity.all(names::METADATA, "IDPSSODescriptor");
    roles.find(|role| {
        role.attribute("protocolSupportEnumeration").is_some_and(|all| all.split_whitespace().any(|one| one == names::PROTOCOL))
    })
}

/// The shortest `cacheDuration` that the role, its entity or anything around them states, within [`LEAST`] and [`MOST`]. One that is none
/// is as if it were not there: it is a wish about how often to ask.
fn cache_duration(role: Element<'_>) -> Option<Duration> {
    let around = std::iter::successors(Some(role), |element| element.parent());
    let stated = around.filter_map(|element| element.attribute("cacheDuration")).filter_map(duration);
    stated.min().map(|shortest| shortest.clamp(LEAST, MOST))
}

/// XML Schema 1.1 part 2 §3.3.6; a month is thirty days, a year 365.
fn duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30 + i64::from(span.get_weeks()) * 7;
    let days = days + i64::from(span.get_days());
    let seconds = i64::from(span.get_hours()) * 3600 + span.get_minutes() * 60 + span.get_seconds();
    u64::try_from(days.checked_mul(86400)?.checked_add(seconds)?).ok().map(Duration::from_secs)
}

/// The earliest end that the role, its entity or anything around them states: each holds for all that is in it.
fn valid_until(role: Element<'_>) -> Result<Option<Timestamp>, Refusal> {
    let around = std::iter::successors(Some(role), |element| element.parent());
    let moment = |text: &str| {
        let until: jiff::Timestamp = text.trim().parse().map_err(|_| Refusal::Time)?;
        Ok(Timestamp::from_millis(until.as_millisecond()))
    };
    let stated = around.filter_map(|element| element.attribute("validUntil")).map(moment);
    Ok(stated.collect::<Result<Vec<_>, Refusal>>()?.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let made = rcgen::CertificateParams::new(["idp.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        certificate::to_base64(made.der())
    }

    fn entity(id: &str, attributes: &str, certificate: &str, services: &str) -> String {
        format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{id}" {attributes}><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>{services}</IDPSSODescriptor></EntityDescriptor>"#
        )
    }

    fn service(binding: &str, location: &str) -> String {
        format!(r#"<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" Location="{location}"/>"#)
    }

    #[test]
    fn s14_metadata_sends_no_browser_anywhere_but_to_https() {
        let certificate = certificate();
        for evil in
            ["javascript:alert(1)", "http://idp.example/sso", "data:text/html,x", "//idp.example/sso", "ftp://idp.example/", ""]
        {
            let text = entity("https://idp.example", "", &certificate, &service("HTTP-Redirect", evil));
            let refused = IdentityProvider::read(&text, None, None);
            assert!(matches!(refused, Err(UnusableMetadata::NoAddress)), "{evil}: {refused:?}");
        }
        let mixed = service("HTTP-Redirect", "javascript:alert(1)") + &service("HTTP-POST", "https://idp.example/sso");
        let read = IdentityProvider::read(&entity("https://idp.example", "", &certificate, &mixed), None, None).unwrap();
        let endpoint = read.sign_in().unwrap();
        assert_eq!((endpoint.binding, endpoint.location.as_str()), (Transport::Post, "https://idp.example/sso"));
    }

    #[test]
    fn the_entity_that_is_meant_is_read_while_it_is_good() {
        let (one, good) = (certificate(), service("HTTP-Redirect", "https://idp.example/sso"));
        let entities = |attributes: &str| {
            let all = [entity("https://a.example", attributes, &one, &good), entity("https://b.example", "", &one, &good)];
            format!(r#"<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">{}</EntitiesDescriptor>"#, all.concat())
        };
        let read = |text: &str, wanted: Option<&str>| IdentityProvider::read(text, wanted, None).map(|read| read.entity_id);
        assert_eq!(read(&entities(""), Some("https://b.example")).unwrap(), "https://b.example");
        assert!(matches!(read(&entities(""), None), Err(UnusableMetadata::Several)));
        assert!(matches!(read(&entities(""), Some("https://c.example")), Err(UnusableMetadata::NoProvider(_))));
        let nobody = entity("https://a.example", "", "AAAA", &good);
        assert!(matches!(read(&nobody, None), Err(UnusableMetadata::NoCertificate)));
    }

    #[test]
    fn a_document_is_good_until_the_earliest_end_that_it_states() {
        let (one, good) = (certificate(), service("HTTP-Redirect", "https://idp.example/sso"));
        let (past, future) = (r#"validUntil="2027-01-15T07:59:59Z""#, r#"validUntil="2027-01-15T08:00:01Z""#);
        let read = |all: &str, entities: &str, one_entity: &str, role: &str| {
            let text = entity("https://a.example", one_entity, &one, &good)
                .replace("<IDPSSODescriptor", &format!("<IDPSSODescriptor {role}"));
            let inner = format!("<EntitiesDescriptor {entities}>{text}</EntitiesDescriptor>");
            let other = entity("https://b.example", past, &one, &good);
            let text = format!(
                r#"<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" {all}>{inner}{other}</EntitiesDescriptor>"#
            );
            IdentityProvider::read(&text, Some("https://a.example"), None)
        };
        assert!(read("", "", "", "").unwrap().current(NOW).is_ok(), "its neighbour's end is not its own");
        assert!(read(future, future, future, future).unwrap().current(NOW).is_ok());
        for (all, entities, one_entity, role) in
            [(past, "", "", ""), (future, past, future, ""), (future, "", past, future), ("", "", "", past)]
        {
            let ended = read(all, entities, one_entity, role).unwrap().current(NOW).unwrap_err();
            assert_eq!(ended.to_string(), "the document was good until 2027-01-15T07:59:59.000Z");
        }
        assert!(matches!(read("", "", r#"validUntil="soon""#, ""), Err(UnusableMetadata::Document(Refusal::Time))));
    }

    #[test]
    fn a_document_is_kept_for_as_long_as_it_asks_within_a_minute_and_a_day() {
        let (one, good, usual) = (certificate(), service("HTTP-Redirect", "https://idp.example/sso"), Duration::from_secs(3600));
        let kept = |attributes: &str| {
            let text = entity("https://idp.example", attributes, &one, &good);
            IdentityProvider::read(&text, None, None).unwrap().kept(usual).as_secs()
        };
        let nothing = "";
        for (asked, seconds) in [
            (nothing, 3600),
            ("PT10M", 600),
            ("PT1H30M5S", 5405),
            ("P0Y0M0DT6H0M0.000S", 6 * 3600),
            ("P1D", 86400),
            ("P1M", 86400),
            ("P100000Y", 3600),
            ("PT0S", 60),
            ("-PT1H", 3600),
            ("soon", 3600),
        ] {
            let attribute = if asked == nothing { String::new() } else { format!("cacheDuration=\"{asked}\"") };
            assert_eq!(kept(&attribute), seconds, "{asked}");
        }
        let text = entity("https://idp.example", "cacheDuration=\"PT6H\"", &one, &good)
            .replace("<IDPSSODescriptor", "<IDPSSODescriptor cacheDuration=\"PT20M\"");
        assert_eq!(
            IdentityProvider::read(&text, None, None).unwrap().kept(usual).as_secs(),
            1200,
            "the shortest of all around it"
        );
    }

    #[test]
    fn metadata_that_has_to_be_signed_is_not_read_unsigned() {
        let text = entity("https://idp.example", "", &certificate(), &service("HTTP-Redirect", "https://idp.example/sso"));
        let signer = Trust::new(vec![certificate::from_base64(&certificate()).unwrap()]).unwrap();
        assert!(matches!(IdentityProvider::read(&text, None, Some(&signer)), Err(UnusableMetadata::Unsigned)));
    }
}
