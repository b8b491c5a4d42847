//! A door whose people come by SAML, and what a browser does with the forms in between.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::login::house::Person;
use crate::support::{Answer, Door, Part, free_port, part};

pub(super) const HOST: &str = "door.test";

/// A door with connections to one provider.
pub(super) struct SamlHouse {
    pub(super) door: Door,
    pub(super) idp: Part,
    pub(super) port: u16,
    /// The application behind the door.
    _upstream: Part,
}

/// Our key and certificate, as PEM.
pub(in crate::login) struct Own {
    pub(in crate::login) key: String,
    pub(in crate::login) certificate: String,
}

impl Own {
    pub(in crate::login) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::new([HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { key: key.serialize_pem(), certificate: certificate.pem() }
    }

    /// Base64 alone, as metadata has it.
    pub(in crate::login) fn base64(&self) -> String {
        self.certificate.lines().filter(|line| !line.starts_with('-')).collect()
    }
}

/// The addresses of one connection.
pub(super) fn entity(port: u16, id: &str) -> String {
    format!("https://{HOST}:{port}/.doorward/saml/{id}/metadata")
}

pub(super) fn acs(port: u16, id: &str) -> String {
    format!("https://{HOST}:{port}/.doorward/saml/{id}/acs")
}

/// The first connection is the one that is gone to without asking; the others are hidden.
pub(super) fn connection(id: &str, lines: &str) -> String {
    let lines: Vec<String> = lines.lines().map(|line| format!("      {line}\n")).collect();
    format!("  - id: {id}\n    hidden: {}\n    saml:\n{}", id != "corp", lines.concat())
}

impl SamlHouse {
    /// SimpleSAMLphp, which is told of every service; `connections`: id, the service's further settings, lines of the connection.
    #[track_caller]
    pub(super) fn simplesamlphp(connections: &[(&str, Value, &str)]) -> Self {
        Self::simplesamlphp_with(&[], connections)
    }

    #[track_caller]
    pub(super) fn simplesamlphp_with(arguments: &[&str], connections: &[(&str, Value, &str)]) -> Self {
        let (port, own) = (free_port(), Own::new());
        let services: Vec<Value> = connections
            .iter()
            .map(|(id, settings, _)| {
                let mut service = json!({
                    "entity_id": entity(port, id), "acs": acs(port, id), "certificate": own.base64(),
                    "slo": format!("https://{HOST}:{port}/.doorward/saml/{id}/slo"),
                });
                service.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
                service
            })
            .collect();
        let services = Value::Array(services).to_string();
        // PHP's server does not say which port it took.
        let at = free_port().to_string();
        let idp = part("simplesamlphp", &[arguments, &["--port", &at, "--services", &services]].concat());
        let metadata = idp.ready["metadata"].as_str().unwrap().to_owned();
        let typed: Vec<String> = connections
            .iter()
            .map(|(id, _, lines)| {
                connection(id, &format!("metadata: {{ url: {metadata} }}\nattributes: {{ groups: groups }}\n{lines}"))
            })
            .collect();
        Self::around(idp, port, &typed.concat(), &own)
    }

    /// samlp, which signs everybody in as one person.
    #[track_caller]
    pub(super) fn samlp(service: &Value, lines: &str) -> Self {
        let (port, own) = (free_port(), Own::new());
        let mut told = json!({ "entity_id": entity(port, "corp"), "acs": acs(port, "corp") });
        told.as_object_mut().unwrap().extend(service.as_object().unwrap().clone());
        for name in ["certificate", "signing"] {
            if told[name] == true {
                told[name] = own.certificate.clone().into();
            }
        }
        let idp = part("samlp", &["--service", &told.to_string()]);
        let text = |name: &str| idp.ready[name].as_str().unwrap().to_owned();
        let described =
            format!("entity_id: {}\nsso_url: {}\ncertificates: [{{ file: idp.crt }}]\n{lines}", text("entity_id"), text("sso"));
        Self::around(idp, port, &connection("corp", &described), &own)
    }

