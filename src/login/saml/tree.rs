//! One parsed message, and how to walk down in it.
//!
//! Refuses document types, entities, processing instructions, depth, breadth and size beyond what SAML needs, ids that two elements
//! share, and ids in a foreign namespace, because each of these has made a verifier and a reader see different messages (threats S2,
//! S11). A message is parsed once; verifier and reader walk the same tree.

use bergshamra::xml::uppsala::{Document, NodeId, NodeKind, Parser};

use super::refusal::Refusal;

/// Bytes of a message after it has been unpacked.
pub(super) const LARGEST: usize = 256 * 1024;
/// Elements within one another; real responses need twelve.
const DEEPEST: u32 = 50;
/// Nodes of a message; the largest real response with five hundred groups has about three thousand.
const MOST_NODES: usize = 20_000;
/// Attributes, and namespace declarations, of one element.
const MOST_ATTRIBUTES: usize = 64;
/// What the signature library looks ids up by.
const ID_NAMES: [&str; 4] = ["ID", "Id", "id", "AssertionID"];

/// A message that is fit to be looked at. Nothing in it is to be believed yet.
pub(super) struct Tree(Document<'static>);

/// An element of a [`Tree`]: nothing says that anybody vouches for it. Only the verifier turns one into a
/// [`Signed`](super::signature::Signed).
#[derive(Clone, Copy)]
pub(super) struct Element<'t> {
    pub(super) document: &'t Document<'static>,
    pub(super) node: NodeId,
}

impl Tree {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > LARGEST {
            return Err(Refusal::TooLarge);
        }
        // The parser refuses it too; looked for here so that it has a reason of its own.
        if text.contains("<!DOCTYPE") {
            return Err(Refusal::DocumentType);
        }
        let parser = Parser::new().with_forbid_dtd(true).with_forbid_entities(true).with_max_depth(DEEPEST);
        let parsed = parser.parse(text).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let tree = Self(parsed.into_static());
        tree.inspect()?;
        Ok(tree)
    }

    /// The whole tree, before anything in it is used.
    fn inspect(&self) -> Result<(), Refusal> {
        let nodes = self.0.descendants(self.0.root());
        if nodes.len() > MOST_NODES {
            return Err(Refusal::TooComplex);
        }
        let mut ids = std::collections::HashSet::new();
        for node in nodes {
            match self.0.node_kind(node) {
                Some(NodeKind::ProcessingInstruction(_)) => return Err(Refusal::ProcessingInstruction),
                Some(NodeKind::Element(element)) => {
                    if element.attributes.len() > MOST_ATTRIBUTES || element.namespace_declarations.len() > MOST_ATTRIBUTES {
                        return Err(Refusal::TooComplex);
                    }
                    let named = element.attributes.iter().filter(|attribute| ID_NAMES.contains(&&*attribute.name.local_name));
                    for attribute in named {
                        if attribute.name.namespace_uri.is_some() {
                            return Err(Refusal::AmbiguousId);
                        }
                        if !ids.insert(&*attribute.value) {
                            return Err(Refusal::DuplicateId(attribute.value.chars().take(100).collect()));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn document(&self) -> &Document<'static> {
        &self.0
    }

    pub(super) fn root(&self) -> Result<Element<'_>, Refusal> {
        let node = self.0.document_element().ok_or_else(|| Refusal::Malformed("it has no element".to_owned()))?;
        Ok(Element { document: &self.0, node })
    }

    /// Every element of this name, wherever it stands.
    pub(super) fn all(&self, namespace: &str, name: &str) -> Vec<Element<'_>> {
        let found = self.0.descendants(self.0.root()).into_iter().map(|node| Element { document: &self.0, node });
        found.filter(|element| element.is(namespace, name)).collect()
    }
}

impl<'t> Element<'t> {
    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.document.element(self.node).is_some_and(|element| element.name.matches(Some(namespace), name))
    }

    /// Its name without prefix, for messages.
    pub(super) fn name(self) -> String {
        self.document.element(self.node).map(|element| element.name.local_name.to_string()).unwrap_or_default()
    }

    /// An attribute that is in no namespace. One of the same name in a foreign namespace is another attribute.
    pub(super) fn attribute(self, name: &str) -> Option<&'t str> {
        let element = self.document.element(self.node)?;
        element.attributes.iter().find(|attribute| attribute.name.matches(None, name)).map(|attribute| &*attribute.value)
    }

    /// Child elements, of whatever name.
    pub(super) fn children(self) -> impl Iterator<Item = Element<'t>> {
        let document = self.document;
        let nodes = document.children_iter(self.node).filter(|node| document.element(*node).is_some());
        nodes.map(move |node| Element { document, node })
    }

    pub(super) fn all(self, namespace: &'static str, name: &'static str) -> impl Iterator<Item = Element<'t>> {
        self.children().filter(move |child| child.is(namespace, name))
    }

    /// The child of this name, if there is exactly one.
    pub(super) fn one(self, namespace: &'static str, name: &'static str) -> Option<Element<'t>> {
        let mut found = self.all(namespace, name);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// All the text, whatever comments stand between its parts (threats S6); `None` if an element stands among it.
    pub(super) fn text(self) -> Option<String> {
        if self.children().next().is_some() {
            return None;
        }
        Some(self.document.text_content_deep(self.node).trim().to_owned())
    }

    pub(super) fn parent(self) -> Option<Element<'t>> {
        let node = self.document.parent(self.node)?;
        self.document.element(node).map(|_| Element { document: self.document, node })
    }

    /// Every element below, and itself.
    pub(super) fn subtree(self) -> impl Iterator<Item = Element<'t>> {
        let document = self.document;
        let below = document.descendants(self.node).into_iter().filter(move |node| *node != self.node);
        let elements = below.filter(move |node| document.element(*node).is_some());
        std::iter::once(self).chain(elements.map(move |node| Element { document, node }))
    }

    /// Whether a comment stands anywhere below.
    pub(super) fn holds_comment(self) -> bool {
        let nodes = self.document.descendants(self.node);
        nodes.into_iter().any(|node| matches!(self.document.node_kind(node), Some(NodeKind::Comment(_))))
    }

    /// The namespace declarations in force here: prefix and name, the nearest first.
    pub(super) fn namespaces(self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut at = Some(self);
        while let Some(element) = at {
            let declared = self.document.element(element.node).map(|node| node.namespace_declarations.as_slice());
            for (prefix, name) in declared.unwrap_or_default() {
                if !found.iter().any(|(known, _)| known == prefix) {
                    found.push((prefix.to_string(), name.to_string()));
                }
            }
            at = element.parent();
        }
        found
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.node == other.node
    }
}
