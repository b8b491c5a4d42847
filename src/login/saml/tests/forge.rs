//! Messages as a provider makes them: written here, signed and encrypted by xmlsec1, which nobody here wrote.
//!
//! Refuses to hand out a message that xmlsec1 did not sign: a test against an unsigned message shows nothing.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::super::certificate;
use super::super::decrypt::DecryptionKey;
use super::super::judge::{Expected, Judged};
use super::super::refusal::Refusal;
use super::super::response::{Keys, Response};
use super::super::signature::Trust;
use crate::clock::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(super) const IDP: &str = "https://idp.example/metadata";
pub(super) const SP: &str = "https://app.example/.doorward/saml/corp/metadata";
pub(super) const ACS: &str = "https://app.example/.doorward/saml/corp/acs";
pub(super) const REQUEST: &str = "_request";
pub(super) const SHA256: (&str, &str) =
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256");
pub(super) const SHA1: (&str, &str) = ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1");
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Keys and certificates of the provider, of its next key, of an attacker, and of ours.
pub(super) struct Forge {
    folder: TempDir,
}

/// What a response says; the defaults are all right.
#[derive(Clone)]
pub(super) struct Draft {
    pub issuer: String,
    pub destination: String,
    pub in_response_to: Option<String>,
    pub recipient: String,
    pub audience: String,
    pub not_before: Timestamp,
    pub not_on_or_after: Timestamp,
    pub name_id: String,
    pub attributes: String,
    pub assertion_id: String,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            issuer: IDP.to_owned(),
            destination: ACS.to_owned(),
            in_response_to: Some(REQUEST.to_owned()),
            recipient: ACS.to_owned(),
            audience: SP.to_owned(),
            not_before: NOW.before(std::time::Duration::from_secs(30)),
            not_on_or_after: NOW.after(std::time::Duration::from_secs(300)),
            name_id: "ada@acme.example".to_owned(),
            attributes: r#"<saml:Attribute Name="groups"><saml:AttributeValue>staff</saml:AttributeValue></saml:Attribute>"#
                .to_owned(),
            assertion_id: "_assertion".to_owned(),
        }
    }
}

