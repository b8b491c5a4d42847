//! The schema of groups (RFC 7643 §4.2).
//!
//! Refuses groups within groups: a role that comes by way of a group of groups is one that nobody sees given.

use super::{Attribute, many, reference, text};

pub(super) static ATTRIBUTES: &[Attribute] = &[
    text("displayName", "The group's name; unique in the tenant, and what roles are mapped from.").required().unique(),
    many("members", MEMBERS, "The people in it."),
];

static MEMBERS: &[Attribute] = &[
    text("value", "The person's id.").exact().immutable(),
    reference("$ref", &["User"], "The person's address.").immutable(),
    text("display", "The person's name.").read_only().on_request(),
    text("type", "What kind of resource it is.").canonical(&["User"]).immutable(),
];
