//! What a company's people find at its host, who they are there, and why they have their roles.

use serde_json::json;

use super::street::{ACME, GLOBEX, SHARED, Street};
use crate::login::house::{Person, field, received};
use crate::support::{Answer, curl, eventually};

#[test]
fn one_person_is_two_accounts_with_two_roles_in_two_tenants() {
    let street = Street::new();
    let (ada, there) = street.signed_in(ACME, "acme-idp", "ada");
    let (_, here) = street.signed_in(GLOBEX, "globex-idp", "ada");
    let seen = |answer: &Answer| {
        let echo = answer.json();
        ["user", "email", "tenant", "role"].map(|name| received(&echo, &format!("x-doorward-{name}")).unwrap_or("-").to_owned())
    };
    let (acme, globex) = (seen(&there.answer), seen(&here.answer));
    assert_ne!(acme[0], globex[0], "two accounts");
    assert_eq!(acme[1..], ["ada@acme.example", "acme", "admin"]);
    assert_eq!(globex[1..], ["ada@acme.example", "globex", "viewer"]);
    let why = |url: String, tenant: &str| {
        let explained = street.door.command(&["explain", "--url", &url, "--user", "ada@acme.example", "--tenant", tenant]);
        explained["identity"]["roles_from"].clone()
    };
    let group = |role: &str, tenant: &str| json!([{ "role": role, "from": "group", "group": "Engineering", "table": format!("tenants[{tenant}].roles.groups") }]);
    assert_eq!(why(street.url(ACME, "/"), "acme"), group("admin", "acme"));
    assert_eq!(why(street.url(GLOBEX, "/"), "globex"), group("viewer", "globex"));
    // What one of them is given, the other is not.
    street.door.command(&["user", "grant", "ada@acme.example", "--role", "editor", "--tenant", "acme"]);
    let both = json!([group("admin", "acme")[0], { "role": "editor", "from": "direct" }]);
    assert_eq!(why(street.url(ACME, "/"), "acme"), both);
    assert_eq!(why(street.url(GLOBEX, "/"), "globex"), group("viewer", "globex"));
    let bob = street.signed_in(ACME, "acme-idp", "bob").1;
    assert_eq!(received(&bob.answer.json(), "x-doorward-role"), Some("viewer"), "the tenant's own default");
    let default = json!([{ "role": "viewer", "from": "default", "table": "tenants[acme].roles.default" }]);
    let explained =
        street.door.command(&["explain", "--url", &street.url(ACME, "/"), "--user", "bob@acme.example", "--tenant", "acme"]);
    assert_eq!(explained["identity"]["roles_from"], default);
    // Each session is where its tenant is.
    let own = ada.ask(&street.url(ACME, "/.doorward/sessions"), &["-H", "Accept: application/json"]).json();
    assert_eq!(own["sessions"].as_array().unwrap().len(), 1, "{own}");
}

