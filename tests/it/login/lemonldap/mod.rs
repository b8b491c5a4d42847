//! Signing in at LemonLDAP::NG, a provider in Perl that shares no code with the others: what its pages need of a script.

mod oidc;
mod saml;

use std::process::Command;

use serde_json::{Value, json};

use super::house::{HOST, Person, Walk};
use crate::support::process::Part;
use crate::support::{Answer, Door, free_port, part};

/// What the provider knows the door by.
const SECRET: &str = "a-secret-of-some-length";

/// A door whose only connection is the provider.
struct House {
    door: Door,
    idp: Part,
    port: u16,
    _upstream: Part,
}

impl House {
    /// `arguments` of the provider and `connection` of the door; in both, `{own}` is the door's origin, and in the second `{idp}`
    /// the provider's.
    #[track_caller]
    fn with(arguments: &[&str], connection: &str) -> Self {
        let port = free_port();
        let own = format!("https://{HOST}:{port}");
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.replace("{own}", &own)).collect();
        let idp = part("lemonldap", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let upstream = part("echo", &[]);
        let connection = connection.replace("{own}", &own).replace("{idp}", &format!("http://127.0.0.1:{}", idp.port()));
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let door = Door::serve(&configuration(port, &connection, upstream.port()), |folder| {
            std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
            std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
            std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
            key_pair(folder);
        });
        Self { door, idp, port, _upstream: upstream }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    fn person(&self) -> Person {
        Person::at(self.port)
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
        self.door.command(&["audit", "list", "--kind", kind]).as_array().cloned().unwrap_or_default()
    }
}

fn configuration(port: u16, connection: &str, upstream: u16) -> String {
    format!(
        "\
version: 1
public_url: https://{HOST}:{port}
listeners:
  - {{ address: 127.0.0.1:{port}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}] }} }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
connections:
  - id: idp
{connection}
roles:
  ranked: [admin, editor, viewer]
  default: viewer
  groups: {{ timelords: admin, earthlings: editor }}
identity_headers: {{ presets: [doorward] }}
"
    )
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
        let html = page.answer.text();
        let form = Form::on(&html);
        let address = url::Url::parse(&page.url).unwrap().join(&form.action).unwrap();
        let mut fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.retain(|(name, _)| !filled.iter().any(|(other, _)| other == name));
        fields.extend(filled);
        let sent = self.send(address.as_str(), &fields);
        self.follow(address.as_str(), sent)
    }

    /// Posts a form as a page elsewhere would.
    #[track_caller]
    fn send(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(address, &["--data-raw", &body, "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Site: cross-site"])
    }
}

/// The first form of a page: where it leads, and what it sends by itself.
#[derive(Debug)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    #[track_caller]
    fn on(html: &str) -> Self {
        let form = html.split("<form").nth(1).unwrap_or_else(|| panic!("no form on {html}")).split("</form>").next().unwrap();
        let (head, inputs) = form.split_once('>').unwrap();
        let inputs = inputs.split("<input").skip(1).map(|input| input.split('>').next().unwrap());
        let fields = inputs.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())));
        Self {
            action: attribute(head, "action").unwrap_or_default().trim_start_matches('#').to_owned(),
            fields: fields.collect(),
        }
    }
}

/// Where the frames of a page lead.
fn frames(html: &str) -> Vec<String> {
    html.split("<iframe").skip(1).filter_map(|frame| attribute(frame.split('>').next()?, "src")).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}
