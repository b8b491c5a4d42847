//! The e-mail address says which way: routing by domain, tenants' links, and who may use which way.

use serde_json::json;

use super::house::{House, Person, Plan, field, received};
use crate::support::{Answer, eventually};

/// Two companies and local accounts for everybody else.
const COMPANIES: &str = "  - id: second
    display_name: Victim SSO
    domains: [victim.example, bücher.example]
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [profile, email, groups] }
  - id: local
    password: { lock_after: 100 }";

fn house(settings: &'static str) -> House {
    House::with(Plan { connection: "    domains: [acme.example]", connections: COMPANIES, settings, ..Plan::default() })
}

/// Types `email` into the page at `path` as a browser would.
#[track_caller]
fn type_address(house: &House, person: &Person, path: &str, email: &str) -> Answer {
    let page = person.ask(&house.url(path), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let (token, back) = (field(&page.text(), "token"), field(&page.text(), "return_to"));
    let mut fields = vec![("token", token.as_str()), ("return_to", &back), ("email", email)];
    let tenant = page.text().contains("name=\"tenant\"").then(|| field(&page.text(), "tenant"));
    if let Some(tenant) = &tenant {
        fields.push(("tenant", tenant));
    }
    person.post(&house.url("/.doorward/sign-in"), &fields, &[])
}

/// Where an answer to the form leads.
#[track_caller]
fn led(house: &House, person: &Person, answer: &Answer) -> String {
    if let Some(refresh) = answer.header("refresh") {
        let url = url::Url::parse(refresh.strip_prefix("0; url=").unwrap()).unwrap();
        let back = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
        return back.rsplit('/').next().unwrap().to_owned();
    }
    let (page, location) = next(house, person, answer);
    match location {
        location if location.starts_with(&house.url("/.doorward/sign-in/local?")) && page.contains("name=\"password\"") => {
            "local"
        }
        location if location.starts_with(&house.url("/.doorward/sign-in?")) && page.contains("id=\"problem\"") => "refused",
        location => panic!("{location} {page}"),
    }
    .to_owned()
}

/// The page that the form's answer goes on to.
#[track_caller]
fn next(house: &House, person: &Person, answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with(&house.url("/.doorward/sign-in")) && !location.contains("victim"), "{location}");
    let page = person.ask(&location, &[]);
    assert_eq!(page.status, 200);
    (page.text(), location)
}

#[test]
fn the_domain_of_the_address_picks_the_connection_and_takes_the_address_along() {
    let house = house("");
    let person = house.person();
    let path = "/.doorward/sign-in?return_to=%2Freports%3Fx%3D1%23part";
    let answer = type_address(&house, &person, path, "ada@acme.example");
    assert_eq!(led(&house, &person, &answer), "idp");
    let to = answer.header("refresh").unwrap().strip_prefix("0; url=").unwrap().to_owned();
    assert!(to.contains("login_hint=ada%40acme.example"), "{to}");
    assert!(answer.text().contains(&to.replace('&', "&amp;")), "the page has the link too");
    let walk = person.log_in(&person.walk(&to), "ada");
    assert_eq!((walk.answer.status, walk.url.as_str()), (200, house.url("/reports?x=1#part").as_str()));
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("ada@acme.example"));
    assert!(walk.hops.iter().all(|hop| !hop.contains("%40") && !hop.contains('@')), "{:#?}", walk.hops);
}

#[test]
fn somebody_of_no_company_gets_the_tenants_own_way_and_so_does_a_user_name() {
    let house = house("");
    for typed in ["nobody@elsewhere.example", "dora"] {
        let person = house.person();
        let answer = type_address(&house, &person, "/.doorward/sign-in", typed);
        let (page, location) = next(&house, &person, &answer);
        assert!(page.contains("name=\"password\"") && page.contains(&format!("value=\"{typed}\"")), "{page}");
        assert!(!location.contains(typed), "what was typed stays out of addresses: {location}");
    }
}

