//! What we write: requests, answers and our own metadata.
//!
//! Refuses to put a text into XML without escaping it.

use super::assertion::NameId;
use super::certificate;
use super::encrypt::Recipient;
use super::key::OwnKey;
use super::names;
use crate::clock::Timestamp;

/// A message to be sent; the places of its signature differ by binding.
pub(super) struct Message {
    pub id: String,
    head: String,
    tail: String,
}

impl Message {
    /// For the redirect binding, which signs beside the message.
    pub(super) fn plain(&self) -> String {
        format!("{}{}", self.head, self.tail)
    }

    /// For the POST binding, signed where there is a key.
    pub(super) fn signed(&self, key: Option<&OwnKey>) -> Option<String> {
        match key {
            Some(key) => key.sign_message(format!("{}{}{}", self.head, key.template(&self.id), self.tail)),
            None => Some(self.plain()),
        }
    }
}

/// Who writes to whom, and when.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub id: &'a str,
    pub issuer: &'a str,
    pub destination: &'a str,
    pub now: Timestamp,
}

impl Envelope<'_> {
    /// A message named `name` with `attributes` and `content`.
    fn around(self, name: &str, attributes: &str, content: &str) -> Message {
        let (protocol, assertion) = (names::PROTOCOL, names::ASSERTION);
        let (id, destination, issuer) = (escape(self.id), escape(self.destination), escape(self.issuer));
        let head = format!(
            "<samlp:{name} xmlns:samlp=\"{protocol}\" xmlns:saml=\"{assertion}\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"{destination}\"{attributes}><saml:Issuer>{issuer}</saml:Issuer>",
            self.now
        );
        Message { id: self.id.to_owned(), head, tail: format!("{content}</samlp:{name}>") }
    }
}

/// What a sign-in asks for (SAML Core §3.4.1).
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub acs: &'a str,
    pub force_authn: bool,
    /// Nobody is to be asked anything.
    pub passive: bool,
    pub name_id_format: Option<&'static str>,
    /// Authentication contexts of which one is wanted.
    pub contexts: &'a [String],
}

pub(super) fn authn_request(envelope: Envelope<'_>, ask: Ask<'_>) -> Message {
    let force = if ask.force_authn { " ForceAuthn=\"true\"" } else { "" };
    let passive = if ask.passive { " IsPassive=\"true\"" } else { "" };
    let attributes =
        format!("{force}{passive} ProtocolBinding=\"{}\" AssertionConsumerServiceURL=\"{}\"", names::POST, escape(ask.acs));
    let format = ask.name_id_format.map(|format| format!(" Format=\"{format}\"")).unwrap_or_default();
    let mut content = format!("<samlp:NameIDPolicy{format} AllowCreate=\"true\"/>");
    if !ask.contexts.is_empty() {
        content.push_str("<samlp:RequestedAuthnContext Comparison=\"exact\">");
        for context in ask.contexts {
            content.extend(["<saml:AuthnContextClassRef>", &escape(context), "</saml:AuthnContextClassRef>"]);
        }
        content.push_str("</samlp:RequestedAuthnContext>");
    }
    envelope.around("AuthnRequest", &attributes, &content)
}

/// SAML Core §3.7.1. A name that came encrypted is sent so; `None` where the `provider` takes nothing encrypted.
pub(super) fn logout_request(
    envelope: Envelope<'_>,
    name: &NameId,
    session: Option<&str>,
    provider: Option<&Recipient>,
) -> Option<Message> {
    let mut content = if name.confidential {
        format!("<saml:EncryptedID>{}</saml:EncryptedID>", provider?.seal(&name_id(name))?)
    } else {
        name_id(name)
    };
    if let Some(session) = session {
        content.extend(["<samlp:SessionIndex>", &escape(session), "</samlp:SessionIndex>"]);
    }
    Some(envelope.around("LogoutRequest", "", &content))
}

/// SAML Core §2.2.3; with its namespace, which has to be there where it is read alone.
fn name_id(name: &NameId) -> String {
    let attribute = |key: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {key}=\"{}\"", escape(value)));
    let attributes = [
        attribute("Format", &name.format),
        attribute("NameQualifier", &name.name_qualifier),
        attribute("SPNameQualifier", &name.sp_name_qualifier),
    ];
    let attributes: String = attributes.into_iter().flatten().collect();
    format!("<saml:NameID xmlns:saml=\"{}\"{attributes}>{}</saml:NameID>", names::ASSERTION, escape(&name.value))
}

/// SAML Core §3.7.2.
pub(super) fn logout_response(envelope: Envelope<'_>, in_response_to: &str, status: &str) -> Message {
    let attributes = format!(" InResponseTo=\"{}\"", escape(in_response_to));
    envelope.around(
        "LogoutResponse",
        &attributes,
        &format!("<samlp:Status><samlp:StatusCode Value=\"{status}\"/></samlp:Status>"),
    )
}

/// What we are, for the provider (SAML Metadata §2.4.4).
#[derive(Clone, Copy)]
pub(super) struct OwnMetadata<'a> {
    pub entity_id: &'a str,
    pub acs: &'a str,
    pub slo: &'a str,
    pub key: Option<&'a OwnKey>,
    pub signs_requests: bool,
    pub wants_assertions_signed: bool,
    pub name_id_format: Option<&'static str>,
}

impl OwnMetadata<'_> {
    pub(super) fn write(self) -> String {
        let (acs, slo, entity) = (escape(self.acs), escape(self.slo), escape(self.entity_id));
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{}\" entityID=\"{entity}\">\
             <md:SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"{}\" protocolSupportEnumeration=\"{}\">",
            names::METADATA,
            self.signs_requests,
            self.wants_assertions_signed,
            names::PROTOCOL
        );
        if let Some(key) = self.key {
            let certificate = certificate::to_base64(&key.certificate);
            for (usage, methods) in [("signing", &[][..]), ("encryption", &names::AES_GCM[2..])] {
                text.push_str(&key_descriptor(usage, &certificate, methods));
            }
            for binding in [names::REDIRECT, names::POST] {
                text.extend(["<md:SingleLogoutService Binding=\"", binding, "\" Location=\"", &slo, "\"/>"]);
            }
        }
        if let Some(format) = self.name_id_format {
            text.extend(["<md:NameIDFormat>", format, "</md:NameIDFormat>"]);
        }
        text.extend([
            "<md:AssertionConsumerService Binding=\"",
            names::POST,
            "\" Location=\"",
            &acs,
            "\" index=\"0\" isDefault=\"true\"/>",
        ]);
        text.push_str("</md:SPSSODescriptor></md:EntityDescriptor>\n");
        text
    }
}

fn key_descriptor(usage: &str, certificate: &str, methods: &[&str]) -> String {
    let methods: Vec<_> = methods.iter().map(|method| format!("<md:EncryptionMethod Algorithm=\"{method}\"/>")).collect();
    format!(
        "<md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo xmlns:ds=\"{}\"><ds:X509Data><ds:X509Certificate>{certificate}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>{}</md:KeyDescriptor>",
        names::SIGNATURE,
        methods.concat()
    )
}

/// A text as it may stand in content and in attributes. Characters that XML 1.0 §2.2 does not have are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
