//! The schema of groups (RFC 7643 §4.2).
//!
//! Refuses to give anybody anything by a group within a group, which is kept and told: a role that came by way of a group of groups
//! would be one that nobody sees given.

use super::{Attribute, many, reference, text};

pub(super) static ATTRIBUTES: &[Attribute] = &[
    text("displayName", "The group's name; unique in the tenant, and what roles are mapped from.").required().unique(),
    many("members", MEMBERS, "The people in it; groups are kept, without effect."),
];

static MEMBERS: &[Attribute] = &[
    text("value", "The id of the person or group.").exact().immutable(),
    reference("$ref", &["User", "Group"], "The address of the person or group.").immutable(),
    text("display", "The name of the person or group.").read_only().on_request(),
    text("type", "What kind of resource it is.").canonical(&["User", "Group"]).immutable(),
];
