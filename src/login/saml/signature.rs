//! Signatures: which elements of a message somebody vouches for.
//!
//! Refuses every message in which any signature stands elsewhere, covers something else, is of another form or uses another algorithm
//! than SAML Core §5.4 allows, or does not hold. Only this file makes a [`Signed`], and what people claim to be is read from a
//! [`Signed`] alone: signature wrapping (threats S1) is then a type error, not an oversight.

use bergshamra::dsig::verify::verify_all_document;
use bergshamra::keys::loader::load_x509_cert_der;
use bergshamra::{DsigContext, KeysManager, VerifyResult};

use super::binding::Detached;
use super::decrypt::{self, DecryptionKey, Opened};
use super::names;
use super::refusal::Refusal;
use super::tree::{Element, Tree};

/// The certificates whose keys are believed. Their dates are not asked: metadata is where trust begins and ends, and a provider
/// whose certificate has run out still is who it is (SAML Metadata Interoperability Profile §2.6.1).
pub(super) struct Trust {
    context: DsigContext,
    certificates: Vec<Vec<u8>>,
    signature_methods: &'static [&'static str],
    digest_methods: &'static [&'static str],
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub(super) struct UnusableCertificate(String);

impl Trust {
    /// `certificates`: DER. Several, because a provider that changes its key has two for a while.
    pub(super) fn new(certificates: Vec<Vec<u8>>) -> Result<Self, UnusableCertificate> {
        let mut keys = KeysManager::new();
        for certificate in &certificates {
            keys.add_key(load_x509_cert_der(certificate).map_err(|error| UnusableCertificate(error.to_string()))?);
        }
        // Trusted keys only, strict positions, digests required: keys in a message are never taken (threats S5).
        Ok(Self {
            context: DsigContext::new(keys),
            certificates,
            signature_methods: &names::SIGNATURE_METHODS,
            digest_methods: &names::DIGEST_METHODS,
        })
    }

    /// Takes SHA-1 too: for documents of long ago that are to be refused for another reason.
    #[cfg(test)]
    pub(super) fn with_sha1(self) -> Self {
        Self {
            signature_methods: &["http://www.w3.org/2000/09/xmldsig#rsa-sha1", names::RSA_SHA256],
            digest_methods: &["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmlenc#sha256"],
            ..self
        }
    }

    /// Has `verifier` do the arithmetic: for documents of long ago, whose keys are too short to be used any more.
    #[cfg(test)]
    pub(super) fn with_verifier(self, verifier: Box<dyn kryptering::Verifier>) -> Self {
        Self { context: self.context.with_hsm_verifier(verifier), ..self }
    }

    /// DER of each.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &bergshamra::Key> {
        self.context.keys_manager.keys()
    }
}

/// An element that a trusted key has signed, or one within such an element.
#[derive(Clone, Copy)]
pub(super) struct Signed<'t>(Element<'t>);

/// What of a message is signed.
#[derive(Clone, Copy)]
pub(super) struct Coverage<'t> {
    root: Option<Signed<'t>>,
    child: Option<Signed<'t>>,
}

impl<'t> Signed<'t> {
    pub(super) fn attribute(self, name: &str) -> Option<&'t str> {
        self.0.attribute(name)
    }

    pub(super) fn all(self, namespace: &'static str, name: &'static str) -> impl Iterator<Item = Signed<'t>> {
        self.0.all(namespace, name).map(Signed)
    }

    pub(super) fn one(self, namespace: &'static str, name: &'static str) -> Option<Signed<'t>> {
        self.0.one(namespace, name).map(Signed)
    }

    pub(super) fn children(self) -> impl Iterator<Item = Signed<'t>> {
        self.0.children().map(Signed)
    }

    pub(super) fn text(self) -> Option<String> {
        self.0.text()
    }

    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.0.is(namespace, name)
    }

    #[cfg(test)]
    pub(super) fn taken_as_given(element: Element<'t>) -> Self {
        Self(element)
    }

    /// What is encrypted in it.
    pub(super) fn open(self, key: &DecryptionKey) -> Result<Opened, Refusal> {
        decrypt::open(self.0, key)
    }

    /// The only element of what was decrypted out of this one: whoever signed the sealed form signed what is in it.
    pub(super) fn unsealed(self, plain: &Tree) -> Result<Signed<'_>, Refusal> {
        Ok(Signed(content(plain)?))
    }
}

