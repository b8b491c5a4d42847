//! Two companies at one SAML provider: what it says to one is nothing to the other.

use serde_json::{Value, json};

use super::street::{ACME, GLOBEX};
use crate::login::form::Form;
use crate::login::house::Person;
use crate::login::saml::house::{Own, answer_for};
use crate::support::{Door, Part, free_port, part, part_at_port};

struct Houses {
    door: Door,
    idp: Part,
    port: u16,
    _upstream: Part,
}

fn houses() -> Houses {
    let (port, own) = (free_port(), Own::new());
    let at = |host: &str, tenant: &str, door: &str| format!("https://{host}:{port}/.doorward/saml/{tenant}/{door}");
    let both = [("acme", ACME), ("globex", GLOBEX)];
    let services = both.map(|(tenant, host)| {
        json!({ "entity_id": at(host, tenant, "metadata"), "acs": at(host, tenant, "acs"), "slo": at(host, tenant, "slo"),
            "certificate": own.base64() })
    });
    let services = Value::from(services.to_vec()).to_string();
    let idp = part_at_port("simplesamlphp", &["--services", &services]);
    let metadata = idp.ready["metadata"].as_str().unwrap();
    let upstream = part("echo", &[]);
    let connections = both.map(|(tenant, _)| {
        format!(
            "  - {{ id: {tenant}, tenant: {tenant}, saml: {{ metadata: {{ url: '{metadata}' }}, key: {{ file: own.key }}, \
             certificate: {{ file: own.crt }} }} }}\n"
        )
    });
    let configuration = format!(
        "\
version: 1
public_url: https://door.test:{port}
listeners:
  - {{ address: 127.0.0.1:{port}, tls: {{ certificates: [{{ cert: tls.crt, key: tls.key }}] }} }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
tenants: [{{ id: acme, hosts: [{ACME}] }}, {{ id: globex, hosts: [{GLOBEX}] }}]
connections:
{}identity_headers: {{ presets: [doorward] }}
",
        upstream.port(),
        connections.concat(),
    );
    let door = Door::serve(&configuration, |folder| {
        let made = rcgen::generate_simple_self_signed([ACME, GLOBEX].map(str::to_owned)).unwrap();
        std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        std::fs::write(folder.join("own.key"), &own.key).unwrap();
        std::fs::write(folder.join("own.crt"), &own.certificate).unwrap();
    });
    Houses { door, idp, port, _upstream: upstream }
}

impl Houses {
    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    fn person(&self, host: &str) -> Person {
        Person::anywhere(&self.url(host, ""), self.port)
    }

    fn live(&self, tenant: &str) -> usize {
        self.door.command(&["session", "list", "--tenant", tenant]).as_array().unwrap().len()
    }
}

#[test]
fn no_saml_message_for_one_tenant_is_of_use_at_another() {
    let houses = houses();
    let ada = houses.person(ACME);
    let form = answer_for(&ada, &houses.url(ACME, "/"), "ada");
    assert_eq!(form.action, houses.url(ACME, "/.doorward/saml/acme/acs"));
    for (host, connection) in [(GLOBEX, "acme"), (GLOBEX, "globex"), (ACME, "globex"), ("door.test", "acme")] {
        let action = houses.url(host, &format!("/.doorward/saml/{connection}/acs"));
        // An answer without its attempt goes round once, since a form of another site brings no session along.
        let refused = ada.follow(&action, Form { action: action.clone(), ..form.clone() }.post(&ada)).answer;
        assert!((400..=502).contains(&refused.status), "{host} {connection}: {} {}", refused.status, refused.text());
    }
    assert_eq!((houses.live("acme"), houses.live("globex")), (0, 0));
    let walk = ada.follow(&form.action, form.post(&ada));
    assert_eq!(walk.answer.status, 200, "good at home: {}", walk.answer.text());
    let hank = houses.person(GLOBEX);
    let theirs = answer_for(&hank, &houses.url(GLOBEX, "/"), "ada");
    assert_eq!(hank.follow(&theirs.action, theirs.post(&hank)).answer.status, 200);
    assert_eq!((houses.live("acme"), houses.live("globex")), (1, 1));

    // The provider's logout for acme, tried next door before and after it was good at home.
    let idp = houses.idp.ready["sign_out"].as_str().unwrap();
    let back = houses.url(ACME, "/.doorward/signed-out");
    let address = url::Url::parse_with_params(idp, [("ReturnTo", back.as_str())]).unwrap();
    let walk = ada.walk(address.as_str());
    let request = walk.hops.iter().find(|hop| hop.contains("/saml/acme/slo")).unwrap_or_else(|| panic!("{:#?}", walk.hops));
    let own = houses.url(ACME, "/.doorward/saml/acme/slo");
    for (host, connection) in [(GLOBEX, "acme"), (GLOBEX, "globex"), (ACME, "globex"), ("door.test", "acme")] {
        let moved = request.replace(&own, &houses.url(host, &format!("/.doorward/saml/{connection}/slo")));
        assert_ne!(moved, *request);
        let refused = hank.ask(&moved, &[]);
        assert!((400..=502).contains(&refused.status), "{host} {connection}: {} {}", refused.status, refused.text());
    }
    assert_eq!((houses.live("acme"), houses.live("globex")), (0, 1), "only the session it was about has ended");
    assert_eq!(hank.session().status, 200);
}
