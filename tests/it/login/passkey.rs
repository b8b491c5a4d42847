//! Passkeys in Chromium with its virtual authenticator, and every page about second factors held against axe-core.

use serde_json::{Value, json};

use super::browser::{browse, said};
use super::house::{House, Plan};
use super::mfa::{account, house};
use super::pages::picture;
use crate::support::curl;

/// Signs in with a password at the local connection.
fn password(house: &House, word: &str) -> Vec<Value> {
    vec![
        json!({ "goto": house.url("/.doorward/sign-in/local?prompt=login&return_to=%2Fkept") }),
        json!({ "fill": ["#user", "dora"] }),
        json!({ "fill": ["#password", word] }),
        json!({ "press": ["#password", "Enter"] }),
    ]
}

/// Makes a passkey for whoever is signed in.
fn enrol(house: &House) -> Vec<Value> {
    vec![
        json!({ "goto": house.url("/.doorward/factors?return_to=%2Fvault%2Fx") }),
        json!({ "click": "text=Add a passkey" }),
        json!({ "authenticator": {} }),
        json!({ "fill": ["#name", "Laptop"] }),
        json!({ "click": "main button" }),
        json!({ "wait_for_text": "Laptop" }),
    ]
}

fn whoami(house: &House) -> Value {
    json!({ "goto": house.url("/.doorward/session") })
}

fn steps(parts: impl IntoIterator<Item = Vec<Value>>) -> Value {
    Value::Array(parts.into_iter().flatten().collect())
}

/// What the last page says about the session.
fn methods(lines: &[Value]) -> Vec<Value> {
    let texts = said(lines, "text").into_iter().filter_map(|line| serde_json::from_str::<Value>(line["text"].as_str()?).ok());
    texts.map(|session| session["amr"].clone()).collect()
}

#[test]
fn a_passkey_is_made_used_as_second_factor_and_signs_in_by_itself() {
    let house = house();
    let word = account(&house, "dora");
    let lines = browse(&steps([
        password(&house, &word),
        vec![json!({ "wait_for_url": "/kept$" })],
        enrol(&house),
        vec![json!({ "authenticator": {} }), whoami(&house), json!({ "text": "body" })],
        vec![json!({ "goto": house.url("/vault/x") }), json!({ "clear_cookies": 1 })],
        password(&house, &word),
        vec![
            json!({ "wait_for_url": "/second-factor/sign-in$" }),
            whoami(&house),
            json!({ "goto": house.url("/.doorward/second-factor/sign-in") }),
            json!({ "click": "text=Use a passkey" }),
            json!({ "wait_for_url": "/kept$" }),
            whoami(&house),
            json!({ "text": "body" }),
            json!({ "clear_cookies": 1 }),
            json!({ "goto": house.url("/.doorward/sign-in/local?return_to=%2Fvault%2Fx") }),
            json!({ "click": "text=Sign in with a passkey" }),
            json!({ "click": "main button" }),
            json!({ "wait_for_url": "/vault/x$" }),
            whoami(&house),
            json!({ "text": "body" }),
            json!({ "problems": 1 }),
        ],
    ]));
    assert_eq!(said(&lines, "authenticator")[1]["credentials"], 1);
    assert_eq!(methods(&lines), [json!(["pwd", "pop", "mfa"]), json!(["pwd", "pop", "mfa"]), json!(["pop", "mfa"])]);
    let visits = said(&lines, "goto");
    let statuses: Vec<u64> = visits
        .iter()
        .filter(|line| line["url"].as_str().unwrap().ends_with("/session"))
        .map(|line| line["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 401, 200, 200], "no session before the passkey");
    let problems = said(&lines, "problems")[0]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| !problem.as_str().unwrap().contains("Content Security Policy")), "{problems:#?}");
    let kept = house.door.command(&["user", "mfa", "list", "dora"]);
    assert_eq!((&kept[0]["kind"], &kept[0]["name"]), (&json!("passkey"), &json!("Laptop")));
    assert_eq!(house.events("factor_added")[0]["details"]["factor"], "passkey");
}

#[test]
fn somebody_else_with_the_device_and_a_device_without_the_passkey_stay_outside() {
    let house = house();
    let word = account(&house, "dora");
    let ask = |house: &House| {
        vec![
            json!({ "goto": house.url("/.doorward/sign-in/local/passkey?return_to=%2Fvault%2Fx") }),
            json!({ "click": "main button" }),
            json!({ "wait_for_text": "gave no passkey" }),
            json!({ "cookies": 1 }),
        ]
    };
    let lines = browse(&steps([
        password(&house, &word),
        vec![json!({ "wait_for_url": "/kept$" })],
        enrol(&house),
        vec![json!({ "clear_cookies": 1 }), json!({ "authenticator": { "verified": false } })],
        ask(&house),
        vec![json!({ "new_person": 1 }), json!({ "goto": house.url("/.doorward/signed-out") }), json!({ "authenticator": {} })],
        ask(&house),
    ]));
    for cookies in said(&lines, "cookies") {
        let names: Vec<&str> =
            cookies["cookies"].as_array().unwrap().iter().map(|cookie| cookie["name"].as_str().unwrap()).collect();
        assert!(!names.contains(&"__Host-doorward"), "{names:?}");
    }
}