/// What stands in the wrapper around decrypted text.
pub(super) fn content(plain: &Tree) -> Result<Element<'_>, Refusal> {
    let mut inside = plain.root()?.children();
    let only = inside.next().ok_or(Refusal::Undecryptable)?;
    if inside.next().is_some() { Err(Refusal::Undecryptable) } else { Ok(only) }
}

impl<'t> Coverage<'t> {
    /// The root of the message, if it is signed.
    pub(super) fn root(self) -> Option<Signed<'t>> {
        self.root
    }

    /// `child` of the root, if it is signed itself.
    pub(super) fn itself(self, child: Element<'t>) -> Option<Signed<'t>> {
        self.child.filter(|signed| signed.0 == child)
    }

    /// `child` of the root, if it or the root is signed.
    pub(super) fn of(self, child: Element<'t>) -> Option<Signed<'t>> {
        let within_root = self.root.filter(|root| child.parent().is_some_and(|parent| parent == root.0));
        self.itself(child).or(within_root.map(|_| Signed(child)))
    }
}

/// Checks every signature in `tree`. They may stand in the root and in `child`, which is a child of the root.
pub(super) fn verify<'t>(tree: &'t Tree, child: Option<Element<'t>>, trust: &Trust) -> Result<Coverage<'t>, Refusal> {
    let root = tree.root()?;
    let mut coverage = Coverage { root: None, child: None };
    let signatures = tree.all(names::SIGNATURE, "Signature");
    if signatures.is_empty() {
        return Ok(coverage);
    }
    // All of it is judged before any of it is computed: nothing in a message makes the library fetch, expand or transform.
    for signature in &signatures {
        let parent = signature.parent().filter(|parent| *parent == root || Some(*parent) == child);
        let parent = parent.ok_or(Refusal::SignatureMisplaced)?;
        if parent.one(names::SIGNATURE, "Signature").is_none() {
            return Err(Refusal::SignatureShape("two signatures stand in one element"));
        }
        judge_shape(*signature, parent, trust)?;
    }
    let results =
        verify_all_document(&trust.context, tree.document()).map_err(|error| Refusal::SignatureInvalid(error.to_string()))?;
    if results.len() != signatures.len() {
        return Err(Refusal::SignatureShape("it is not found where it stands"));
    }
    for (signature, result) in signatures.into_iter().zip(results) {
        let parent = signature.parent().ok_or(Refusal::SignatureMisplaced)?;
        judge_result(signature, parent, result, trust)?;
        if parent == root {
            coverage.root = Some(Signed(parent));
        } else {
            coverage.child = Some(Signed(parent));
        }
    }
    Ok(coverage)
}

/// The whole message, where the signature beside it in the query holds. One within it would be another message's, and has no place.
pub(super) fn verify_query<'t>(tree: &'t Tree, detached: &Detached, trust: &Trust) -> Result<Signed<'t>, Refusal> {
    if !tree.all(names::SIGNATURE, "Signature").is_empty() {
        return Err(Refusal::SignatureMisplaced);
    }
    detached.verify(trust)?;
    Ok(Signed(tree.root()?))
}

/// Whether the library vouches for exactly the element that the signature stands in.
fn judge_result(signature: Element<'_>, parent: Element<'_>, result: VerifyResult, trust: &Trust) -> Result<(), Refusal> {
    match result {
        VerifyResult::Valid { signature_node, references, .. } => {
            let [reference] = references.as_slice() else { return Err(Refusal::ForeignReference) };
            let covers = reference.digest_verified && reference.resolved_node == Some(parent.node);
            if covers && signature_node == signature.node { Ok(()) } else { Err(Refusal::ForeignReference) }
        }
        VerifyResult::Invalid { .. } if names_a_stranger(signature, trust) => Err(Refusal::UntrustedKey),
        VerifyResult::Invalid { reason } => Err(Refusal::SignatureInvalid(reason)),
    }
}

