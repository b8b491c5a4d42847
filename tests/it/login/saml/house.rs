//! A door whose people come by SAML, and what a browser does with the forms in between.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::login::form::Form;
use crate::login::house::Person;
use crate::support::{Door, HOST, Part, Site, part, part_at_port};

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
        let (site, own) = (Site::new(), Own::new());
        let port = site.port;
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
        let idp = part_at_port("simplesamlphp", &[arguments, &["--services", &services]].concat());
        let metadata = idp.ready["metadata"].as_str().unwrap().to_owned();
        let typed: Vec<String> = connections
            .iter()
            .map(|(id, _, lines)| {
                connection(id, &format!("metadata: {{ url: {metadata} }}\nattributes: {{ groups: groups }}\n{lines}"))
            })
            .collect();
        Self::around(idp, &site, &typed.concat(), &own)
    }

    /// samlp, which signs everybody in as one person.
    #[track_caller]
    pub(super) fn samlp(service: &Value, lines: &str) -> Self {
        let (site, own) = (Site::new(), Own::new());
        let port = site.port;
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
        Self::around(idp, &site, &connection("corp", &described), &own)
    }

    pub(super) fn around(idp: Part, site: &Site, connections: &str, own: &Own) -> Self {
        let upstream = part("echo", &[]);
        let groups = "  groups: { Engineering: editor, Platform: admin }";
        let configuration = site.configuration(upstream.port(), connections, groups);
        let certificate = idp.ready["certificate"].as_str().unwrap_or_default().to_owned();
        let door = Door::serve(&configuration, |folder| {
            site.furnish(folder);
            std::fs::write(folder.join("own.key"), &own.key).unwrap();
            std::fs::write(folder.join("own.crt"), &own.certificate).unwrap();
            std::fs::write(folder.join("idp.crt"), certificate).unwrap();
        });
        Self { door, idp, port: site.port, _upstream: upstream }
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
        self.door.events(kind)
    }
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
