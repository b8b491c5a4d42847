//! Name identifiers that are encrypted by themselves, and metadata with a signature of its own.
//!
//! Refuses to take a sealed name for more than what was signed around it, and a document for signed that is not.

use super::super::certificate;
use super::super::idp::{IdentityProvider, UnusableMetadata};
use super::super::signature::Trust;
use super::forge::{Draft, Forge, SHA256, template};

const GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const ADA: &str = r#"<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">ada@acme.example</saml:NameID>"#;

/// The unsigned assertion, with `subject` where the name is.
fn about(subject: &str) -> String {
    let draft = Draft::default();
    let assertion = draft.assertion(&template("_assertion", SHA256));
    let begin = assertion.find("<saml:NameID").unwrap();
    let end = assertion.find("</saml:NameID>").unwrap() + "</saml:NameID>".len();
    format!("{}{subject}{}", &assertion[..begin], &assertion[end..])
}

/// A response around that assertion, signed.
fn signed(forge: &Forge, subject: &str) -> String {
    Draft::default().response("", &forge.sign(&about(subject), "_assertion", "idp"))
}

#[test]
fn an_encrypted_name_is_opened_where_it_was_signed() {
    let Some(forge) = Forge::get() else { return };
    let taken = |text: &str| forge.judge(text).unwrap().assertion.name_id;
    for (cipher, key) in [(GCM, "aes-256"), (CBC, "aes-128")] {
        let name = taken(&signed(forge, &forge.encrypt_id(ADA, cipher, key)));
        assert_eq!(name.value, "ada@acme.example", "{cipher}");
        assert_eq!(name.format.as_deref(), Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"));
    }
    // Sealed within a sealed assertion.
    let twice = forge.sign(&about(&forge.encrypt_id(ADA, GCM, "aes-256")), "_assertion", "idp");
    let twice = Draft::default().response("", &forge.encrypt(&twice, GCM, "aes-256"));
    assert_eq!(taken(&twice).value, "ada@acme.example");
}

#[test]
fn s1_an_encrypted_name_is_no_way_around_the_signature() {
    let Some(forge) = Forge::get() else { return };
    let eve = forge.encrypt_id(&ADA.replace("ada", "eve"), GCM, "aes-256");
    let ada = forge.encrypt_id(ADA, GCM, "aes-256");
    let good = signed(forge, &ada);
    let sealed = |plain: &str| signed(forge, &forge.encrypt_id(plain, GCM, "aes-256"));
    let des = forge.encrypt_id(ADA, CBC, "aes-128").replace("aes128-cbc", "tripledes-cbc");
    for (name, text, reason) in [
        ("swapped", good.replacen(&ada, &eve, 1), "saml_signature_invalid"),
        ("put in the place of a plain one", signed(forge, ADA).replacen(ADA, &eve, 1), "saml_signature_invalid"),
        ("beside a plain one", signed(forge, &format!("{ADA}{eve}")), "saml_name_id"),
        ("two", signed(forge, &format!("{ada}{eve}")), "saml_name_id"),
        ("two names in one", sealed(&format!("{ADA}{}", ADA.replace("ada", "eve"))), "saml_undecryptable"),
        ("an assertion in it", sealed(&Draft::default().assertion("")), "saml_name_id"),
        ("a base id in it", sealed(r#"<saml:BaseID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>"#), "saml_name_id"),
        ("an element in the name", sealed(&ADA.replace("ada", "<b/>ada")), "saml_name_id"),
        ("a document type in it", sealed(&format!("<!DOCTYPE x>{ADA}")), "saml_undecryptable"),
        ("nothing in it", sealed(" "), "saml_undecryptable"),
        ("another cipher", signed(forge, &des), "saml_encryption_algorithm"),
        ("another key transport", signed(forge, &ada.replace("rsa-oaep-mgf1p", "rsa-1_5")), "saml_encryption_algorithm"),
        ("unsigned", Draft::default().response("", &about(&ada).replace(&template("_assertion", SHA256), "")), "saml_unsigned"),
    ] {
        assert_eq!(forge.reason(&text), reason, "{name}");
    }
    assert!(forge.judge(&good).is_ok());
}

#[test]
fn metadata_is_taken_where_the_configured_certificate_signed_it_and_only_then() {
    let Some(forge) = Forge::get() else { return };
    let provider = certificate::to_base64(&forge.certificate("idp"));
    let document = |signature: &str| {
        format!(
            r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_metadata" entityID="https://idp.example">{signature}<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{provider}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>"#
        )
    };
    let by = |signer: &str| forge.sign(&document(&template("_metadata", SHA256)), "_metadata", signer);
    let signer = Trust::new(vec![forge.certificate("next")]).unwrap();
    let read = |text: &str| IdentityProvider::read(text, None, Some(&signer));
    let good = by("next");
    assert_eq!(read(&good).unwrap().entity_id, "https://idp.example");
    assert!(matches!(read(&document("")), Err(UnusableMetadata::Unsigned)));
    for (name, text, reason) in [
        ("by a stranger", by("mallory"), "saml_untrusted_key"),
        ("by the provider, whose key is not the configured one", by("idp"), "saml_untrusted_key"),
        ("changed", good.replace("https://idp.example/sso", "https://evil.example/sso"), "saml_signature_invalid"),
        (
            "wrapped",
            format!(r#"<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">{good}</md:EntitiesDescriptor>"#),
            "saml_signature_misplaced",
        ),
    ] {
        match read(&text) {
            Err(UnusableMetadata::Document(refusal)) => assert_eq!(refusal.reason(), reason, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