/// Whether the signature brings a certificate, and none that is configured. For the reason only: it is never used.
fn names_a_stranger(signature: Element<'_>, trust: &Trust) -> bool {
    let brought: Vec<_> = signature.subtree().filter(|element| element.is(names::SIGNATURE, "X509Certificate")).collect();
    let known = |element: &Element<'_>| {
        let der = element.text().and_then(|text| super::certificate::from_base64(&text));
        der.is_some_and(|der| trust.certificates.contains(&der))
    };
    !brought.is_empty() && !brought.iter().any(known)
}

/// SAML Core §5.4: one reference, to the element itself, by its id, with two transforms; and nothing that could be read twice.
fn judge_shape(signature: Element<'_>, parent: Element<'_>, trust: &Trust) -> Result<(), Refusal> {
    let shape = |what| Err(Refusal::SignatureShape(what));
    if signature.holds_comment() {
        // A digest with a comment in it is cut where the comment begins (threats S4).
        return shape("a comment stands in it");
    }
    for element in signature.subtree() {
        let foreign = |attribute: &bergshamra::xml::uppsala::Attribute<'_>| attribute.name.namespace_uri.is_some();
        if element.document.element(element.node).is_some_and(|element| element.attributes.iter().any(foreign)) {
            return shape("an attribute is in a foreign namespace");
        }
    }
    let count = |name| signature.subtree().filter(|element| element.name() == name).count();
    if count("SignedInfo") != 1 || count("SignatureValue") != 1 || count("Reference") != 1 || count("Signature") != 1 {
        return shape("it must hold one SignedInfo, one Reference and one SignatureValue");
    }
    if count("Object") != 0 || count("Manifest") != 0 || count("RetrievalMethod") != 0 || count("KeyInfoReference") != 0 {
        return shape("it holds or points to further content");
    }
    let info = signature.one(names::SIGNATURE, "SignedInfo").ok_or(Refusal::SignatureShape("SignedInfo is missing"))?;
    let reference = info.one(names::SIGNATURE, "Reference").ok_or(Refusal::SignatureShape("Reference is missing"))?;
    if signature.one(names::SIGNATURE, "SignatureValue").is_none() {
        return shape("SignatureValue is missing");
    }
    method(info, "CanonicalizationMethod", &[names::EXCLUSIVE])?;
    method(info, "SignatureMethod", trust.signature_methods)?;
    method(reference, "DigestMethod", trust.digest_methods)?;
    judge_transforms(reference)?;
    let id = parent.attribute("ID").filter(|id| !id.is_empty()).ok_or(Refusal::ForeignReference)?;
    let target = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
    if target == Some(id) { Ok(()) } else { Err(Refusal::ForeignReference) }
}

fn judge_transforms(reference: Element<'_>) -> Result<(), Refusal> {
    let transforms = reference.one(names::SIGNATURE, "Transforms").ok_or(Refusal::SignatureShape("Transforms is missing"))?;
    let mut found = Vec::new();
    for transform in transforms.children() {
        if !transform.is(names::SIGNATURE, "Transform") {
            return Err(Refusal::SignatureShape("Transforms holds something else"));
        }
        let algorithm = transform.attribute("Algorithm").unwrap_or_default();
        if ![names::ENVELOPED, names::EXCLUSIVE].contains(&algorithm) {
            return Err(Refusal::Algorithm(algorithm.chars().take(200).collect()));
        }
        found.push(algorithm);
    }
    // Without the enveloped transform the signature would have to sign itself; without the other, the canonical form is left open.
    if found == [names::ENVELOPED, names::EXCLUSIVE] {
        Ok(())
    } else {
        Err(Refusal::SignatureShape("the transforms must be enveloped signature and exclusive canonicalization"))
    }
}

/// The algorithm that the child `name` of `element` names, if it is one of `taken`.
fn method(element: Element<'_>, name: &'static str, taken: &[&str]) -> Result<(), Refusal> {
    let method = element.one(names::SIGNATURE, name).ok_or(Refusal::SignatureShape("a method is missing"))?;
    let algorithm = method.attribute("Algorithm").unwrap_or_default();
    if taken.contains(&algorithm) {
        Ok(())
    } else if names::SHA1_METHODS.contains(&algorithm) {
        Err(Refusal::Sha1)
    } else {
        Err(Refusal::Algorithm(algorithm.chars().take(200).collect()))
    }
}
