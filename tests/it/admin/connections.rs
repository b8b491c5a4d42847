//! Connections that are made by the API: judged like those of the file, kept sealed, and naming nothing of the server's.

use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::config::connection::{Connection, opened};
use serde_json::{Value, json};

use super::town::Town;
use crate::support::{curl, eventually};

const SETTINGS: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: staff, tenant: acme, domains: [acme.example], oidc: { issuer: 'https://login.acme.example', client_id: door } }
  - { id: theirs, tenant: globex, domains: [globex.example], oidc: { issuer: 'https://login.globex.example', client_id: door } }
";

fn wish() -> Value {
    json!({
        "id": "partners", "display_name": "Partner SSO", "domains": ["partner.example"],
        "oidc": { "issuer": "https://login.partner.example", "client_id": "door", "client_secret": "a-secret-nobody-sees" },
    })
}

/// The connection as a server would open it.
fn kept(town: &Town, id: &str) -> Connection {
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&town.door.config()).unwrap().config;
    let stored = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(async { Memory::open(&config, &clock).await.unwrap().connections.connections().await.unwrap() });
    let stored = stored.into_iter().find(|stored| stored.id.as_str() == id).unwrap();
    opened(&stored, config.secret_key.expose().as_bytes()).unwrap()
}

fn secret(town: &Town) -> Option<String> {
    kept(town, "partners").oidc.unwrap().client_secret.map(|secret| secret.expose().to_owned())
}

#[test]
fn a_connection_is_made_replaced_and_removed_and_its_secrets_stay_where_they_are() {
    let town = Town::with(SETTINGS);
    let made = town.change(201, "POST", "/connections", Some(&wish()), "connection_created");
    assert_eq!((&made["kept"], &made["kind"], &made["unusable"]), (&"store".into(), &"oidc".into(), &Value::Null));
    let link = format!("http://{}/.doorward/sign-in/partners", town.door.listener(0));
    eventually("it is taken over", || (curl(&[&link]).status != 404).then_some(()));
    assert_eq!(secret(&town).as_deref(), Some("a-secret-nobody-sees"));
    let seen = town.ask(&town.acme, "GET", "/connections/partners", None);
    let tag = format!("If-Match: {}", seen.header("etag").unwrap());
    let mut document = seen.json()["document"].clone();
    assert_eq!((&document["oidc"]["client_secret"], &document["tenant"]), (&Value::Null, &"acme".into()));

    // What is read is sent back with a change beside the secret's section: the secret stays.
    document["domains"] = json!(["partner.example", "partner.test"]);
    let replaced = town.change(200, "PUT", "/connections/partners", Some(&document), "connection_updated");
    assert_eq!(replaced["domains"], json!(["partner.example", "partner.test"]));
    assert_eq!(secret(&town).as_deref(), Some("a-secret-nobody-sees"));
    let stale = town.ask_with(&town.acme, "PUT", "/connections/partners", Some(&document), &[&tag]);
    assert_eq!((stale.status, stale.json()["code"].as_str()), (412, Some("changed_meanwhile")));
    // In its section nothing may change without it: it would go to whom it was not told to.
    let mut elsewhere = document.clone();
    elsewhere["oidc"]["issuer"] = "https://evil.example".into();
    let answer = town.ask(&town.acme, "PUT", "/connections/partners", Some(&elsewhere));
    assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some("connection")), "{}", answer.text());
    assert!(answer.text().contains("/oidc/client_secret: type the secret again"), "{}", answer.text());
    assert_eq!(kept(&town, "partners").oidc.unwrap().issuer, "https://login.partner.example");
    elsewhere["oidc"]["client_secret"] = "another-secret".into();
    town.change(200, "PUT", "/connections/partners", Some(&elsewhere), "connection_updated");
    assert_eq!(secret(&town).as_deref(), Some("another-secret"));
    // What is left out is gone.
    elsewhere["oidc"].as_object_mut().unwrap().remove("client_secret");
    town.change(200, "PUT", "/connections/partners", Some(&elsewhere), "connection_updated");
    assert_eq!(secret(&town), None);

    let everything =
        [town.done(200, "GET", "/connections", None), Value::from(town.events())].map(|seen| seen.to_string()).concat();
    let bytes = ["doorward.db", "doorward.db-wal"].map(|file| std::fs::read(town.door.folder().join(file)).unwrap_or_default());
    for secret in ["a-secret-nobody-sees", "another-secret"] {
        assert!(!everything.contains(secret), "{everything}");
        assert!(!bytes.concat().windows(secret.len()).any(|window| window == secret.as_bytes()), "in the open in the store");
    }

    // Its directory's tokens go with it.
    let token = town.done(201, "POST", "/scim-tokens", Some(&json!({ "connection": "partners" })));
    town.done(204, "DELETE", "/connections/partners", None);
    let path = format!("/scim-tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(town.done(200, "GET", &path, None)["state"], "revoked");
    let kinds: Vec<Value> = town.events().iter().rev().take(2).map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["connection_removed", "scim_token_revoked"]);
}

