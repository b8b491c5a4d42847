//! Where oauth2-proxy answered: an application that was written for it, and its links, find what they look for.

use std::time::Instant;

use serde_json::{Value, json};

use super::house::{House, Person, Plan, received};
use crate::support::valkey::ValkeyServer;
use crate::support::{Door, curl, eventually};

const COMPATIBLE: &str = "\
compatibility: { oauth2_proxy: {} }
sign_in: { return_origins: [https://elsewhere.test:4443] }
\"identity_headers\":
  presets: [oauth2-proxy]
  access_token: true
  id_token: true
  custom: { X-Forwarded-User: \"{provider_subject}\" }
";

fn house() -> House {
    House::with(Plan {
        settings: COMPATIBLE,
        without: &["identity_headers:"],
        client: r#"{ "redirect_uris": ["{own}/oauth2/callback"] }"#,
        ..Plan::default()
    })
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Signed in by the link that such applications have.
fn signed_in(house: &House, who: &str, rd: &str) -> (Person, super::house::Walk) {
    let person = house.person();
    let walk = person.sign_in(&house.url(&format!("/oauth2/start?rd={rd}")), who);
    (person, walk)
}

#[test]
fn an_application_made_for_oauth2_proxy_finds_its_links_and_headers() {
    let house = house();
    let (person, walk) = signed_in(&house, "ada", "/kept%3Fx%3D1");
    assert_eq!((walk.answer.status, walk.url.as_str()), (200, house.url("/kept?x=1").as_str()), "{:#?}", walk.hops);
    assert!(walk.hops.iter().any(|hop| hop.starts_with(&house.url("/oauth2/callback?code="))), "{:#?}", walk.hops);

    let echo = walk.answer.json();
    assert_eq!(received(&echo, "x-forwarded-user"), Some("ada"), "the provider's `sub`, as oauth2-proxy has it");
    assert_eq!(received(&echo, "x-forwarded-email"), Some("ada@acme.example"));
    assert_eq!(received(&echo, "x-forwarded-preferred-username"), Some("ada@acme.example"), "what they sign in by here");
    assert_eq!(received(&echo, "x-forwarded-groups"), Some("Chess,Engineering,Platform"));
    let access = received(&echo, "x-forwarded-access-token").unwrap().to_owned();
    let bearer = received(&echo, "authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_ne!(access, bearer);
    assert_eq!((claims(&bearer)["sub"].as_str(), claims(&bearer)["aud"].as_str()), (Some("ada"), Some("doorward")));

    let told = person.ask(&house.url("/oauth2/userinfo"), &["-H", "Accept: application/json"]);
    let expected = json!({
        "user": "ada", "email": "ada@acme.example", "groups": ["Chess", "Engineering", "Platform"], "preferredUsername": "ada@acme.example",
    });
    assert_eq!((told.status, told.header("content-type"), told.json()), (200, Some("application/json"), expected));
    assert_eq!(house.person().ask(&house.url("/oauth2/userinfo"), &[]).status, 401);

    let first = house.person().ask(&house.url("/oauth2/start?rd=/x"), &[]);
    assert_eq!(first.status, 302);
    assert!(first.header("location").unwrap().starts_with(house.idp.ready["issuer"].as_str().unwrap()), "{first:?}");
    let page = house.person().walk(&house.url("/oauth2/sign_in?rd=/x"));
    assert!(page.url.contains("/interaction/"), "one way only, so straight there: {:#?}", page.hops);
}

#[test]
fn a_token_that_the_client_sends_never_stands_where_the_provider_s_is_looked_for() {
    let house = house();
    let forged = "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let anonymous = house.person().ask(&house.url("/public/x"), &["-H", forged]);
    assert_eq!(anonymous.status, 200, "{}", anonymous.text());
    assert_eq!(received(&anonymous.json(), "authorization"), None);
}

#[test]
fn probes_and_search_engines_are_answered_as_by_oauth2_proxy() {
    let house = house();
    for path in ["/ping", "/ready"] {
        let answer = house.person().ask(&house.url(path), &["-H", "Accept: */*"]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "OK"), "{path}");
    }
    assert_eq!(house.person().ask(&house.url("/robots.txt"), &[]).text(), "User-agent: *\nDisallow: /\n");
    assert_eq!(house.upstream.control("GET", "/requests").as_array().unwrap().len(), 0, "the application saw none of it");
}

#[test]
fn however_often_anybody_asks_whether_it_is_ready_the_session_server_is_asked_once_a_second() {
    let mut server = ValkeyServer::start();
    let configuration = format!(
        "\
version: 1
public_url: https://app.test
listeners: [{{ address: 127.0.0.1:0 }}]
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:9 }}
store: {{ url: sqlite:{{folder}}/doorward.db, sessions: {{ url: {} }} }}
secret_key: {{ file: secret }}
compatibility: {{ oauth2_proxy: {{}} }}
",
        server.url()
    );
    let secret = |folder: &std::path::Path| std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let door = Door::serve(&configuration, secret);
    let ask = || curl(&[&format!("http://{}/ready", door.listener(0))]).status;
    let lookups = || -> u64 {
        let told = server.say(&["INFO", "commandstats"]);
        let calls = told.split_once("cmdstat_hgetall:calls=").map_or("0", |(_, rest)| rest);
        calls.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    let begun = Instant::now();
    for _ in 0..60 {
        assert_eq!(ask(), 200);
    }
    let (asked, longest) = (lookups(), begun.elapsed().as_secs() + 1);
    assert!((1..=longest).contains(&asked), "{asked} questions in {longest} s");
    server.kill();
    eventually("it is not ready any more", || (ask() == 500).then_some(()));
}

#[test]
fn a_return_address_elsewhere_is_not_gone_to() {
    let house = house();
    for trick in ["https://evil.example/", "//evil.example", "/%5Cevil.example", "https:evil.example", "javascript:alert(1)"] {
        let trick: String = url::form_urlencoded::byte_serialize(trick.as_bytes()).collect();
        let (person, walk) = signed_in(&house, "ada", &trick);
        assert!(walk.url.starts_with(&house.url("/")), "{trick}: {}", walk.url);
        let out = person.ask(&house.url(&format!("/oauth2/sign_out?rd={trick}")), &["-H", "Sec-Fetch-Site: same-origin"]);
        let location = out.header("location").unwrap();
        assert!(location.starts_with(&house.url("/")) || location.contains("/session/end?"), "{trick}: {location}");
    }
    let person = house.person();
    let form = person.walk(&house.url("/oauth2/start?rd=https%3A%2F%2Felsewhere.test%3A4443%2Fdeep"));
    let callback = person.ask(&format!("{}/login", form.url), &["-d", "login=ada&password=pw"]);
    let mut at = callback.header("location").unwrap().to_owned();
    for _ in 0..5 {
        if at.starts_with("https://elsewhere") {
            break;
        }
        at = person.ask(&at, &[]).header("location").unwrap().to_owned();
    }
    assert_eq!(at, "https://elsewhere.test:4443/deep", "a listed origin is");
}

#[test]
fn signing_out_by_link_takes_a_page_of_one_s_own() {
    let house = house();
    let (person, _) = signed_in(&house, "ada", "/");
    let out = house.url("/oauth2/sign_out?rd=%2Fbye");
    let strangers: [&[&str]; 4] = [
        &["-H", "Sec-Fetch-Site: cross-site", "-H", "Referer: https://evil.example/"],
        &["-H", "Sec-Fetch-Site: cross-site"],
        &["-H", "Referer: https://evil.example/"],
        &[],
    ];
    for stranger in strangers {
        let asked = person.ask(&out, stranger);
        assert_eq!(
            (asked.status, asked.header("location").unwrap()),
            (302, house.url("/.doorward/sign-out").as_str()),
            "{stranger:?}"
        );
        assert_eq!(person.session().status, 200, "a stranger's link signs nobody out: {stranger:?}");
    }
    let secret = person.cookie("__Host-doorward").unwrap();
    let gone = person.ask(&out, &["-H", "Sec-Fetch-Site: same-origin"]);
    assert_eq!((gone.status, gone.header("location").unwrap()), (302, house.url("/bye").as_str()));
    let stolen = house.person().ask(&house.url("/.doorward/session"), &["-H", &format!("Cookie: __Host-doorward={secret}")]);
    assert_eq!(stolen.status, 401, "the store knows that it ended");
    eventually("the sign-out is recorded", || (house.events("sign_out").len() == 1).then_some(()));

    // A page of a listed origin, and the ID token as the hint for the provider's own sign-out.
    let (person, _) = signed_in(&house, "ada", "/");
    let link = house.url("/oauth2/sign_out?rd=https%3A%2F%2Felsewhere.test%3A4443%2Fout%3Fid_token_hint%3D%7Bid_token%7D");
    let gone = person.ask(&link, &["-H", "Sec-Fetch-Site: cross-site", "-H", "Referer: https://elsewhere.test:4443/menu"]);
    let location = gone.header("location").unwrap();
    let token = location.strip_prefix("https://elsewhere.test:4443/out?id_token_hint=").unwrap();
    assert_eq!(claims(token)["sub"], "ada");

    // Without a return address the provider is signed out of as well.
    let (person, _) = signed_in(&house, "ada", "/");
    let gone = person.ask(&house.url("/oauth2/sign_out"), &["-H", "Sec-Fetch-Site: none"]);
    assert!(gone.header("location").unwrap().contains("/session/end?"), "{gone:?}");
}

#[test]
fn a_proxy_that_asks_at_oauth2_proxy_s_address_is_answered_as_by_it() {
    let house = House::with(Plan {
        settings: concat!(
            "trusted_proxies: [127.0.0.1/32]\n",
            "compatibility: { oauth2_proxy: {} }\n",
            "\"identity_headers\": { presets: [oauth2-proxy], access_token: true }\n"
        ),
        without: &["identity_headers:"],
        client: r#"{ "redirect_uris": ["{own}/oauth2/callback"] }"#,
        ..Plan::default()
    });
    let host = house.url("").trim_start_matches("https://").trim_end_matches('/').to_owned();
    let about = |path: &str| {
        [
            format!("X-Original-URI: {path}"),
            "X-Original-Method: GET".to_owned(),
            "X-Forwarded-For: 192.0.2.1".to_owned(),
            "X-Forwarded-Proto: https".to_owned(),
            format!("X-Forwarded-Host: {host}"),
        ]
    };
    let ask = |person: &Person, query: &str, path: &str| {
        let fields = about(path);
        let arguments: Vec<&str> = fields.iter().flat_map(|field| ["-H", field.as_str()]).collect();
        person.ask(&house.url(&format!("/oauth2/auth{query}")), &arguments)
    };
    assert_eq!(ask(&house.person(), "", "/x").status, 401, "never a redirect, also for a browser");
    assert_eq!(ask(&house.person(), "", "/public/x").status, 202);
    let (ada, _) = signed_in(&house, "ada", "/");
    let passed = ask(&ada, "", "/x");
    assert_eq!((passed.status, passed.header("x-auth-request-email")), (202, Some("ada@acme.example")), "{passed:?}");
    assert_eq!(passed.header("x-auth-request-groups"), Some("Chess,Engineering,Platform"));
    assert_eq!(passed.header("x-auth-request-preferred-username"), Some("ada@acme.example"));
    assert!(passed.header("x-auth-request-user").is_some() && passed.header("x-auth-request-access-token").is_some());
    for (query, status) in [
        ("?allowed_groups=Chess", 202),
        ("?allowed_groups=Nobody,Platform", 202),
        ("?allowed_groups=Nobody", 403),
        ("?allowed_emails=ada@acme.example", 202),
        ("?allowed_emails=eve@acme.example", 403),
        ("?allowed_email_domains=acme.example", 202),
        ("?allowed_email_domains=*.example", 202),
        ("?allowed_email_domains=cme.example", 403),
        ("?allowed_groups=Chess&allowed_emails=eve@acme.example", 403),
    ] {
        assert_eq!(ask(&ada, query, "/x").status, status, "{query}");
    }
    let (bob, _) = signed_in(&house, "bob", "/");
    assert_eq!(ask(&bob, "", "/admin/x").status, 403, "the routes' rules hold");
    assert_eq!(ask(&house.person().from("127.0.0.2"), "", "/public/x").status, 403, "only trusted proxies ask");
}
