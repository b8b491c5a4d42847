//! Signing in at LemonLDAP::NG, a provider in Perl that shares no code with the others: what its pages need of a script.

mod oidc;
mod saml;

use std::process::Command;

use serde_json::{Value, json};

use super::form::{Form, attribute};
use super::house::{Person, Walk};
use crate::support::process::Part;
use crate::support::{Door, Site, part};

/// What the provider knows the door by.
const SECRET: &str = "a-secret-of-some-length";

/// A door whose only connection is the provider.
struct House {
    door: Door,
    idp: Part,
    site: Site,
    _upstream: Part,
}

impl House {
    /// `arguments` of the provider and `connection` of the door; in both, `{own}` is the door's origin, and in the second `{idp}`
    /// the provider's.
    #[track_caller]
    fn with(arguments: &[&str], connection: &str) -> Self {
        let site = Site::new();
        let own = site.origin();
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.replace("{own}", &own)).collect();
        let idp = part("lemonldap", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let upstream = part("echo", &[]);
        let connection = connection.replace("{own}", &own).replace("{idp}", &format!("http://127.0.0.1:{}", idp.port()));
        let groups = "  groups: { timelords: admin, earthlings: editor }";
        let configuration = site.configuration(upstream.port(), &format!("  - id: idp\n{connection}"), groups);
        let door = Door::serve(&configuration, |folder| {
            site.furnish(folder);
            key_pair(folder);
        });
        Self { door, idp, site, _upstream: upstream }
    }

    fn url(&self, path: &str) -> String {
        self.site.origin() + path
    }

    fn person(&self) -> Person {
        Person::at(self.site.port)
    }

    /// Somebody who has signed in by the provider's forms, and wanted `path`.
    #[track_caller]
    fn signed_in(&self, who: &str, path: &str) -> (Person, Walk) {
        let person = self.person();
        let walk = person.log_in_at_portal(&person.walk(&self.url(path)), who);
        assert_eq!(walk.answer.status, 200, "{who} at {}: {}", walk.url, walk.answer.text());
        assert!(walk.url.starts_with(&self.url("/")), "{who} went astray: {:#?} {}", walk.hops, walk.answer.text());
        (person, walk)
    }

    /// The newest events of a kind.
    fn events(&self, kind: &str) -> Vec<Value> {
        self.door.events(kind)
    }
}

/// What the door signs SAML messages with, and opens what is encrypted for it.
fn key_pair(folder: &std::path::Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=doorward"])
        .args(["-keyout", "saml.key", "-out", "saml.crt"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A client of the provider, with further metadata.
fn clients(further: &Value) -> String {
    let mut client = json!({
        "client_id": "doorward", "client_secret": SECRET,
        "redirect_uris": ["{own}/.doorward/callback/idp"],
        "post_logout_redirect_uris": ["{own}/.doorward/signed-out"],
    });
    client.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    json!([client]).to_string()
}

impl Person {
    /// Fills in the portal's sign-in form; the demonstration users' passwords are their names.
    #[track_caller]
    fn log_in_at_portal(&self, form: &Walk, who: &str) -> Walk {
        self.submit(form, &[("user", who), ("password", who)])
    }

    /// Sends the page's form with what it holds, and `filled` in it; follows where that leads.
    #[track_caller]
    fn submit(&self, page: &Walk, filled: &[(&str, &str)]) -> Walk {
        let form = Form::of(&page.url, &page.answer.text());
        let form = filled.iter().fold(form, |form, (name, value)| form.with(name, value));
        self.follow(&form.action, form.post(self))
    }
}

/// Where the frames of a page lead.
fn frames(html: &str) -> Vec<String> {
    html.split("<iframe").skip(1).filter_map(|frame| attribute(frame.split('>').next()?, "src")).collect()
}
