//! Every page, as people see it: in light and dark and on a phone, held against axe-core, with a picture of each.
//!
//! A new page needs one line in [`usual`], or in a house of its own.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::browser::{browse, log_in, said};
use super::house::{House, Plan};

const LOCAL: &str = "  - id: local\n    password: { lock_after: 2 }";
/// Yellow cannot be read on white: the pages have to make it darker.
const BRANDED: &str = "sign_in: { title: Reports, logo: logo.svg, color: '#ffd400', support: help@acme.example }\n";
const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 120 40'><script>document.title='run'</script>\
                    <rect width='120' height='40' rx='8' fill='#ffd400'/></svg>";

/// The provider proves no second factor, and Doorward's own does not count.
const PROVES_NOTHING: &str = "    mfa: { local: false }";

/// A page, how to get there, and a piece of its text.
type Visit = (&'static str, Vec<Value>, &'static str);

fn house(connection: &'static str) -> House {
    House::with(Plan {
        connection,
        connections: LOCAL,
        settings: BRANDED,
        files: vec![("logo.svg", LOGO.to_owned())],
        ..Plan::default()
    })
}

fn goto(house: &House, path: &str) -> Vec<Value> {
    vec![json!({ "goto": house.url(path) })]
}

/// Signs in at the provider and arrives at the application.
fn sign_in(house: &House, who: &str) -> Vec<Value> {
    let arrived = json!({ "wait_for_url": format!("^{}$", house.url("/")) });
    [goto(house, "/.doorward/sign-in/idp"), log_in(who).to_vec(), vec![arrived]].concat()
}

/// Types wrong passwords.
fn wrong(times: usize) -> Vec<Value> {
    let once = [
        json!({ "fill": ["#user", "nobody"] }),
        json!({ "fill": ["#password", "wrong password"] }),
        json!({ "click": "main button" }),
        json!({ "wait_for": ".problem, .button" }),
    ];
    std::iter::repeat_n(once, times).flatten().collect()
}

/// The pages that one house can show, in this order: the last ones need somebody who is signed in.
fn usual(house: &House) -> Vec<Visit> {
    let post = "const form = document.createElement('form'); form.method = 'post'; form.action = '/x'; document.body.append(form); form.submit()";
    let again = || goto(house, "/.doorward/sign-in?return_to=%2Fround");
    vec![
        ("no-cookies", goto(house, "/.doorward/callback/idp?code=x&state=y"), "No cookie arrived"),
        ("sign-in", goto(house, "/.doorward/sign-in"), "Continue with"),
        ("wrong-password", [goto(house, "/.doorward/sign-in"), wrong(1)].concat(), "is wrong"),
        ("locked", [goto(house, "/.doorward/sign-in"), wrong(2)].concat(), "Too many tries"),
        ("expired", goto(house, "/.doorward/callback/idp?code=x&state=y"), "cannot be finished"),
        ("unknown-connection", goto(house, "/.doorward/sign-in/nothing"), "no such way"),
        ("not-found", goto(house, "/.doorward/nothing"), "no such page"),
        ("signed-out", goto(house, "/.doorward/signed-out"), "You are signed out"),
        ("programs-only", goto(house, "/programs/x"), "for programs"),
        ("upstream-down", goto(house, "/public/down/x"), "cannot be reached"),
        (
            "sign-in-needed",
            [
                goto(house, "/.doorward/signed-out"),
                vec![json!({ "evaluate": post }), json!({ "wait_for_text": "Sign in first" })],
            ]
            .concat(),
            "was not passed on",
        ),
        (
            "provider-refused",
            [
                goto(house, "/.doorward/sign-in/idp"),
                vec![json!({ "click": "text=Cancel" }), json!({ "wait_for_text": "did not sign you in" })],
            ]
            .concat(),
            "the person cancelled",
        ),
        ("sessions", [sign_in(house, "bob"), goto(house, "/.doorward/sessions")].concat(), "this browser"),
        ("sign-out", goto(house, "/.doorward/sign-out"), "ends your session"),
        ("denied", goto(house, "/admin/x"), "bob@acme.example"),
        ("loop", [again(), again(), again(), again()].concat(), "sent in circles"),
    ]
}