#[test]
fn an_answer_counts_once_and_only_as_it_was_signed() {
    let house = house();
    let word = account(&house, "dora");
    let caught = "HTMLFormElement.prototype.submit = function () { document.title = 'caught'; window.caught = JSON.stringify(Object.fromEntries(new FormData(this))); }";
    let catch = |house: &House| {
        vec![
            json!({ "goto": house.url("/.doorward/sign-in/local/passkey?return_to=%2Fvault%2Fx") }),
            json!({ "evaluate": caught }),
            json!({ "click": "main button" }),
            json!({ "evaluate": "new Promise((done) => { const look = () => window.caught ? done(window.caught) : setTimeout(look, 20); look(); })" }),
        ]
    };
    let lines = browse(&steps([
        password(&house, &word),
        vec![json!({ "wait_for_url": "/kept$" })],
        enrol(&house),
        vec![json!({ "clear_cookies": 1 })],
        catch(&house),
        catch(&house),
        vec![json!({ "cookies": 1 })],
    ]));
    let sent: Vec<Value> =
        said(&lines, "evaluate").into_iter().filter_map(|line| serde_json::from_str(line["value"].as_str()?).ok()).collect();
    let cookies: Vec<String> = said(&lines, "cookies")[0]["cookies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cookie| format!("{}={}", cookie["name"].as_str().unwrap(), cookie["value"].as_str().unwrap()))
        .collect();
    let send = |form: &Value| {
        let pairs = form.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (resolve, cookie) = (format!("door.test:{}:127.0.0.1", house.port), format!("Cookie: {}", cookies.join("; ")));
        let to = house.url("/.doorward/sign-in/local/passkey");
        curl(&["--insecure", "--resolve", &resolve, "-H", &cookie, "-H", "Accept: text/html", "--data-raw", &body, &to])
    };
    let mut mixed = sent[1].clone();
    mixed["answer"] = sent[0]["answer"].clone();
    assert_eq!(send(&mixed).status, 401, "an answer to another challenge");
    let first = send(&sent[0]);
    assert_eq!((first.status, first.header("location")), (303, Some(house.url("/vault/x").as_str())), "{}", first.text());
    assert_eq!(send(&sent[0]).status, 403, "the same again");
    assert_eq!(send(&sent[1]).status, 403, "a challenge that was tried with a wrong answer");
}

#[test]
fn every_page_about_second_factors_is_accessible_in_light_and_dark_and_on_a_phone() {
    let settings = "  - { path: /vault/**, mfa: true }\nsign_in: { title: Reports }\n";
    let house =
        House::with(Plan { connections: "  - id: local\n    password: { self_enrolment: true }", settings, ..Plan::default() });
    let word = account(&house, "dora");
    let goto = |path: &str| vec![json!({ "goto": house.url(path) })];
    let visits: Vec<(&str, Vec<Value>)> = vec![
        ("break-glass", goto("/.doorward/break-glass")),
        (
            "break-glass-wrong",
            vec![
                json!({ "fill": ["#user", "a@b.example"] }),
                json!({ "fill": ["#password", "x"] }),
                json!({ "fill": ["#code", "000000"] }),
                json!({ "click": "main button" }),
                json!({ "wait_for": "[role=alert]" }),
            ],
        ),
        ("step-up", [password(&house, &word), vec![json!({ "wait_for_url": "/kept$" })], goto("/vault/x")].concat()),
        ("factors-none", goto("/.doorward/factors")),
        ("totp", goto("/.doorward/factors/totp")),
        (
            "totp-wrong",
            vec![
                json!({ "fill": ["#code", "000000"] }),
                json!({ "click": "main button" }),
                json!({ "wait_for": "[role=alert]" }),
            ],
        ),
        ("passkey-new", goto("/.doorward/factors/passkey")),
        // Signed in anew: looking at so many pages may take longer than a sign-in counts as recent.
        (
            "factors",
            [
                vec![json!({ "clear_cookies": 1 })],
                password(&house, &word),
                vec![json!({ "wait_for_url": "/kept$" })],
                enrol(&house),
            ]
            .concat(),
        ),
        ("recovery-codes", vec![json!({ "click": "text=Make new recovery codes" }), json!({ "wait_for": ".codes" })]),
        (
            "second-factor",
            [vec![json!({ "clear_cookies": 1 })], password(&house, &word), vec![json!({ "wait_for": "details" })]].concat(),
        ),
        (
            "second-factor-wrong",
            vec![
                json!({ "fill": ["#recovery", "0000-0000-0000-0000"] }),
                json!({ "press": ["#recovery", "Enter"] }),
                json!({ "wait_for": "#problem" }),
            ],
        ),
        ("passkey", goto("/.doorward/sign-in/local/passkey")),
    ];
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for (name, visit) in visits {
        all.extend(visit);
        for (look, scheme, size) in
            [("light", "light", [1280, 800]), ("dark", "dark", [1280, 800]), ("phone", "light", [360, 740])]
        {
            all.extend([json!({ "color_scheme": scheme }), json!({ "viewport": size }), json!({ "axe": 1 })]);
            all.push(json!({ "evaluate": "[document.querySelectorAll('h1').length, document.documentElement.scrollWidth <= innerWidth]" }));
            all.extend(picture(&format!("{name}-{look}")));
            names.push(format!("{name}, {look}"));
        }
    }
    let lines = browse(&Value::Array(all));
    let (audits, shapes) = (said(&lines, "axe"), said(&lines, "evaluate"));
    assert_eq!((audits.len(), shapes.len()), (names.len(), names.len()));
    for (name, (audit, shape)) in names.iter().zip(audits.into_iter().zip(shapes)) {
        assert_eq!(audit["findings"], json!([]), "{name}: {audit:#}");
        assert!(audit["passes"].as_u64().unwrap() > 5, "{name}: axe looked at nothing: {audit}");
        assert_eq!(shape["value"], json!([1, true]), "{name}: one heading, nothing beside the screen");
    }
}
