//! The reference model: a person with a handful of attributes as plain fields, and what each operation means for them.
//!
//! Refuses to share code with what it is compared with; it knows no JSON and no paths but to spell them.

use serde_json::{Map, Value, json};

/// One address for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Email {
    pub value: String,
    pub kind: Option<String>,
    pub primary: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub user_name: String,
    pub active: Option<bool>,
    pub title: Option<String>,
    pub given: Option<String>,
    pub family: Option<String>,
    pub department: Option<String>,
    pub emails: Vec<Email>,
}

/// What may be done, without how it is spelt.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Title(Option<String>),
    Active(bool),
    UserName(String),
    Given(Option<String>),
    /// Family name and, if there is one, given name, as an object.
    Name(String, Option<String>),
    Department(Option<String>),
    AddEmail(Email),
    /// All of them at once; at most one is primary.
    ReplaceEmails(Vec<Email>),
    RemoveEmails,
    /// Those of this type.
    RemoveEmailsOf(String),
    /// By value, as a list beside the path.
    RemoveEmail(String),
    /// The value of those of this type; `true` adds one if there is none.
    EmailOf(String, String, bool),
    /// Removes `userName`: never allowed.
    NoName,
    /// Changes `id`: never allowed by path.
    Id,
}

impl Person {
    /// The person after this step; `None` if it is not allowed.
    pub(super) fn after(mut self, step: &Step) -> Option<Self> {
        match step {
            Step::Title(title) => self.title.clone_from(title),
            Step::Active(active) => self.active = Some(*active),
            Step::UserName(name) => self.user_name.clone_from(name),
            Step::Given(given) => self.given.clone_from(given),
            Step::Name(family, given) => {
                self.family = Some(family.clone());
                self.given = given.clone().or(self.given);
            }
            Step::Department(department) => self.department.clone_from(department),
            Step::AddEmail(email) => self.add(email),
            Step::ReplaceEmails(emails) => self.emails.clone_from(emails),
            Step::RemoveEmails => self.emails.clear(),
            Step::RemoveEmailsOf(kind) => self.emails.retain(|email| email.kind.as_ref() != Some(kind)),
            Step::RemoveEmail(value) => self.emails.retain(|email| email.value != *value),
            Step::EmailOf(kind, value, add) => {
                let mut found = false;
                for email in self.emails.iter_mut().filter(|email| email.kind.as_ref() == Some(kind)) {
                    email.value.clone_from(value);
                    found = true;
                }
                match (found, add) {
                    (true, _) => {}
                    (false, true) => self.emails.push(Email { value: value.clone(), kind: Some(kind.clone()), primary: false }),
                    (false, false) => return None,
                }
            }
            Step::NoName | Step::Id => return None,
        }
        Some(self)
    }

    fn add(&mut self, new: &Email) {
        if new.primary {
            self.emails.iter_mut().for_each(|email| email.primary = false);
        }
        if !self.emails.contains(new) {
            self.emails.push(new.clone());
        }
    }

    /// As it is kept.
    pub(super) fn resource(&self) -> Map<String, Value> {
        let mut whole = Map::new();
        whole.insert("userName".to_owned(), json!(self.user_name));
        whole.extend(self.active.map(|active| ("active".to_owned(), json!(active))));
        whole.extend(self.title.as_ref().map(|title| ("title".to_owned(), json!(title))));
        let mut name = Map::new();
        name.extend(self.given.as_ref().map(|given| ("givenName".to_owned(), json!(given))));
        name.extend(self.family.as_ref().map(|family| ("familyName".to_owned(), json!(family))));
        if !name.is_empty() {
            whole.insert("name".to_owned(), Value::Object(name));
        }
        if let Some(department) = &self.department {
            let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
            whole.insert(urn.to_owned(), json!({ "department": department }));
        }
        if !self.emails.is_empty() {
            whole.insert("emails".to_owned(), self.emails.iter().map(Email::document).collect());
        }
        whole
    }
}

impl Email {
    pub(super) fn document(&self) -> Value {
        let mut whole = json!({ "value": self.value });
        if let Some(fields) = whole.as_object_mut() {
            fields.extend(self.kind.as_ref().map(|kind| ("type".to_owned(), json!(kind))));
            fields.extend(self.primary.then(|| ("primary".to_owned(), json!(true))));
        }
        whole
    }
}