/// Where the pictures are, to be looked at.
fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Takes a picture of the page as it is.
pub(super) fn picture(name: &str) -> Vec<Value> {
    vec![json!({ "screenshot": pictures().join(format!("{name}.png")) })]
}

const SHAPE: &str = "[document.querySelectorAll('h1').length, document.querySelectorAll('main').length, \
                     document.documentElement.lang.length >= 2, document.documentElement.scrollWidth <= innerWidth, \
                     document.title.includes('Reports')]";

/// Goes to each page and looks at it in every light.
#[track_caller]
fn look_at(visits: Vec<Visit>) {
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for (name, visit, words) in visits {
        all.extend(visit);
        for (look, scheme, size) in
            [("light", "light", [1280, 800]), ("dark", "dark", [1280, 800]), ("phone", "light", [360, 740])]
        {
            all.extend([json!({ "color_scheme": scheme }), json!({ "viewport": size }), json!({ "axe": 1 })]);
            all.extend([json!({ "title": 1 }), json!({ "content": 1 }), json!({ "evaluate": SHAPE })]);
            all.extend(picture(&format!("{name}-{look}")));
            names.push((format!("{name}, {look}"), words));
        }
    }
    let lines = browse(&Value::Array(all));
    let (audits, contents) = (said(&lines, "axe"), said(&lines, "content"));
    let shapes: Vec<&Value> = said(&lines, "evaluate").into_iter().filter(|line| line["value"].is_array()).collect();
    assert_eq!((audits.len(), contents.len(), shapes.len()), (names.len(), names.len(), names.len()));
    for (at, (name, words)) in names.iter().enumerate() {
        assert_eq!(audits[at]["findings"], json!([]), "{name}: {:#}", audits[at]);
        assert!(audits[at]["passes"].as_u64().unwrap() > 5, "{name}: axe looked at nothing: {}", audits[at]);
        let html = contents[at]["html"].as_str().unwrap();
        assert!(html.contains(words), "{name}: {html}");
        assert!(html.contains("mailto:help@acme.example"), "{name}: where to get help: {html}");
        let expected = json!([1, 1, true, true, true]);
        assert_eq!(
            shapes[at]["value"], expected,
            "{name}: one heading, one landmark, a language, nothing beside the screen, a title"
        );
    }
}

#[test]
fn every_page_is_accessible_in_light_and_dark_and_on_a_phone() {
    let house = house("");
    look_at(usual(&house));
}

#[test]
fn the_pages_of_accounts_clocks_and_stores_are_accessible_too() {
    let house = house("    provision: scim");
    let at_provider = |who: &str| [goto(&house, "/.doorward/sign-in/idp"), log_in(who).to_vec()].concat();
    let fresh = || vec![json!({ "new_person": 1 })];
    look_at(vec![(
        "account-not-found",
        [at_provider("ada"), vec![json!({ "wait_for_text": "find your account" })]].concat(),
        "Ask an administrator",
    )]);
    let made = house.door.command(&["user", "create", "--name", "dora"]);
    let by_password = vec![
        json!({ "fill": ["#user", "dora"] }),
        json!({ "fill": ["#password", made["password"]] }),
        json!({ "click": "main button" }),
        json!({ "wait_for_url": format!("^{}$", house.url("/")) }),
    ];
    let local = [fresh(), goto(&house, "/.doorward/sign-in/local"), by_password].concat();
    look_at(vec![
        (
            "step-up-by-code",
            [local, goto(&house, "/.doorward/step-up?need=second_factor&return_to=%2Fvault")].concat(),
            "Ask an administrator for one",
        ),
        ("enrolment-code", goto(&house, "/.doorward/factors/totp"), "one-time code is needed"),
    ]);
    house.idp.tell("/clock", &json!({ "skew_seconds": 600 }));
    look_at(vec![(
        "clocks",
        [fresh(), at_provider("ada"), vec![json!({ "wait_for_text": "clocks disagree" })]].concat(),
        "seconds ahead",
    )]);
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        let file = house.door.folder().join(name);
        if file.exists() {
            std::fs::write(&file, vec![0xff; 65536]).unwrap();
        }
    }
    let cookie = json!({ "headers": { "Cookie": format!("__Host-doorward={}", "A".repeat(43)) } });
    look_at(vec![("store-down", [fresh(), vec![cookie], goto(&house, "/x")].concat(), "have not been signed out")]);
}

