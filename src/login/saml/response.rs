//! A response to an authentication request (SAML Core §3.3.3), from its text to what it proves.
//!
//! Refuses every response in which not exactly one assertion is signed, itself or by the response around it. The envelope is read
//! before that is known, but only ever to refuse: nothing of who somebody is comes from it.

use super::assertion::Assertion;
use super::decrypt::{self, DecryptionKey};
use super::judge::{Expected, Judged, shorten};
use super::names;
use super::refusal::Refusal;
use super::signature::{self, Coverage, Signed, Trust};
use super::tree::{Element, Tree};
use crate::audit::ProviderAnswer;

/// Who is believed, and what can be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a> {
    pub trust: &'a Trust,
    pub decryption: Option<&'a DecryptionKey>,
}

/// A response that is parsed and whose envelope is known.
pub(super) struct Response(Tree);

impl Response {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let tree = Tree::parse(text)?;
        let root = tree.root()?;
        if !root.is(names::PROTOCOL, "Response") {
            return Err(Refusal::UnexpectedMessage(shorten(&root.name())));
        }
        if root.attribute("Version") != Some("2.0") || root.attribute("ID").is_none_or(str::is_empty) {
            return Err(Refusal::Version);
        }
        Ok(Self(tree))
    }

    /// What it says it answers. Believed only when the assertion says so too.
    pub(super) fn in_response_to(&self) -> Option<&str> {
        self.0.root().ok()?.attribute("InResponseTo")
    }

    /// What explains a failure, for the record: its status and what it says of itself. Nothing of it was proven.
    pub(super) fn words(&self) -> ProviderAnswer {
        let root = self.0.root().ok();
        let status = root.and_then(|root| root.one(names::PROTOCOL, "Status"));
        let code = status.and_then(|status| status.one(names::PROTOCOL, "StatusCode"));
        let second = code.and_then(|code| code.one(names::PROTOCOL, "StatusCode"));
        let value = |code: Option<Element<'_>>| code.and_then(|code| code.attribute("Value")).map(str::to_owned);
        let text = |of: Option<Element<'_>>, namespace, name| of.and_then(|of| of.one(namespace, name)).and_then(Element::text);
        let attribute = |name| root.and_then(|root| root.attribute(name)).map(str::to_owned);
        let said = [
            ("status", value(code)),
            ("second_status", value(second)),
            ("status_message", text(status, names::PROTOCOL, "StatusMessage")),
            ("issuer", text(root, names::ASSERTION, "Issuer")),
            ("destination", attribute("Destination")),
            ("issue_instant", attribute("IssueInstant")),
        ];
        ProviderAnswer::of_parameters(said.iter().map(|(name, value)| (*name, value.as_deref())))
    }

    /// Everything that has to hold. CPU-heavy: two public-key operations and one private.
    pub(super) fn judge(&self, expected: &Expected<'_>, keys: Keys<'_>) -> Result<Judged, Refusal> {
        expected.judge(self.prove(expected, keys)?)
    }

    /// What the one signed assertion says; whether it holds here and now is not judged yet.
    pub(super) fn prove(&self, expected: &Expected<'_>, keys: Keys<'_>) -> Result<Assertion, Refusal> {
        let root = self.0.root()?;
        judge_status(root)?;
        let child = self.only_assertion()?;
        let plain = child.is(names::ASSERTION, "Assertion");
        let coverage = signature::verify(&self.0, Some(child).filter(|_| plain), keys.trust)?;
        if coverage.root().is_none() && expected.signed_response {
            return Err(Refusal::ResponseUnsigned);
        }
        judge_envelope(root, coverage.root().is_some(), expected)?;
        if plain { read(child, coverage, expected, keys) } else { read_sealed(child, coverage, expected, keys) }
    }

    /// As [`Self::prove`], but taking every signature as given: for documents of long ago whose keys nobody can use any more.
    #[cfg(test)]
    pub(super) fn prove_without_signature(&self, expected: &Expected<'_>) -> Result<Assertion, Refusal> {
        let root = self.0.root()?;
        judge_status(root)?;
        let child = self.only_assertion()?;
        judge_envelope(root, false, expected)?;
        Assertion::read(Signed::taken_as_given(child), None)
    }

    /// The one assertion, plain or encrypted, which is a child of the response. One anywhere else is an attempt to have it confused.
    fn only_assertion(&self) -> Result<Element<'_>, Refusal> {
        let mut all = self.0.all(names::ASSERTION, "Assertion");
        all.extend(self.0.all(names::ASSERTION, "EncryptedAssertion"));
        let [only] = all.as_slice() else { return Err(Refusal::AssertionCount(all.len())) };
        let root = self.0.root()?;
        if only.parent().is_some_and(|parent| parent == root) { Ok(*only) } else { Err(Refusal::AssertionMisplaced) }
    }
}

