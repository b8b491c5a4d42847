//! What one tenant's administrator tries at another's people and programs.

use serde_json::{Value, json};

use super::town::Town;

const DIRECTORIES: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: okta, tenant: acme, oidc: { issuer: 'https://okta.invalid', client_id: door } }
  - { id: google, tenant: globex, oidc: { issuer: 'https://google.invalid', client_id: door } }
";

/// Everything acme has.
fn everything(town: &Town) -> Vec<Value> {
    let mut lists = ["/users", "/groups", "/keys", "/clients", "/scim-tokens", "/connections", "/roles/viewer/users"]
        .map(|path| town.done(200, "GET", path, None)["items"].clone());
    for item in lists.iter_mut().flat_map(|list| list.as_array_mut().unwrap()) {
        // The look itself uses a key.
        item.as_object_mut().unwrap().remove("last_used_at");
    }
    lists.to_vec()
}

/// At acme's group and its members, at globex's own group for acme's people, and at acme's directory's token.
fn at_groups_and_tokens(people: &[String], group: &str, theirs: &str, token: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let mut attempts = Vec::new();
    let at = format!("/groups/{group}");
    attempts.push(("GET", at.clone(), None));
    attempts.push(("GET", format!("{at}/members"), None));
    attempts.push(("PATCH", at.clone(), Some(json!({ "name": "Taken" }))));
    attempts.push(("PATCH", at.clone(), Some(json!({ "members": [] }))));
    for person in people {
        attempts.push(("PUT", format!("{at}/members/{person}"), None));
        attempts.push(("DELETE", format!("{at}/members/{person}"), None));
        attempts.push(("PUT", format!("{theirs}/members/{person}"), None));
        attempts.push(("DELETE", format!("{theirs}/members/{person}"), None));
    }
    attempts.push(("DELETE", at, None));
    let at = format!("/scim-tokens/{token}");
    attempts.push(("GET", at.clone(), None));
    attempts.push(("GET", format!("{at}/calls"), None));
    attempts.push(("POST", format!("{at}/rotation"), None));
    attempts.push(("POST", format!("{at}/rotation/complete"), None));
    attempts.push(("DELETE", format!("{at}/rotation"), None));
    attempts.push(("DELETE", at, None));
    attempts.push(("PUT", "/connections/okta".to_owned(), Some(json!({ "password": {} }))));
    attempts
}