    /// LemonLDAP::NG, which is given our own metadata document.
    #[track_caller]
    pub(super) fn lemonldap(settings: &Value, lines: &str) -> Self {
        let (port, own) = (free_port(), Own::new());
        let idp = part("lemonldap", &[]);
        let metadata = idp.ready["saml_metadata"].as_str().unwrap().to_owned();
        let typed = connection("corp", &format!("metadata: {{ url: {metadata} }}\n{lines}"));
        let house = Self::around(idp, port, &typed, &own);
        let mut provider = json!({ "metadata": house.person().ask(&entity(port, "corp"), &[]).text() });
        provider.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let told = house.idp.tell("/service-providers", &json!([provider]));
        assert_eq!(told.status, 200, "{}", told.text());
        house
    }

    pub(super) fn around(idp: Part, port: u16, connections: &str, own: &Own) -> Self {
        let upstream = part("echo", &[]);
        let configuration = format!(
            "\
version: 1
public_url: https://{HOST}:{port}
listeners:
  - {{ address: 127.0.0.1:{port}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}] }} }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
connections:
{connections}
roles:
  ranked: [admin, editor, viewer]
  default: viewer
  groups: {{ Engineering: editor, Platform: admin }}
identity_headers: {{ presets: [doorward] }}
",
            upstream.port()
        );
        let certificate = idp.ready["certificate"].as_str().unwrap_or_default().to_owned();
        let door = Door::serve(&configuration, |folder| {
            let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
            std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
            std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
            std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
            std::fs::write(folder.join("own.key"), &own.key).unwrap();
            std::fs::write(folder.join("own.crt"), &own.certificate).unwrap();
            std::fs::write(folder.join("idp.crt"), certificate).unwrap();
        });
        Self { door, idp, port, _upstream: upstream }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    pub(super) fn acs(&self, id: &str) -> String {
        acs(self.port, id)
    }

    pub(super) fn person(&self) -> Person {
        Person::at(self.port)
    }

    /// The newest events of a kind.
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        self.door.command(&["audit", "list", "--kind", kind]).as_array().cloned().unwrap_or_default()
    }
}

/// A form that a page holds: where it goes, and what is in it.
#[derive(Clone, Debug)]
pub(in crate::login) struct Form {
    pub(in crate::login) action: String,
    pub(in crate::login) fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of the page at `url`.
    #[track_caller]
    pub(in crate::login) fn of(url: &str, page: &str) -> Self {
        let begin = page.find("<form").unwrap_or_else(|| panic!("no form at {url}: {page}"));
        let end = page[begin..].find("</form>").map_or(page.len(), |end| begin + end);
        let form = &page[begin..end];
        let action = attribute(&form[..form.find('>').unwrap()], "action").unwrap_or_default();
        let hidden = form.split("<input").skip(1).map(|part| &part[..part.find('>').unwrap_or(part.len())]);
        let hidden = hidden.filter(|input| input.contains("hidden"));
        let fields = hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())));
        Self { action: url::Url::parse(url).unwrap().join(&action).unwrap().into(), fields: fields.collect() }
    }

    pub(in crate::login) fn field(&self, name: &str) -> &str {
        &self.fields.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(found, _)| found != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Posts it as a browser does for another site's page.
    #[track_caller]
    pub(in crate::login) fn post(&self, person: &Person) -> Answer {
        let fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        person.post(&self.action, &fields, &["Origin: http://127.0.0.1", "Sec-Fetch-Site: cross-site"])
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let value = &tag[at..at + tag[at..].find('"')?];
    Some(value.replace("&quot;", "\"").replace("&#039;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// From `path` to the form with the answer, having logged in at SimpleSAMLphp as `who` if it asked.
#[track_caller]
pub(in crate::login) fn answer_for(person: &Person, url: &str, who: &str) -> Form {
    let walk = person.walk(url);
    assert_eq!(walk.answer.status, 200, "{:#?} {}", walk.hops, walk.answer.text());
    let form = Form::of(&walk.url, &walk.answer.text());
    if form.fields.iter().any(|(name, _)| name == "SAMLResponse") {
        return form;
    }
    assert!(form.fields.iter().any(|(name, _)| name == "AuthState"), "not the provider's form: {:#?} {form:?}", walk.hops);
    let form = form.with("username", who).with("password", "pw");
    let sent = form.post(person);
    let walk = person.follow(&form.action, sent);
    Form::of(&walk.url, &walk.answer.text())
}