#[test]
fn the_page_names_no_company_and_answers_known_and_unknown_people_alike() {
    let house = house("");
    house.door.command(&["user", "create", "--name", "dora", "--email", "dora@elsewhere.example"]);
    let page = house.person().ask(&house.url("/.doorward/sign-in"), &[]);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self'") && !policy.contains(&house.idp.ready["issuer"].as_str().unwrap()[..16]),
        "{policy}"
    );
    assert!(!page.text().contains("Victim") && !page.text().contains("/sign-in/idp"), "{}", page.text());
    for (known, unknown) in [("dora@elsewhere.example", "nora@elsewhere.example"), ("ada@acme.example", "zoe@acme.example")] {
        let [known, unknown] = [known, unknown].map(|email| {
            let person = house.person();
            let answer = type_address(&house, &person, "/.doorward/sign-in", email);
            let text = if answer.status == 303 { next(&house, &person, &answer).0 } else { answer.text() };
            let token = if text.contains("name=\"token\"") { field(&text, "token") } else { "-".to_owned() };
            let headers: Vec<String> =
                answer.headers.iter().map(|(name, _)| name.clone()).filter(|name| name != "date").collect();
            // What differs is what was typed and what is random.
            let text = text.replace(&token, "TOKEN").replace(email, "EMAIL");
            let text = text.split("href=\"http").next().unwrap().split("class=\"request\"").next().unwrap().to_owned();
            (answer.status, headers, text)
        });
        assert_eq!(known, unknown);
    }
}

/// Addresses that have been read as another's by somebody, and where each leads.
#[rustfmt::skip]
const TRICKS: &[(&str, &str)] = &[
    // Two `@`, quotes, comments, routes.
    ("ada@victim.example@acme.example", "refused"), ("ada@acme.example@victim.example", "refused"), ("@victim.example", "refused"),
    ("ada@", "refused"), ("ada@@victim.example", "refused"), ("\"ada@victim.example\"@acme.example", "refused"),
    ("\"ada\"@victim.example", "refused"), ("\"@victim.example", "refused"), ("ada\\@victim.example@acme.example", "refused"),
    ("ada(@victim.example)@acme.example", "refused"), ("ada@(x)victim.example", "refused"), ("ada@victim.example(x)", "refused"),
    ("<ada@victim.example>", "refused"), ("Ada <ada@victim.example>", "refused"), ("ada@victim.example>", "refused"),
    ("@acme.example:ada@victim.example", "refused"), ("<@acme.example:ada@victim.example>", "refused"),
    ("ada%victim.example@acme.example", "refused"), ("victim.example!ada@acme.example", "refused"),
    ("ada@victim.example,eve@acme.example", "refused"), ("ada@victim.example;eve@acme.example", "refused"),
    ("ada@acme.example ada@victim.example", "refused"), ("ada@victim.example\u{0}@acme.example", "refused"),
    ("ada@victim.example\u{0}", "refused"), ("ada@victim.example%00", "refused"), ("ada@victim.example%00.acme.example", "refused"),
    ("ada%40victim.example", "local"), ("ada@victim%2eexample", "refused"), ("ada@victim.example%20", "refused"),
    ("mailto:ada@victim.example", "refused"), ("ada@victim.example?x=@acme.example", "refused"), ("ada@victim.example/x", "refused"),
    ("ada@victim.example#x", "refused"), ("ada@victim.example:443", "refused"), ("ada@https://victim.example", "refused"),
    // Characters that become others.
    ("ada＠victim.example", "local"), ("ada＠victim.example@acme.example", "refused"), ("ada@victim.example＠acme.example", "refused"),
    ("ada@victim。example", "refused"), ("ada@victim．example", "refused"), ("ada@victim｡example", "refused"),
    ("ada@ｖictim.example", "refused"), ("ada@vic\u{ad}tim.example", "refused"), ("ada@vic\u{200d}tim.example", "refused"),
    ("ada@vic\u{200b}tim.example", "refused"), ("ada@\u{202e}elpmaxe.mitciv", "refused"), ("ada@victiⅿ.example", "refused"),
    ("ada@victım.example", "local"), ("ada@vіctim.example", "local"), ("ada@victim.examp\u{301}le", "refused"),
    ("ada@b\u{75}\u{308}cher.example", "refused"), ("ada@xn--victim-.example", "refused"), ("ada@xn--.example", "refused"),
    ("ada@xn--victim.example", "refused"), ("ada@bucher.example", "local"), ("ada@xn--victim-3ya.example", "local"),
    // White space and line ends.
    ("ada@victim.example\r\nBcc: eve@acme.example", "refused"), ("ada@victim.example\n", "refused"), ("ada@\tvictim.example", "refused"),
    ("ada @victim.example", "refused"), ("ada@ victim.example", "refused"), ("ada@victim .example", "refused"),
    ("ada@victim.example\u{a0}", "refused"), ("ada@victim.example\u{3000}", "refused"), ("\u{feff}ada@victim.example", "refused"),
    ("ada@victim.example\u{85}", "refused"), ("ada@victim.example\u{b}", "refused"),
    // Other domains that look like one.
    ("ada@sub.victim.example", "local"), ("ada@victim.example.acme.example", "local"), ("ada@notvictim.example", "local"),
    ("ada@victim.example.evil.example", "local"), ("ada@victim-example", "refused"), ("ada@victim", "refused"), ("ada@.victim.example", "refused"),
    ("ada@victim..example", "refused"), ("ada@victim.example.", "refused"), ("ada@victim.example..", "refused"), ("ada@*.example", "refused"),
    ("ada@[victim.example]", "refused"), ("ada@[192.0.2.1]", "refused"), ("ada@192.0.2.1", "refused"), ("ada@[IPv6:::1]", "refused"),
    ("ada@0x7f.0.0.1", "refused"), ("ada@2130706433", "refused"), ("ada@-victim.example", "refused"), ("ada@victim-.example", "refused"),
    ("ada@victim_.example", "refused"), ("аda@victim.example", "refused"), ("ada+victim.example@acme.example", "idp"),
    ("ada@victim.example\u{2028}@acme.example", "refused"), ("", "refused"), ("@", "refused"),
    // Odd, and what they say.
    ("ADA@VICTIM.EXAMPLE", "second"), ("  ada@victim.example ", "second"), ("ada+tag@Victim.Example", "second"),
    ("o'brien@victim.example", "second"), ("ada@bücher.example", "second"), ("ada@BÜCHER.example", "second"),
    ("ada@xn--bcher-kva.example", "second"), ("ada@XN--BCHER-KVA.EXAMPLE", "second"),
];