#[test]
fn what_a_server_would_leave_out_or_would_have_to_read_for_it_is_not_kept() {
    let town = Town::with(SETTINGS);
    let folder = town.door.folder();
    std::fs::write(folder.join("server-secret"), "what-only-the-server-knows").unwrap();
    let file = folder.join("server-secret").to_str().unwrap().to_owned();
    let before = town.events().len();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut wish = wish();
        change(&mut wish);
        wish
    };
    for (body, why) in [
        (with(&|wish| wish["display_name"] = json!({ "env": "PATH" })), "`display_name` would be read on the server"),
        (with(&|wish| wish["display_name"] = json!({ "file": file })), "`display_name` would be read on the server"),
        (with(&|wish| wish["oidc"]["client_secret"] = json!({ "file": file })), "`client_secret` would be read on the server"),
        (with(&|wish| wish["oidc"]["ca"] = file.clone().into()), "`ca` would name a file of the server"),
        (with(&|wish| wish["saml"] = json!({ "metadata": { "path": file } })), "`path` would name a file of the server"),
        (with(&|wish| wish["oidc"]["issuer"] = "http://127.0.0.1:9901".into()), "of this machine or of a private network"),
        (with(&|wish| wish["oidc"]["issuer"] = "https://169.254.169.254/".into()), "of this machine or of a private network"),
        (
            with(&|wish| wish["magic_link"] = json!({ "from": "a@acme.example", "smtp": "smtp://10.0.0.1" })),
            "of this machine or of a private network",
        ),
        (with(&|wish| wish["oidc"]["clientid"] = "x".into()), "unknown key `clientid`"),
        (with(&|wish| wish["oidc"]["issuer"] = "".into()), "`issuer` is missing"),
        (with(&|wish| wish["password"] = json!({})), "are both given"),
        (with(&|wish| wish["domains"] = json!(["acme.example"])), "`acme.example` belongs to two connections"),
        (with(&|wish| wish["domains"] = json!(["globex.example"])), "`globex.example` belongs to two connections"),
        (with(&|wish| wish["id"] = "not an id".into()), "id"),
        (with(&|wish| drop(wish.as_object_mut().unwrap().remove("id"))), "`id` is missing"),
        (with(&|wish| wish["tenant"] = "globex".into()), "this is done in the tenant acme"),
    ] {
        let answer = town.ask(&town.acme, "POST", "/connections", Some(&body));
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, 422, "{body}: {detail}");
        assert!(detail.contains(why), "{body}: {detail}");
        assert!(!detail.contains("what-only-the-server-knows") && !detail.contains("theirs"), "{detail}");
    }
    for (id, code) in [("staff", "not_now"), ("theirs", "conflict")] {
        let body = with(&|wish| wish["id"] = id.into());
        assert_eq!(town.refused(&town.acme, "POST", "/connections", Some(&body)), (409, code.to_owned()), "{id}");
    }
    assert_eq!(town.refused(&town.acme, "PUT", "/connections/staff", Some(&wish())), (409, "not_now".to_owned()));
    assert_eq!(town.refused(&town.acme, "PUT", "/connections/none", Some(&wish())), (404, "not_found".to_owned()));
    assert_eq!(town.events().len(), before);

    town.done(201, "POST", "/connections", Some(&wish()));
    assert_eq!(town.refused(&town.acme, "POST", "/connections", Some(&wish())), (409, "conflict".to_owned()));
    let renamed = with(&|wish| wish["id"] = "other".into());
    assert_eq!(town.ask(&town.acme, "PUT", "/connections/partners", Some(&renamed)).json()["field"], "id");
    // Nobody of another tenant's gets at it, by its id or by its domain.
    assert_eq!(town.refused(&town.globex, "POST", "/connections", Some(&wish())).0, 409);
    for (method, body) in [("GET", None), ("PUT", Some(wish())), ("DELETE", None)] {
        let refused = town.refused(&town.globex, method, "/connections/partners", body.as_ref());
        assert_eq!(refused, (404, "not_found".to_owned()), "{method}");
    }
    let greedy = with(&|wish| wish["id"] = "greedy".into());
    let refused = town.ask(&town.globex, "POST", "/connections", Some(&greedy));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(!refused.text().contains("partners"), "{}", refused.text());
    assert_eq!(secret(&town).as_deref(), Some("a-secret-nobody-sees"));
}
