//! Invitations and connections.

use serde_json::{Value, json};

use super::town::Town;

const SETTINGS: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: partners, tenant: acme, provision: invited, domains: [partner.example], oidc: { issuer: 'https://login.partner.example', client_id: door } }
  - { id: staff, tenant: globex, oidc: { issuer: 'https://login.globex.example', client_id: door } }
";

#[test]
fn invitations_are_made_sent_again_and_taken_back_each_recorded_once_and_elsewhere_unknown() {
    let town = Town::with(SETTINGS);
    let body = json!({ "address": "Ada@partner.example", "roles": ["viewer"] });
    let made = town.change(201, "POST", "/invitations", Some(&body), "invitation_created");
    assert_eq!(
        (&made["address"], &made["state"], &made["mailed"]),
        (&"ada@partner.example".into(), &"sent".into(), &false.into())
    );
    let link = made["link"].as_str().unwrap();
    assert!(link.contains("/.doorward/invitation?token="), "{link}");
    let id = made["id"].as_str().unwrap();
    let listed = town.nothing(200, "GET", "/invitations", None);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains("token"), "{listed}");
    assert_eq!(town.nothing(200, "GET", &format!("/invitations/{id}"), None)["id"], id);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/send")] {
        let path = format!("/invitations/{id}{path}");
        assert_eq!(town.refused(&town.globex, method, &path, None), (404, "not_found".to_owned()), "{method} {path}");
    }
    assert_eq!(town.ask(&town.globex, "GET", "/invitations", None).json()["items"], json!([]));
    let again = town.change(201, "POST", &format!("/invitations/{id}/send"), None, "invitation_created");
    assert_ne!((&again["id"], &again["link"]), (&made["id"], &made["link"]));
    assert_eq!(town.nothing(200, "GET", &format!("/invitations/{id}"), None)["state"], "revoked");
    let path = format!("/invitations/{}", again["id"].as_str().unwrap());
    town.change(204, "DELETE", &path, None, "invitation_revoked");
    assert_eq!(town.refused(&town.acme, "DELETE", &path, None), (409, "not_now".to_owned()));
    let refused = |body: Value, field: &str| {
        let answer = town.ask(&town.acme, "POST", "/invitations", Some(&body));
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{}", answer.text());
    };
    refused(json!({ "address": "ada@elsewhere.example" }), "address");
    refused(json!({ "address": "ada@partner.example", "connection": "staff" }), "connection");
    refused(json!({ "address": "ada@partner.example", "roles": ["owner"] }), "roles");
    refused(json!({ "address": "ada@partner.example", "lasts_seconds": 1 }), "lasts_seconds");
    let none = town.ask(&town.globex, "POST", "/invitations", Some(&json!({ "address": "ada@partner.example" })));
    assert_eq!((none.status, none.json()["field"].as_str()), (422, Some("connection")), "globex invites nobody");
}

#[test]
fn connections_of_the_file_are_read_only_and_those_of_the_store_are_shown_without_secrets() {
    let town = Town::with(SETTINGS);
    let file = town.door.folder().join("more.yaml");
    let text = "{ id: more, tenant: acme, domains: [more.example], oidc: { issuer: 'https://login.more.example', client_id: door, client_secret: 'a-secret-nobody-sees' } }";
    std::fs::write(&file, text).unwrap();
    town.door.command(&["connection", "add", "--file", file.to_str().unwrap()]);
    let listed = town.nothing(200, "GET", "/connections", None);
    let kept: Vec<(&str, &str)> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_str().unwrap(), one["kept"].as_str().unwrap()))
        .collect();
    assert_eq!(kept, [("partners", "file"), ("more", "store")], "{listed}");
    let shown = town.nothing(200, "GET", "/connections/more", None);
    assert_eq!(shown["document"]["oidc"]["client_id"], "door", "{shown}");
    assert!(!listed.to_string().contains("nobody-sees") && !shown.to_string().contains("nobody-sees"), "{shown}");
    assert_eq!(town.refused(&town.acme, "DELETE", "/connections/partners", None), (409, "not_now".to_owned()));
    for (method, path) in [("GET", "/connections/more"), ("DELETE", "/connections/more"), ("GET", "/connections/partners")] {
        assert_eq!(town.refused(&town.globex, method, path, None), (404, "not_found".to_owned()), "{method} {path}");
    }
    town.change(204, "DELETE", "/connections/more", None, "connection_removed");
    assert_eq!(town.refused(&town.acme, "GET", "/connections/more", None).0, 404);
}