impl Draft {
    fn answered(&self) -> String {
        self.in_response_to.as_ref().map(|id| format!(r#" InResponseTo="{id}""#)).unwrap_or_default()
    }

    /// The assertion, with `signature` where SAML wants it.
    pub(super) fn assertion(&self, signature: &str) -> String {
        let Self { issuer, recipient, audience, not_before, not_on_or_after, name_id, attributes, assertion_id, .. } = self;
        let answered = self.answered();
        format!(
            r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{assertion_id}" Version="2.0" IssueInstant="{NOW}"><saml:Issuer>{issuer}</saml:Issuer>{signature}<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{name_id}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{not_on_or_after}" Recipient="{recipient}"{answered}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{not_before}" NotOnOrAfter="{not_on_or_after}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{NOW}" SessionIndex="_session"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"#
        )
    }

    /// A response around `inner`, with `signature` where SAML wants it.
    pub(super) fn response(&self, signature: &str, inner: &str) -> String {
        let Self { issuer, destination, .. } = self;
        let answered = self.answered();
        let destination = if destination.is_empty() { String::new() } else { format!(r#" Destination="{destination}""#) };
        format!(
            r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="{NOW}"{destination}{answered}><saml:Issuer>{issuer}</saml:Issuer>{signature}<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{inner}</samlp:Response>"#
        )
    }
}

/// An empty signature for xmlsec1 to fill in.
pub(super) fn template(id: &str, (method, digest): (&str, &str)) -> String {
    template_with(id, method, digest, &format!(r#"<ds:Transform Algorithm="{EXCLUSIVE}"/>"#))
}

pub(super) fn template_with(id: &str, method: &str, digest: &str, transforms: &str) -> String {
    format!(
        r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/><ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"##
    )
}

impl Forge {
    /// One for all tests; `None` with a message where xmlsec1 or openssl is not installed, which `tests/setup` does.
    pub(super) fn get() -> Option<&'static Self> {
        static FORGE: OnceLock<Option<Forge>> = OnceLock::new();
        let forge = FORGE.get_or_init(|| {
            let there = |program| {
                Command::new(program).arg("--version").output().is_ok() || Command::new(program).arg("version").output().is_ok()
            };
            if !there("xmlsec1") || !there("openssl") {
                assert_ne!(option_env!("CI"), Some("true"), "xmlsec1 and openssl are missing");
                eprintln!("not run: xmlsec1 or openssl is missing; run tests/setup");
                return None;
            }
            let folder = tempfile::tempdir().unwrap();
            for name in ["idp", "next", "mallory", "own"] {
                run(
                    folder.path(),
                    "openssl",
                    &[
                        "req",
                        "-x509",
                        "-newkey",
                        "rsa:2048",
                        "-nodes",
                        "-keyout",
                        &format!("{name}.key"),
                        "-out",
                        &format!("{name}.pem"),
                        "-days",
                        "30",
                        "-subj",
                        &format!("/CN={name}"),
                    ],
                );
            }
            Some(Forge { folder })
        });
        forge.as_ref()
    }

    pub(super) fn certificate(&self, name: &str) -> Vec<u8> {
        let pem = std::fs::read_to_string(self.folder.path().join(format!("{name}.pem"))).unwrap();
        certificate::from_pem(&pem).unwrap().remove(0)
    }

    /// Fills in the signature of the element with `id` (every template signs one).
    pub(super) fn sign(&self, text: &str, id: &str, signer: &str) -> String {
        self.xmlsec(
            text,
            &[
                "--sign",
                "--privkey-pem",
                &format!("{signer}.key,{signer}.pem"),
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:protocol:Response",
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
                "--node-xpath",
                &format!("//*[local-name()='Signature'][.//*[@URI='#{id}']]"),
            ],
        )
    }

    /// As `EncryptedAssertion`, for our key.
    pub(super) fn encrypt(&self, assertion: &str, cipher: &str, session_key: &str) -> String {
        format!("<saml:EncryptedAssertion>{}</saml:EncryptedAssertion>", self.seal(assertion, cipher, session_key))
    }

    /// As `EncryptedID`, for our key.
    pub(super) fn encrypt_id(&self, name: &str, cipher: &str, session_key: &str) -> String {
        format!("<saml:EncryptedID>{}</saml:EncryptedID>", self.seal(name, cipher, session_key))
    }

    /// As `EncryptedData`, for our key.
    fn seal(&self, plain_text: &str, cipher: &str, session_key: &str) -> String {
        let template = format!(
            r#"<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="{cipher}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/></xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"#
        );
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let plain = folder.path().join("plain.xml");
        std::fs::write(&plain, plain_text).unwrap();
        let plain = plain.to_str().unwrap();
        self.xmlsec(
            &template,
            &["--encrypt", "--pubkey-cert-pem", "own.pem", "--session-key", session_key, "--binary-data", plain],
        )
    }

    pub(super) fn xmlsec(&self, text: &str, arguments: &[&str]) -> String {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let (input, output) = (folder.path().join("in.xml"), folder.path().join("out.xml"));
        std::fs::write(&input, text).unwrap();
        let mut all: Vec<&str> = arguments.to_vec();
        all.extend(["--output", output.to_str().unwrap(), input.to_str().unwrap()]);
        run(self.folder.path(), "xmlsec1", &all);
        let text = std::fs::read_to_string(output).unwrap();
        text.strip_prefix("<?xml version=\"1.0\"?>\n").unwrap_or(&text).trim_end().to_owned()
    }

    /// A response with a signed assertion.
    pub(super) fn signed_assertion(&self, draft: &Draft) -> String {
        let text = draft.response("", &draft.assertion(&template(&draft.assertion_id, SHA256)));
        self.sign(&text, &draft.assertion_id, "idp")
    }

    /// A signed response.
    pub(super) fn signed_response(&self, draft: &Draft) -> String {
        self.sign(&draft.response(&template("_response", SHA256), &draft.assertion("")), "_response", "idp")
    }

    /// The signed assertion alone.
    pub(super) fn assertion(&self, draft: &Draft, signer: &str, methods: (&str, &str)) -> String {
        self.sign(&draft.assertion(&template(&draft.assertion_id, methods)), &draft.assertion_id, signer)
    }

    /// As the door judges it that trusts `idp` and its next key.
    pub(super) fn judge(&self, text: &str) -> Result<Judged, Refusal> {
        self.judge_as(text, |_| {})
    }

    pub(super) fn judge_as(&self, text: &str, change: impl FnOnce(&mut Expected<'_>)) -> Result<Judged, Refusal> {
        let trust = Trust::new(vec![self.certificate("idp"), self.certificate("next")]).unwrap();
        let pem = std::fs::read(self.folder.path().join("own.key")).unwrap();
        let own = DecryptionKey::new(&bergshamra::keys::loader::load_pem_auto(&pem, None).unwrap()).unwrap();
        let mut expected = Expected {
            issuer: IDP,
            audience: SP,
            acs: ACS,
            request: Some(REQUEST),
            now: NOW,
            skew: std::time::Duration::from_secs(60),
            signed_assertion: false,
            signed_response: false,
        };
        change(&mut expected);
        Response::parse(text)?.judge(&expected, Keys { trust: &trust, decryption: Some(&own) })
    }

    /// The reason for refusing `text`.
    pub(super) fn reason(&self, text: &str) -> &'static str {
        match self.judge(text) {
            Ok(judged) => panic!("it was believed that this is {}: {text}", judged.assertion.name_id.value),
            Err(refusal) => refusal.reason(),
        }
    }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