fn read(assertion: Element<'_>, coverage: Coverage<'_>, expected: &Expected<'_>, keys: Keys<'_>) -> Result<Assertion, Refusal> {
    let itself = coverage.itself(assertion);
    match (itself, coverage.of(assertion)) {
        (None, Some(_)) if expected.signed_assertion => Err(Refusal::AssertionUnsigned),
        (_, Some(signed)) => Assertion::read(signed, keys.decryption),
        (_, None) => Err(Refusal::Unsigned),
    }
}

fn read_sealed(sealed: Element<'_>, outer: Coverage<'_>, expected: &Expected<'_>, keys: Keys<'_>) -> Result<Assertion, Refusal> {
    let opened = decrypt::open(sealed, keys.decryption.ok_or(Refusal::NoDecryptionKey)?)?;
    let inside = |sealed: Option<Signed<'_>>| {
        let assertion = signature::content(&opened.tree)?;
        let holds = opened.tree.all(names::ASSERTION, "Assertion").len();
        if !assertion.is(names::ASSERTION, "Assertion") || holds != 1 {
            return Err(Refusal::AssertionCount(holds));
        }
        let coverage = signature::verify(&opened.tree, Some(assertion), keys.trust)?;
        match sealed {
            Some(sealed) if coverage.itself(assertion).is_none() && !expected.signed_assertion => {
                Assertion::read(sealed.unsealed(&opened.tree)?, keys.decryption)
            }
            _ => read(assertion, coverage, expected, keys),
        }
    };
    let read = inside(outer.of(sealed));
    // Where nobody vouches for the sealed form and the cipher does not either, whoever sends variants of it must learn nothing.
    let silent = !opened.authenticated && outer.root().is_none();
    read.map_err(|refusal| if silent { Refusal::Undecryptable } else { refusal })
}

fn judge_envelope(root: Element<'_>, signed: bool, expected: &Expected<'_>) -> Result<(), Refusal> {
    match root.one(names::ASSERTION, "Issuer").and_then(Element::text) {
        Some(issuer) if issuer != expected.issuer => return Err(Refusal::Issuer(shorten(&issuer))),
        // SAML Profiles §4.1.4.2: a signed response says who issued it.
        None if signed || root.all(names::ASSERTION, "Issuer").next().is_some() => return Err(Refusal::IssuerMissing),
        _ => {}
    }
    match root.attribute("Destination") {
        Some(destination) if destination != expected.acs => return Err(Refusal::Destination(shorten(destination))),
        // SAML Bindings §3.5.5.2.
        None if signed => return Err(Refusal::DestinationMissing),
        _ => {}
    }
    match (root.attribute("InResponseTo"), expected.request) {
        (answered, asked) if answered == asked => Ok(()),
        (None, Some(_)) => Err(Refusal::Unsolicited),
        _ => Err(Refusal::InResponseTo),
    }
}

/// SAML Core §3.2.2. A failure has two codes, of which the second says more.
fn judge_status(root: Element<'_>) -> Result<(), Refusal> {
    let status = root.one(names::PROTOCOL, "Status").ok_or(Refusal::StatusMissing)?;
    let code = status.one(names::PROTOCOL, "StatusCode").ok_or(Refusal::StatusMissing)?;
    let value = code.attribute("Value").ok_or(Refusal::StatusMissing)?;
    if value == names::SUCCESS {
        return Ok(());
    }
    let second = code.one(names::PROTOCOL, "StatusCode").and_then(|code| code.attribute("Value"));
    let said = second.unwrap_or(value);
    let message = status.one(names::PROTOCOL, "StatusMessage").and_then(Element::text).filter(|text| !text.is_empty());
    let code = shorten(said.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:").unwrap_or(said));
    Err(Refusal::Status { code, message: message.map(|text| shorten(&text)) })
}

/// A message as a form carries it (SAML Bindings §3.5.4): base64, with or without line ends.
pub(super) fn decode(form: &str) -> Result<String, Refusal> {
    use base64::Engine as _;
    if form.len() > super::tree::LARGEST * 2 {
        return Err(Refusal::TooLarge);
    }
    let compact: Vec<u8> = form.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(compact).map_err(|_| Refusal::Encoding)?;
    String::from_utf8(bytes).map_err(|_| Refusal::Encoding)
}