#[test]
fn a_tenants_host_offers_only_its_own_ways_and_says_whose_it_is() {
    let street = Street::new();
    let page = street.person(ACME).ask(&street.url(ACME, "/.doorward/sign-in"), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    assert!(text.contains("Acme") && text.contains("/sign-in/acme-idp") && text.contains("/sign-in/acme-local"), "{text}");
    assert!(!text.contains("globex") && !text.contains("initech") && !text.contains("/sign-in/local"), "{text}");
    assert!(text.contains(&street.url(ACME, "/.doorward/assets/")), "its own address throughout: {text}");
    assert!(!text.contains(SHARED), "{text}");
    // The configured connection is gone to without asking.
    let straight = street.person(GLOBEX).ask(&street.url(GLOBEX, "/reports?x=1"), &[]);
    let next = straight.header("location").unwrap().to_owned();
    assert!(next.starts_with(&street.url(GLOBEX, "/.doorward/sign-in?")), "{next}");
    let gone = street.person(GLOBEX).ask(&next, &[]);
    let back = url::Url::parse(gone.header("location").unwrap()).unwrap();
    let redirect = back.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(redirect, street.url(GLOBEX, "/.doorward/callback/globex-idp"));
    // Another tenant's name leads nowhere but to the own page.
    for path in ["/.doorward/t/globex", "/.doorward/sign-in?tenant=globex", "/.doorward/t/nobody"] {
        let text = street.person(ACME).ask(&street.url(ACME, path), &[]).text();
        assert!(text.contains("/sign-in/acme-idp") && !text.contains("globex"), "{path}: {text}");
    }
    for (host, wanted) in [(ACME, ACME), (SHARED, SHARED)] {
        let program = street.send(host, "/", &[]);
        assert_eq!(program.status, 401);
        assert!(program.json()["sign_in"].as_str().unwrap().starts_with(&street.url(wanted, "/")), "{}", program.text());
    }
}

#[test]
fn a_connection_of_the_store_is_its_tenants_and_stays_so() {
    let street = Street::new();
    let file = street.door.folder().join("second.yaml");
    let typed = |tenant: &str| {
        let issuer = street.idp.ready["issuer"].as_str().unwrap();
        let text =
            format!("id: second\ndisplay_name: Second SSO\ntenant: {tenant}\noidc: {{ issuer: '{issuer}', client_id: x }}\n");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    street.door.command(&["connection", "add", "--file", &typed("acme")]);
    let shown = |host: &str| {
        let page = street.person(host).ask(&street.url(host, "/.doorward/sign-in?prompt=login"), &[]).text();
        page.contains("Second SSO")
    };
    eventually("it is on its tenant's page", || shown(ACME).then_some(()));
    assert!(!shown(GLOBEX) && !shown(SHARED));
    let statuses = [ACME, GLOBEX, SHARED].map(|host| street.send(host, "/.doorward/sign-in/second", &[]).status);
    assert_eq!(statuses, [303, 404, 404]);
    let moved = street.failing(&["connection", "add", "--replace", "--file", &typed("globex")]);
    assert!(moved.contains("does not change tenants"), "{moved}");
    assert!(street.failing(&["connection", "show", "second", "--tenant", "globex"]).contains("no connection second"));
    assert!(street.failing(&["connection", "remove", "second"]).contains("no connection second"));
    let unknown = street.failing(&["connection", "add", "--replace", "--file", &typed("umbrella")]);
    assert!(unknown.contains("there is no tenant `umbrella`"), "{unknown}");
    let own = street.door.command(&["connection", "list", "--tenant", "globex"]);
    let ids: Vec<_> = own.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["globex-idp", "globex-local", "globex-mail", "globex-saml"]);
}

/// Types an address on the shared page; where it leads.
#[track_caller]
fn led(street: &Street, address: &str) -> String {
    let person = street.person(SHARED);
    let page = person.ask(&street.url(SHARED, "/.doorward/sign-in?return_to=%2Freports%3Fx"), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let (token, back) = (field(&page.text(), "token"), field(&page.text(), "return_to"));
    let fields = [("token", token.as_str()), ("return_to", back.as_str()), ("email", address)];
    let answer = person.post(&street.url(SHARED, "/.doorward/sign-in"), &fields, &[]);
    match answer.header("refresh") {
        Some(refresh) => refresh.strip_prefix("0; url=").unwrap().to_owned(),
        None => answer.header("location").unwrap_or_else(|| panic!("{}", answer.text())).to_owned(),
    }
}

#[test]
fn an_address_leads_to_its_tenant_and_to_the_tenants_host() {
    let street = Street::new();
    let back = "/.doorward/sign-in?return_to=%2Freports%3Fx";
    assert_eq!(led(&street, "ada@acme.example"), street.url(ACME, back));
    assert_eq!(led(&street, "hank@GLOBEX.example"), street.url(GLOBEX, back));
    assert!(led(&street, "peter@initech.example").contains("/.doorward/sign-in/initech-local?"), "at the shared host");
    assert!(led(&street, "somebody@else.example").contains("/.doorward/sign-in/local?"), "everybody else is of `default`");
    for link in ["/.doorward/t/acme?return_to=%2Freports%3Fx", "/.doorward/sign-in?tenant=acme&return_to=%2Freports%3Fx"] {
        let answer = street.person(SHARED).ask(&street.url(SHARED, link), &[]);
        assert_eq!(answer.header("location"), Some(&*street.url(ACME, back)), "{link}");
    }
}

#[track_caller]
fn role(person: &Person, url: &str) -> Option<String> {
    let answer = person.ask(url, &["-H", "Accept: application/json"]);
    assert_eq!(answer.status, 200, "the session lives on: {}", answer.text());
    received(&answer.json(), "x-doorward-role").map(str::to_owned)
}

#[test]
fn a_changed_role_counts_from_the_next_request_in_a_live_session() {
    let street = Street::new();
    let (bob, _) = street.signed_in(ACME, "acme-idp", "bob");
    let url = street.url(ACME, "/x");
    let counts = |wanted: &str| eventually(wanted, || (role(&bob, &url).as_deref() == Some(wanted)).then_some(()));
    // Asked twice, so that the answer comes from memory.
    assert_eq!([role(&bob, &url), role(&bob, &url)].map(Option::unwrap), ["viewer", "viewer"]);
    street.door.command(&["user", "grant", "bob@acme.example", "--role", "editor", "--tenant", "acme"]);
    counts("editor");
    street.door.command(&["user", "grant", "bob@acme.example", "--role", "admin", "--tenant", "acme"]);
    counts("admin");
    street.door.command(&["user", "revoke", "bob@acme.example", "--role", "admin", "--role", "editor", "--tenant", "acme"]);
    counts("viewer");
    let events = street.door.command(&["audit", "list", "--kind", "role_unassigned", "--tenant", "acme"]);
    let taken: Vec<_> = events.as_array().unwrap().iter().map(|event| event["details"]["role"].clone()).collect();
    assert_eq!(taken, ["admin", "editor"], "each is an event: {events}");
    // What the configuration says of groups counts in the same way.
    let file = street.door.config();
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before.replace("{ Engineering: admin }", "{ Engineering: admin, Chess: editor }")).unwrap();
    street.door.process.signal("HUP");
    counts("editor");
    assert!(
        street.failing(&["user", "grant", "bob@acme.example", "--tenant", "acme", "--role", "king"]).contains("no role king")
    );
    assert!(street.failing(&["user", "grant", "bob@acme.example", "--role", "admin"]).contains("nobody called bob"));
}

#[test]
fn a_changed_role_counts_on_every_replica() {
    let street = Street::new();
    let (_replica, port) = street.replica();
    let (bob, _) = street.signed_in(ACME, "acme-idp", "bob");
    let resolve = format!("*:{port}:127.0.0.1");
    let there = || {
        let url = format!("https://{ACME}:{port}/x");
        let answer = bob.ask(&url, &["--resolve", &resolve, "-H", "Accept: application/json"]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        received(&answer.json(), "x-doorward-role").map(str::to_owned)
    };
    // Asked twice, so that both have it in memory.
    assert_eq!([there(), there(), role(&bob, &street.url(ACME, "/x"))].map(Option::unwrap), ["viewer"; 3]);
    for (change, wanted) in [("grant", "editor"), ("revoke", "viewer")] {
        street.door.command(&["user", change, "bob@acme.example", "--role", "editor", "--tenant", "acme"]);
        eventually("the replica has heard of it", || (there().as_deref() == Some(wanted)).then_some(()));
        eventually("so has the first", || (role(&bob, &street.url(ACME, "/x")).as_deref() == Some(wanted)).then_some(()));
    }
}

#[test]
fn a_tenant_that_is_taken_out_of_the_configuration_is_let_in_nowhere() {
    let street = Street::new();
    let made = street.door.command(&["key", "create", "--name", "k", "--tenant", "initech"]);
    let header = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    assert_eq!(street.send(SHARED, "/", &["-H", &header]).status, 200);
    let file = street.door.config();
    let text = std::fs::read_to_string(&file).unwrap();
    let without: String = text.split_inclusive('\n').filter(|line| !line.contains("initech")).collect();
    std::fs::write(&file, without).unwrap();
    street.door.process.signal("HUP");
    let refused =
        eventually("the reload", || Some(street.send(SHARED, "/", &["-H", &header])).filter(|answer| answer.status == 403));
    assert_eq!(refused.json()["code"], "foreign_host", "{}", refused.text());
    assert!(street.failing(&["key", "create", "--name", "k", "--tenant", "initech"]).contains("there is no tenant initech"));
}

#[test]
fn a_plain_listener_sends_people_to_the_host_they_asked_for() {
    let configuration = "\
version: 1
public_url: https://door.test:8443
listeners:
  - { address: 127.0.0.1:0, redirect: true }
  - { address: 127.0.0.1:0 }
upstream: { url: http://127.0.0.1:9 }
store: { url: sqlite:{folder}/doorward.db }
secret_key: 0123456789abcdef0123456789abcdef
tenants: [{ id: acme, hosts: [acme.test] }]
";
    let door = crate::support::Door::serve(configuration, |_| {});
    let ask = |host: &str| {
        let answer = curl(&["-H", &format!("Host: {host}"), &format!("http://{}/a?b", door.listener(0))]);
        answer.header("location").unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    assert_eq!(ask("acme.test"), "https://acme.test:8443/a?b");
    assert_eq!(ask("ACME.test:80"), "https://acme.test:8443/a?b");
    assert_eq!(ask("evil.test"), "https://door.test:8443/a?b", "only what is configured");
}

/// At one host and for the same page: the tenant alone tells them apart.
#[test]
fn a_tenant_can_need_a_second_factor_of_its_people_and_of_nobody_else() {
    let street = Street::new();
    let asked = |tenant: &str, connection: &str| {
        let local = street.local(tenant, "peter");
        let person = street.person(SHARED);
        let signed_in = street.type_password(&person, SHARED, connection, "peter", &local.password);
        assert_eq!(signed_in.status, 303, "{tenant}: {}", signed_in.text());
        assert_eq!(person.ask(&street.url(SHARED, "/public/x"), &[]).status, 200, "nobody is looked at there");
        person.ask(&street.url(SHARED, "/data"), &["-H", "Accept: application/json"])
    };
    let before = street.passed();
    let strict = asked("initech", "initech-local");
    assert_eq!((strict.status, &strict.json()["code"]), (403, &serde_json::json!("second_factor")), "{}", strict.text());
    assert_eq!(street.passed(), before + 1, "only the public page was asked for");
    assert_eq!(asked("default", "local").status, 200, "the others are not asked");
    let key = street.door.command(&["key", "create", "--name", "robot", "--tenant", "initech"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    assert_eq!(street.send(SHARED, "/data", &["-H", &key]).status, 200, "a program has no second factor");
}
