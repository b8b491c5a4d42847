//! What is looked for in the directory: conditions on people and groups, as values.
//!
//! Refuses to be text: a condition is a tree of a few known comparisons, so that nothing a stranger writes is ever read by a database.

use crate::clock::Timestamp;

/// What has to hold of a person or a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// All of these; nothing to fulfil holds always.
    All(Vec<Condition>),
    /// Any of these; nothing to choose from holds never.
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Column(Column, Test),
    /// Some value of an attribute fits; with an empty `All`, there is one.
    Element(Multiple, Within),
}

/// What everybody, or every group, has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    Id,
    /// The user name, or the group's name; in lower case.
    Name,
    ExternalId,
    Active,
    Created,
    Modified,
}

/// What there may be several of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Multiple {
    /// An attribute of a person, as it is kept.
    Attribute(String),
    /// The groups of a person: their `value` and `display`.
    Groups,
    /// The members of a group: their `value`.
    Members,
}

/// What has to hold of one value with its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    All(Vec<Within>),
    Any(Vec<Within>),
    Not(Box<Within>),
    /// The part with this name; of a value without parts, the empty one.
    Part(String, Test),
}

/// One comparison. Texts are compared as they are kept: in lower case where case does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    Present,
    Equal(String),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    Above(String),
    NotBelow(String),
    Below(String),
    NotAbove(String),
    Is(bool),
    At(Timestamp),
    After(Timestamp),
    NotBefore(Timestamp),
    Before(Timestamp),
    NotAfter(Timestamp),
}

impl Test {
    /// Whether it holds of a text that is compared exactly.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Equal(text) => value == text,
            Self::Contains(text) => value.contains(text.as_str()),
            Self::StartsWith(text) => value.starts_with(text.as_str()),
            Self::EndsWith(text) => value.ends_with(text.as_str()),
            Self::Above(text) => value > text.as_str(),
            Self::NotBelow(text) => value >= text.as_str(),
            Self::Below(text) => value < text.as_str(),
            Self::NotAbove(text) => value <= text.as_str(),
            Self::Is(truth) => value == if *truth { "true" } else { "false" },
            Self::At(_) | Self::After(_) | Self::NotBefore(_) | Self::Before(_) | Self::NotAfter(_) => false,
        }
    }
}

/// By what a list is ordered; what has no value comes last, or first if descending (RFC 7644 §3.4.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: OrderBy,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderBy {
    Column(Column),
    /// The primary value of an attribute, or the first: the part with this name.
    Attribute(String, String),
}

impl OrderBy {
    /// Whether there is nobody, and no group, without it.
    #[must_use]
    pub const fn is_always_there(&self) -> bool {
        matches!(self, Self::Column(Column::Id | Column::Name | Column::Created | Column::Modified))
    }
}

/// Which part of what is found, and in which order.
#[derive(Clone, Debug)]
pub struct Search {
    pub condition: Option<Condition>,
    pub order: Option<Order>,
    pub offset: u64,
    /// At most so many; 0 only counts.
    pub limit: u32,
}

/// What was found: how much there is in all, and the part that was asked for.
#[derive(Clone, Debug)]
pub struct Found<T> {
    pub total: u64,
    pub part: Vec<T>,
}