#[test]
fn fifty_attempts_of_another_tenants_administrator_see_and_change_nothing() {
    let town = Town::with(DIRECTORIES);
    let people: Vec<String> = ["ada", "bob"].map(|name| town.person(name)).to_vec();
    town.done(200, "PUT", &format!("/roles/viewer/users/{}", people[0]), None);
    let program =
        |noun: &str| town.done(201, "POST", noun, Some(&json!({ "name": "acme's own" })))["id"].as_str().unwrap().to_owned();
    let (key, client) = (program("/keys"), program("/clients"));
    let own = town.ask(&town.globex, "POST", "/keys", Some(&json!({ "name": "globex's own" }))).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = |noun: &str, body: Value| town.done(201, "POST", noun, Some(&body))["id"].as_str().unwrap().to_owned();
    let group = made("/groups", json!({ "name": "Board", "members": people }));
    let token = made("/scim-tokens", json!({ "connection": "okta" }));
    town.done(200, "POST", &format!("/scim-tokens/{token}/rotation"), None);
    let theirs = town.ask(&town.globex, "POST", "/groups", Some(&json!({ "name": "Board" }))).json();
    let theirs = format!("/groups/{}", theirs["id"].as_str().unwrap());
    let (before, events) = (everything(&town), town.events().len());

    let mut attempts: Vec<(&str, String, Option<Value>)> = Vec::new();
    for person in &people {
        let at = format!("/users/{person}");
        attempts.push(("GET", at.clone(), None));
        attempts.push(("PATCH", at.clone(), Some(json!({ "name": "Mallory" }))));
        attempts.push(("PATCH", at.clone(), Some(json!({ "roles": ["admin"] }))));
        attempts.push(("PATCH", at.clone(), Some(json!({ "email": "mallory@globex.example" }))));
        attempts.push(("DELETE", at.clone(), None));
        attempts.push(("POST", format!("{at}/deactivate"), None));
        attempts.push(("POST", format!("{at}/reactivate"), None));
        attempts.push(("POST", format!("{at}/erase"), None));
        attempts.push(("GET", format!("{at}/sessions"), None));
        attempts.push(("DELETE", format!("{at}/sessions"), None));
        attempts.push(("DELETE", format!("{at}/sessions/any"), None));
        for role in ["admin", "editor", "viewer"] {
            attempts.push(("PUT", format!("/roles/{role}{at}"), None));
            attempts.push(("DELETE", format!("/roles/{role}{at}"), None));
        }
    }
    for (noun, id) in [("/keys", &key), ("/clients", &client), ("/keys", &client), ("/clients", &key)] {
        let at = format!("{noun}/{id}");
        attempts.push(("GET", at.clone(), None));
        attempts.push(("PATCH", at.clone(), Some(json!({ "name": "taken over" }))));
        attempts.push(("PATCH", at.clone(), Some(json!({ "roles": ["admin"] }))));
        attempts.push(("POST", format!("{at}/rotate"), Some(json!({ "overlap_seconds": 0 }))));
        attempts.push(("DELETE", at, None));
    }
    attempts.extend(at_groups_and_tokens(&people, &group, &theirs, &token));
    assert!(attempts.len() >= 50, "{}", attempts.len());
    for (method, path, body) in &attempts {
        assert_eq!(town.refused(&town.globex, method, path, body.as_ref()), (404, "not_found".to_owned()), "{method} {path}");
    }
    // As the owner of something of one's own.
    for person in &people {
        for (method, path) in [("POST", "/keys".to_owned()), ("POST", "/clients".to_owned()), ("PATCH", format!("/keys/{own}"))] {
            let body = json!({ "name": "mine", "owner": person });
            assert_eq!(town.refused(&town.globex, method, &path, Some(&body)), (422, "unfit".to_owned()), "{method} {path}");
        }
    }
    // As a member of one's own group, and by their directory.
    for (method, path, body) in [
        ("POST", "/groups".to_owned(), json!({ "name": "Thieves", "members": people })),
        ("PATCH", theirs.clone(), json!({ "members": people })),
        ("POST", "/scim-tokens".to_owned(), json!({ "connection": "okta" })),
    ] {
        assert_eq!(town.refused(&town.globex, method, &path, Some(&body)), (422, "unfit".to_owned()), "{method} {path}");
    }
    let disabled = town.ask(&town.globex, "DELETE", "/connections/okta/scim-tokens", None);
    assert_eq!(disabled.json()["revoked"], json!([]));
    // In lists, searches and the trail.
    let mut lists =
        ["/users", "/users?search=a", "/keys", "/clients", "/roles/viewer/users", "/audit?limit=200"].map(str::to_owned).to_vec();
    lists.extend(["/groups", "/groups?search=board", "/scim-tokens", "/connections"].map(str::to_owned));
    lists.push(format!("{theirs}/members"));
    for id in people.iter().chain([&key, &client, &group, &token]) {
        lists.push(format!("/audit?target={id}"));
        lists.push(format!("/users?after={id}"));
    }
    lists.push(format!("/audit?actor={}", town.acme.split('_').nth(1).unwrap()));
    for path in &lists {
        let text = town.ask(&town.globex, "GET", path, None).text();
        assert!(text.contains("\"items\""), "{path}: {text}");
        for foreign in people.iter().chain([&key, &client, &group, &token]) {
            assert!(!text.contains(foreign.as_str()), "{path}: {text}");
        }
        assert!(!text.contains("\"acme\""), "{path}: {text}");
    }
    assert_eq!(everything(&town), before);
    assert_eq!(town.events().len(), events);
}