#[test]
fn the_pages_of_what_is_slow_or_too_much_are_accessible_too() {
    // Takes connections, and answers nobody.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}", silent.local_addr().unwrap());
    let settings = format!(
        "  - {{ path: /slow/**, access: public, upstream: {{ url: {slow}, timeouts: {{ first_byte: 300ms }} }} }}\n\
         {BRANDED}sessions: {{ mode: sealed }}\nlimits: {{ failures_per_minute: 4 }}\n"
    );
    let files = vec![("logo.svg", LOGO.to_owned())];
    let house = House::with(Plan { connection: PROVES_NOTHING, settings: settings.leak(), files, ..Plan::default() });
    let groups: Vec<String> = (0..400).map(|number| format!("CN=Group number {number},OU=Groups,DC=acme,DC=example")).collect();
    let everywhere = json!({
        "sub": "all", "password": "pw", "email": "all@acme.example", "email_verified": true, "groups": groups
    });
    house.idp.tell("/users", &json!([everywhere, { "sub": "bob", "password": "pw" }]));
    let signing_in = |who: &str| [goto(&house, "/.doorward/sign-in/idp"), log_in(who).to_vec()].concat();
    let fresh = json!({ "new_person": 1 });
    let key = json!({ "headers": { "X-Api-Key": "dw_0" } });
    let tries: Vec<Value> = std::iter::repeat_n(goto(&house, "/x"), 5).flatten().collect();
    look_at(vec![
        ("upstream-slow", goto(&house, "/slow/x"), "did not answer in time"),
        (
            "session-too-large",
            [signing_in("all"), vec![json!({ "wait_for_text": "too many groups" })]].concat(),
            "too many groups",
        ),
        (
            "second-factor-missing",
            [
                vec![fresh],
                sign_in(&house, "bob"),
                goto(&house, "/.doorward/step-up?need=second_factor&answered=yes&return_to=%2Fvault"),
            ]
            .concat(),
            "has signed you in without one",
        ),
        ("credential-refused", [vec![json!({ "new_person": 1 }), key], goto(&house, "/x")].concat(), "not accepted"),
        ("too-many", tries, "Too many tries"),
    ]);
}

#[test]
fn every_page_names_an_icon_that_browsers_get_without_signing_in() {
    let house = House::usual();
    let person = house.person();
    for path in ["/.doorward/signed-out", "/.doorward/nothing"] {
        let page = person.ask(&house.url(path), &[]).text();
        let icon =
            page.split("rel=\"icon\"").nth(1).and_then(|rest| rest.split("href=\"").nth(1)).unwrap_or_else(|| panic!("{page}"));
        let answer = person.ask(&house.url(icon.split('"').next().unwrap()), &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{path}");
        assert!(answer.text().starts_with("<svg"), "{}", answer.text());
    }
}

#[test]
fn a_logo_is_shown_and_cannot_run() {
    let house = house("");
    let page = house.person().ask(&house.url("/.doorward/sign-in"), &[]).text();
    let at = page.find("/.doorward/assets/").unwrap();
    let address = |ending: &str| {
        let end = page.find(&format!(".{ending}\"")).unwrap() + ending.len() + 1;
        let start = page[..end].rfind("/.doorward/assets/").unwrap();
        page[start..end].to_owned()
    };
    assert!(at > 0);
    let logo = house.person().ask(&house.url(&address("svg")), &[]);
    assert_eq!(logo.header("content-type"), Some("image/svg+xml"));
    assert!(logo.header("content-security-policy").unwrap().contains("sandbox"), "{logo:?}");
    assert_eq!(logo.header("x-content-type-options"), Some("nosniff"));
    let lines = browse(&json!([{ "goto": house.url(&address("svg")) }, { "title": 1 }]));
    assert_ne!(said(&lines, "title")[0]["title"], "run", "the script in it ran");
    let style = house.person().ask(&house.url(&address("css")), &[]).text();
    assert!(!style.contains("--accent: #ffd400; --accent-ink: #ffffff"), "white on yellow cannot be read");
}