#[test]
fn no_trick_with_an_address_reaches_another_domains_connection() {
    assert!(TRICKS.len() >= 50 + 8, "{}", TRICKS.len());
    let house = house("");
    let person = house.person();
    let token = field(&person.ask(&house.url("/.doorward/sign-in"), &[]).text(), "token");
    let mut wrong = Vec::new();
    for (typed, right) in TRICKS {
        let fields = [("token", token.as_str()), ("return_to", "/"), ("email", typed)];
        let found = led(&house, &person, &person.post(&house.url("/.doorward/sign-in"), &fields, &[]));
        if found != *right {
            wrong.push((typed, found, right));
        }
    }
    let long = format!("{}@victim.example", "a".repeat(250));
    let labels = format!("ada@{}victim.example", "a.".repeat(130));
    for typed in [long.as_str(), &labels, &format!("ada@{}.example", "a".repeat(64))] {
        let fields = [("token", token.as_str()), ("return_to", "/"), ("email", typed)];
        let found = led(&house, &person, &person.post(&house.url("/.doorward/sign-in"), &fields, &[]));
        assert_eq!(found, "refused", "{} bytes", typed.len());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_form_takes_nothing_that_is_not_from_our_page_and_nothing_twice() {
    let house = house("");
    let person = house.person();
    let token = field(&person.ask(&house.url("/.doorward/sign-in"), &[]).text(), "token");
    let url = house.url("/.doorward/sign-in");
    let fields = [("token", token.as_str()), ("email", "ada@acme.example")];
    assert_eq!(person.post(&url, &fields, &["Origin: https://evil.example"]).status, 403);
    assert_eq!(person.post(&url, &fields[1..], &[]).status, 403);
    let stranger = house.person();
    assert_eq!(stranger.post(&url, &fields, &[]).status, 400, "a browser that keeps no cookies");
    assert_eq!(stranger.ask(&url, &[]).status, 200);
    assert_eq!(stranger.post(&url, &fields, &[]).status, 403, "another browser's token");
    let twice = [("token", token.as_str()), ("email", "ada@acme.example"), ("email", "ada@victim.example")];
    assert_eq!(person.post(&url, &twice, &[]).status, 403);
    assert_eq!(led(&house, &person, &person.post(&url, &fields, &[])), "idp");
}

#[test]
fn an_answer_of_one_company_speaks_for_its_own_addresses_only_wherever_it_is_sent() {
    let house = house("");
    house.idp.tell(
        "/users",
        &json!([{ "sub": "vic", "password": "pw", "email": "vic@victim.example", "email_verified": true, "preferred_username": "vic" }]),
    );
    // Somebody types another company's address, is sent there, and signs in with an account of their own.
    let person = house.person();
    let answer = type_address(&house, &person, "/.doorward/sign-in", "vic@victim.example");
    assert_eq!(led(&house, &person, &answer), "second");
    let to = answer.header("refresh").unwrap().strip_prefix("0; url=").unwrap().to_owned();
    let walk = person.log_in(&person.walk(&to), "ada");
    assert_eq!(walk.answer.status, 403, "{}", walk.answer.text());
    assert!(person.cookie("__Host-doorward").is_none());
    // The other way round: the right account, but the answer brought to the other company's address.
    let person = house.person();
    let callback = person.to_callback(&house.url("/.doorward/sign-in/second"), "vic");
    let other = callback.replace("/callback/second", "/callback/idp");
    assert_eq!(person.walk(&other).answer.status, 400);
    assert_eq!(person.walk(&callback).answer.status, 200, "and the right one still works");
    for reason in ["foreign_address", "mix_up"] {
        eventually(reason, || house.events("sign_in").into_iter().find(|event| event["reason"] == reason));
    }
}

/// Sends the local form with the right password or a wrong one.
#[track_caller]
fn password(house: &House, person: &Person, user: &str, password: &str) -> Answer {
    let page = person.ask(&house.url("/.doorward/sign-in/local"), &[]).text();
    let fields = [("token", &*field(&page, "token")), ("return_to", "/"), ("user", user), ("password", password)];
    person.post(&house.url("/.doorward/sign-in/local"), &fields, &[])
}

#[track_caller]
fn account(house: &House, arguments: &[&str]) -> String {
    let all: Vec<&str> = ["user", "create"].iter().chain(arguments).copied().collect();
    house.door.command(&all)["password"].as_str().unwrap().to_owned()
}

#[test]
fn where_sso_is_required_a_right_password_is_answered_like_an_unknown_name_by_every_road() {
    let house = house("sign_in: { require_sso: [acme.example], break_glass: [ops@acme.example] }");
    let ada = account(&house, &["--name", "ada", "--email", "ada@acme.example"]);
    let zed = account(&house, &["--name", "zed@acme.example"]);
    let ops = account(&house, &["--name", "ops", "--email", "ops@acme.example"]);
    let dora = account(&house, &["--name", "dora", "--email", "dora@elsewhere.example"]);
    let answers: Vec<(u16, String)> =
        [("ada", ada.as_str()), ("ada@acme.example", &ada), ("zed@acme.example", &zed), ("nora", "wrong password")]
            .map(|(user, secret)| {
                let person = house.person();
                let answer = password(&house, &person, user, secret);
                assert!(person.cookie("__Host-doorward").is_none(), "{user}");
                let token = field(&answer.text(), "token");
                let text = answer.text().replace(&token, "TOKEN").replace(user, "NAME");
                (answer.status, text.split("class=\"request\"").next().unwrap().to_owned())
            })
            .into();
    assert!(answers.iter().all(|answer| answer.0 == 401 && *answer == answers[3]), "{answers:#?}");
    assert_eq!(password(&house, &house.person(), "ops", &ops).status, 303, "a named administrator may");
    assert_eq!(password(&house, &house.person(), "dora", &dora).status, 303, "others may");
    let (person, _) = house.signed_in("ada", "/.doorward/sign-in/idp?return_to=%2F");
    assert_eq!(person.session().status, 200, "and by single sign-on everybody may");
}

#[test]
fn where_everybody_has_to_use_sso_nobody_else_gets_in_by_a_password() {
    let house = house("sign_in: { require_sso: true, break_glass: [ops@acme.example] }");
    let ops = account(&house, &["--name", "ops", "--email", "ops@acme.example"]);
    let dora = account(&house, &["--name", "dora"]);
    assert_eq!(password(&house, &house.person(), "dora", &dora).status, 401);
    assert_eq!(password(&house, &house.person(), "ops", &ops).status, 303);
}

#[test]
fn people_who_have_to_use_sso_use_their_own_companys() {
    let connections = "  - id: second
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [profile, email, groups] }";
    let settings = "sign_in: { require_sso: [acme.example], break_glass: [ops@acme.example] }";
    let plan = || Plan { connection: "    domains: [acme.example]", connections, ..Plan::default() };
    let house = House::with(plan());
    assert_eq!(
        house.signed_in("ada", "/.doorward/sign-in/second?return_to=%2F").1.answer.status,
        200,
        "where it is not required"
    );
    let house = House::with(Plan { settings, ..plan() });
    let person = house.person();
    let walk = person.sign_in(&house.url("/.doorward/sign-in/second"), "ada");
    assert_eq!((walk.answer.status, person.cookie("__Host-doorward")), (403, None), "{}", walk.answer.text());
}

#[test]
fn a_tenants_link_leads_to_its_own_ways_and_a_tenant_that_is_not_there_to_everybodys() {
    let house = House::with(Plan {
        connections: "  - id: second
    tenant: partners
    display_name: Partner SSO
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [profile, email, groups] }
  - id: local
    password: { lock_after: 100 }",
        settings: "tenants: [{ id: partners, display_name: Partners }]",
        ..Plan::default()
    });
    let page = |path: &str| {
        let text = house.person().ask(&house.url(path), &[]).text();
        let token = field(&text, "token");
        text.replace(&token, "TOKEN").split("class=\"request\"").next().unwrap().to_owned()
    };
    let plain = page("/.doorward/sign-in");
    assert!(!plain.contains("Partner"), "{plain}");
    for unknown in
        ["/.doorward/t/nobody", "/.doorward/sign-in?tenant=nobody", "/.doorward/t/PARTNERS", "/.doorward/t/partners%20"]
    {
        assert_eq!(page(unknown), plain, "{unknown}");
    }
    for link in ["/.doorward/t/partners?return_to=%2Fx", "/.doorward/sign-in?tenant=partners&return_to=%2Fx"] {
        let person = house.person();
        let walk = person.sign_in(&house.url(link), "ada");
        assert!(walk.hops.iter().any(|hop| hop.contains("/callback/second")), "{:#?}", walk.hops);
        assert_eq!((walk.answer.status, walk.url.as_str()), (200, house.url("/x").as_str()));
        assert_eq!(received(&walk.answer.json(), "x-doorward-tenant"), Some("partners"));
    }
    // Whoever is signed in elsewhere is not taken for one of the tenant's own people.
    let (person, walk) = house.signed_in("ada", "/.doorward/sign-in/idp?return_to=%2F");
    assert_eq!(received(&walk.answer.json(), "x-doorward-tenant"), Some("default"));
    assert_eq!(person.ask(&house.url("/.doorward/t/default"), &[]).status, 303, "nobody is asked twice at home");
    let straight = person.walk(&house.url("/.doorward/t/partners"));
    assert!(straight.hops.iter().any(|hop| hop.contains("/callback/second")), "{:#?}", straight.hops);
    assert_eq!(person.session().json()["tenant"], "partners");
    let twice = person.ask(&house.url("/.doorward/sign-in?tenant=partners&tenant=default"), &[]);
    assert_eq!(twice.status, 400);
}
