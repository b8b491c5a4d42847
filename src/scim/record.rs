//! What provisioning changes, in the audit trail: one event for each change.
//!
//! Refuses to copy what is personal: an event names attributes, not their values.

use std::fmt::Display;

use serde_json::Value;

use super::Scim;
use super::call::Caller;
use super::error::ScimError;
use super::resource::Attributes;
use super::schema::ENTERPRISE;
use crate::audit::what::What;
use crate::audit::{Event, Outcome};

impl Scim {
    pub(super) async fn record(&self, caller: &Caller, target: impl Display, what: impl Into<What>) -> Result<(), ScimError> {
        let mut event = Event::new(caller.now, what, Outcome::Success, &caller.by.tenant);
        event.actor = Some(format!("scim:{}", caller.token));
        event.target = Some(target.to_string());
        event.source = Some(caller.origin.client);
        event.user_agent.clone_from(&caller.origin.user_agent);
        event.request_id.clone_from(&caller.origin.request_id);
        Ok(self.means.audit.record(event).await?)
    }
}

/// Names of what differs, those of the extension without its URN.
pub(super) fn changed(before: &Attributes, after: &Attributes) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in before.keys().chain(after.keys()) {
        match (before.get(name), after.get(name)) {
            (old, new) if old == new => {}
            (old, new) if name == ENTERPRISE => {
                let fields = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
                names.extend(changed(&fields(old), &fields(new)));
            }
            _ => names.push(name.clone()),
        }
    }
    names.sort();
    names.dedup();
    names
}
