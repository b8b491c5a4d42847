//! Doorward's own second factors, by script: codes of an app, codes on paper.

use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::house::{House, Person, Plan, field};
use crate::support::{Answer, eventually};

const JSON: &[&str] = &["-H", "Accept: application/json"];
const LOCAL: &str = "  - id: local\n    password: { lock_after: 4, lock_for: 10m, self_enrolment: true }";
const VAULT: &str = "  - { path: /vault/**, mfa: true }\n";

pub(super) fn house() -> House {
    House::with(Plan { connections: LOCAL, settings: VAULT, ..Plan::default() })
}

/// A door with a provider and nothing else.
fn provided() -> House {
    House::with(Plan { settings: VAULT, ..Plan::default() })
}

/// An authenticator app that never shows the same code twice.
pub(super) struct App {
    totp: totp_rs::Totp,
    last: u64,
}

impl App {
    pub(super) fn new(typed: &str) -> Self {
        let secret = totp_rs::Secret::try_from_base32(typed.replace(' ', "")).unwrap();
        Self { totp: totp_rs::Builder::new().with_secret(secret).build().unwrap(), last: 0 }
    }

    /// The app that the page's secret makes.
    pub(super) fn of(page: &str) -> Self {
        Self::new(page.split("class=\"secret\">").nth(1).unwrap_or_else(|| panic!("{page}")).split('<').next().unwrap())
    }

    /// The oldest code that counts for ten seconds more and was not used; waits where all that count were. One about to end would
    /// be refused where the machine is busy.
    pub(super) fn code(&mut self) -> String {
        let begun = SystemClock.now();
        loop {
            let moment = SystemClock.now();
            let seconds = u64::try_from(moment.seconds()).unwrap();
            let next = ((seconds + 10) / 30 - 1).max(self.last + 1);
            if next <= seconds / 30 + 1 {
                self.last = next;
                return self.totp.generate(next * 30).to_string();
            }
            assert!(moment.since(begun) < Duration::from_secs(65), "no code became valid");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Makes a local account and says its password.
pub(super) fn account(house: &House, name: &str) -> String {
    house.door.command(&["user", "create", "--name", name])["password"].as_str().unwrap().to_owned()
}

/// Fills in the password form.
#[track_caller]
pub(super) fn password(house: &House, person: &Person, name: &str, password: &str) -> Answer {
    let page = person.ask(&house.url("/.doorward/sign-in/local?prompt=login&return_to=%2Fkept"), &[]).text();
    let fields =
        [("token", &*field(&page, "token")), ("return_to", &field(&page, "return_to")), ("user", name), ("password", password)];
    person.post(&house.url("/.doorward/sign-in/local"), &fields, &[])
}

/// Sends the form of the page at `path` with these fields beside its hidden ones.
#[track_caller]
pub(super) fn fill_in(house: &House, person: &Person, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("token".to_owned(), field(page, "token")), ("return_to".to_owned(), field(page, "return_to"))];
    if page.contains("name=\"secret\"") {
        all.push(("secret".to_owned(), field(page, "secret")));
    }
    all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    person.post(&house.url(path), &all, &[])
}

/// Sets up an app for whoever is signed in.
#[track_caller]
pub(super) fn enrol(house: &House, person: &Person) -> App {
    let page = person.ask(&house.url("/.doorward/factors/totp?return_to=%2Fvault%2Fx"), &[]);
    assert_eq!(page.status, 200, "{page:?} {}", page.text());
    let mut app = App::of(&page.text());
    let done = fill_in(house, person, &page.text(), "/.doorward/factors/totp", &[("code", &app.code()), ("name", "Phone")]);
    assert_eq!(done.status, 303, "{}", done.text());
    app
}

/// The cookie that this person's browser has now is another than `before`, which opens nothing any more.
#[track_caller]
fn assert_renewed(house: &House, person: &Person, before: &str) {
    assert_ne!(person.cookie("__Host-doorward").unwrap(), before, "a new session id");
    let stolen = format!("Cookie: __Host-doorward={before}");
    assert_eq!(house.person().ask(&house.url("/data"), &["-H", &stolen]).status, 303, "the old one is dead");
    let program = ["-H", &stolen, "-H", "Accept: application/json"];
    assert_eq!(house.person().ask(&house.url("/data"), &program).status, 401, "for programs too");
}

#[track_caller]
pub(super) fn code(house: &House, person: &Person, code: &str) -> Answer {
    let page = person.ask(&house.url("/.doorward/second-factor/sign-in"), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    fill_in(house, person, &page.text(), "/.doorward/second-factor/sign-in", &[("code", code)])
}

#[test]
fn a_password_opens_nothing_until_the_second_factor_is_shown_and_no_code_works_twice() {
    let house = house();
    let secret = account(&house, "dora");
    let person = house.person();
    assert_eq!(password(&house, &person, "dora", &secret).status, 303);
    let before = person.cookie("__Host-doorward").unwrap();
    let mut app = enrol(&house, &person);
    assert_renewed(&house, &person, &before);
    assert_eq!(person.session().json()["amr"], json!(["pwd", "otp", "mfa"]), "who has set it up has shown it");
    assert_eq!(person.ask(&house.url("/vault/x"), JSON).status, 200);

    let person = house.person();
    let half = password(&house, &person, "dora", &secret);
    assert_eq!(half.header("location"), Some(house.url("/.doorward/second-factor/sign-in").as_str()));
    assert_eq!((person.cookie("__Host-doorward"), person.session().status), (None, 401), "no session yet");
    let pending = person.cookie("__Host-doorward-pending").unwrap();
    let as_session = format!("Cookie: __Host-doorward={pending}");
    assert_eq!(house.person().ask(&house.url("/data"), &["-H", &as_session, "-H", "Accept: */*"]).status, 401);
    let kept = std::fs::read(person.jar()).unwrap();

    let wrong = code(&house, &person, "000000");
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("role=\"alert\"") && wrong.text().contains("aria-describedby=\"problem\""), "{}", wrong.text());
    let right = app.code();
    let done = code(&house, &person, &format!(" {} {}", &right[..3], &right[3..]));
    assert_eq!((done.status, done.header("location")), (303, Some(house.url("/kept").as_str())), "{}", done.text());
    assert_eq!(person.session().json()["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(person.cookie("__Host-doorward-pending"), None);

    let thief = house.person();
    password(&house, &thief, "dora", &secret);
    assert_eq!(code(&house, &thief, &right).status, 401, "a code that was used");
    std::fs::write(thief.jar(), kept).unwrap();
    assert_eq!(code(&house, &thief, &app.code()).status, 400, "a waiting sign-in that was used");
    assert_eq!(thief.cookie("__Host-doorward"), None);
}

#[test]
fn a_password_alone_sets_up_no_second_factor_and_an_administrators_code_does_once() {
    let house = House::with(Plan { connections: "  - id: local\n    password: {}", settings: VAULT, ..Plan::default() });
    let secret = account(&house, "dora");
    // A form that counts in this browser, from a page of the thief's own.
    let (thief, dora) = (house.person(), house.person());
    thief.sign_in(&house.url("/.doorward/sign-in/idp"), "bob");
    let form = thief.ask(&house.url("/.doorward/factors/totp"), &[]).text();
    for person in [&thief, &dora] {
        assert_eq!(password(&house, person, "dora", &secret).status, 303);
    }
    let told = thief.walk(&house.url("/vault/x"));
    assert_eq!(told.answer.status, 403);
    let page = told.answer.text();
    assert!(page.contains("Ask an administrator") && !page.contains("/factors"), "{page}");
    for path in ["/.doorward/factors/totp", "/.doorward/factors/passkey"] {
        let refused = thief.ask(&house.url(path), &[]);
        assert_eq!((refused.status, refused.text().contains("one-time code")), (403, true), "{path}");
    }
    for path in ["totp", "passkey", "recovery-codes"] {
        let refused = fill_in(&house, &thief, &form, &format!("/.doorward/factors/{path}"), &[]);
        assert_eq!((refused.status, refused.text().contains("one-time code")), (403, true), "{path}: {}", refused.text());
    }
    assert_eq!(house.door.command(&["user", "mfa", "list", "dora"]), json!([]));

    let made = house.door.command(&["user", "mfa", "code", "dora"])["code"].as_str().unwrap().to_owned();
    assert_eq!(house.events("factor_added").len(), 1);
    let still = thief.ask(&house.url("/.doorward/factors/totp"), &[]);
    assert!(still.header("location").unwrap().contains("/.doorward/step-up?need=second_factor"), "{still:?}");
    let asked = dora.walk(&house.url("/vault/x"));
    assert!(asked.url.contains("/.doorward/second-factor/session"), "{:#?}", asked.hops);
    let done = fill_in(&house, &dora, &asked.answer.text(), "/.doorward/second-factor/session", &[("code", &made)]);
    assert_eq!((done.status, done.header("location")), (303, Some(house.url("/vault/x").as_str())), "{}", done.text());
    enrol(&house, &dora);
    let again = thief.walk(&house.url("/vault/x"));
    let refused = fill_in(&house, &thief, &again.answer.text(), "/.doorward/second-factor/session", &[("code", &made)]);
    assert_eq!(refused.status, 401, "it worked once");
}

#[test]
fn wrong_codes_lock_and_are_recorded_without_what_was_typed() {
    let house = house();
    let secret = account(&house, "dora");
    let person = house.person();
    password(&house, &person, "dora", &secret);
    let mut app = enrol(&house, &person);
    let thief = house.person();
    password(&house, &thief, "dora", &secret);
    for guess in ["000000", "111111", "222222", "333333"] {
        assert_eq!(code(&house, &thief, guess).status, 401);
    }
    let locked = code(&house, &thief, &app.code());
    assert_eq!(locked.status, 429, "even the right one");
    assert!(locked.header("retry-after").is_some());
    assert_eq!(house.events("account_locked")[0]["reason"], "second_factor");
    let failed = eventually("the tries are recorded", || {
        let events = house.events("sign_in");
        let failed: Vec<Value> = events.into_iter().filter(|event| event["reason"] == "wrong_code").collect();
        (failed.len() == 4).then_some(failed)
    });
    assert!(!format!("{failed:?}").contains("111111"), "{failed:?}");
}

#[test]
fn a_proof_that_cannot_be_checked_gives_no_new_tries() {
    let house = house();
    let secret = account(&house, "dora");
    let person = house.person();
    password(&house, &person, "dora", &secret);
    let mut app = enrol(&house, &person);
    let thief = house.person();
    password(&house, &thief, "dora", &secret);
    for guess in ["000000", "111111", "222222"] {
        assert_eq!(code(&house, &thief, guess).status, 401);
    }
    let page = thief.ask(&house.url("/.doorward/second-factor/sign-in"), &[]).text();
    let made_up = [("state", "made-up"), ("answer", "{}")];
    assert_eq!(fill_in(&house, &thief, &page, "/.doorward/second-factor/sign-in", &made_up).status, 403);
    assert_eq!(code(&house, &thief, &app.code()).status, 429, "it was a try like any other");
}

#[test]
fn a_providers_person_can_have_a_factor_here_unless_the_connection_says_no() {
    let house = provided();
    let (person, _) = house.signed_in("bob", "/");
    let asked = person.walk(&house.url("/vault/x?y"));
    let told = person.log_in(&asked, "bob");
    assert_eq!(told.answer.status, 403);
    assert!(told.answer.text().contains("/.doorward/factors/totp?return_to="), "{}", told.answer.text());
    let mut app = enrol(&house, &person);
    assert_eq!(person.ask(&house.url("/vault/x"), JSON).status, 200);

    let (person, _) = house.signed_in("bob", "/");
    assert_eq!(person.session().json()["mfa"], false, "the provider's word is as it was");
    let page = person.walk(&house.url("/vault/x?y"));
    assert!(page.url.contains("/.doorward/second-factor/session?return_to="), "{:#?}", page.hops);
    assert!(page.answer.text().contains("elsewhere=yes"), "the provider can still be asked: {}", page.answer.text());
    let before = person.cookie("__Host-doorward").unwrap();
    let done = fill_in(&house, &person, &page.answer.text(), "/.doorward/second-factor/session", &[("code", &app.code())]);
    assert_eq!((done.status, done.header("location")), (303, Some(house.url("/vault/x?y").as_str())), "{}", done.text());
    assert_renewed(&house, &person, &before);
    assert_eq!(person.ask(&house.url("/vault/x?y"), &[]).status, 200);
    let out = person.ask(&house.url("/.doorward/sign-out"), &[]);
    let left = person.post(&house.url("/.doorward/sign-out"), &[("token", &field(&out.text(), "token"))], &[]);
    let hint = left.header("location").unwrap();
    assert!(hint.contains("id_token_hint="), "the provider's tokens went along into the new session: {hint}");

    let house = House::with(Plan { connection: "    mfa: { local: false }", settings: VAULT, ..Plan::default() });
    let (person, _) = house.signed_in("bob", "/");
    let told = person.log_in(&person.walk(&house.url("/vault/x")), "bob");
    assert!(!told.answer.text().contains("/factors"), "{}", told.answer.text());
    for path in ["/.doorward/factors", "/.doorward/factors/totp"] {
        assert_eq!(person.ask(&house.url(path), &[]).status, 403, "{path}");
    }
}

#[test]
fn changing_factors_takes_a_fresh_sign_in_and_the_factor_one_has() {
    let house = provided();
    house.tamper(&json!({ "claims": { "auth_time": 1_600_000_000 } }));
    let (person, _) = house.signed_in("bob", "/");
    house.tamper(&json!({}));
    let old = person.ask(&house.url("/.doorward/factors/totp"), &[]);
    assert!(old.header("location").unwrap().contains("/.doorward/step-up?max_age=600&"), "{old:?}");

    let (person, _) = house.signed_in("ada", "/");
    let mut app = enrol(&house, &person);
    let strong = person.ask(&house.url("/.doorward/factors"), &[]).text();
    let id = field(&strong, "id");
    let (weak, _) = house.signed_in("ada", "/");
    let own = weak.ask(&house.url("/.doorward/factors"), &[]);
    assert_eq!(own.status, 200, "{}", own.text());
    for (path, fields) in [("remove", vec![("id", id.as_str())]), ("recovery-codes", vec![])] {
        let refused = fill_in(&house, &weak, &own.text(), &format!("/.doorward/factors/{path}"), &fields);
        assert!(refused.header("location").unwrap().contains("/.doorward/step-up?need=second_factor"), "{path}: {refused:?}");
    }
    let refused = weak.ask(&house.url("/.doorward/factors/totp"), &[]);
    assert!(refused.header("location").unwrap().contains("/.doorward/step-up?need=second_factor"), "{refused:?}");
    let kept = house.door.command(&["user", "mfa", "list", "ada@acme.example"]);
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");

    let mallory = house.person();
    mallory.sign_in(&house.url("/"), "bob");
    let page = mallory.ask(&house.url("/.doorward/factors"), &[]).text();
    assert_eq!(fill_in(&house, &mallory, &with_return_to(&page), "/.doorward/factors/remove", &[("id", &id)]).status, 403);
    let removed = fill_in(&house, &person, &strong, "/.doorward/factors/remove", &[("id", &id)]);
    assert_eq!(removed.status, 303);
    assert_eq!(house.door.command(&["user", "mfa", "list", "ada@acme.example"]), json!([]));
    let kinds: Vec<usize> = ["factor_added", "factor_removed"].map(|kind| house.events(kind).len()).into();
    assert_eq!(kinds, [1, 1]);
    let _ = app.code();
}

/// A page without forms has no fields; what a stranger would make up.
fn with_return_to(page: &str) -> String {
    format!("{page}<input name=\"token\" value=\"made-up\"><input name=\"return_to\" value=\"/\">")
}

#[test]
fn recovery_codes_work_once_each_and_an_administrator_can_reset_the_rest() {
    let house = house();
    let secret = account(&house, "dora");
    let person = house.person();
    password(&house, &person, "dora", &secret);
    enrol(&house, &person);
    let page = person.ask(&house.url("/.doorward/factors"), &[]).text();
    let sheet = fill_in(&house, &person, &page, "/.doorward/factors/recovery-codes", &[]);
    assert_eq!(sheet.status, 200);
    let codes: Vec<String> =
        sheet.text().split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    assert!(!person.ask(&house.url("/.doorward/factors"), &[]).text().contains(&codes[0]), "shown once");
    let database = std::fs::read(house.door.folder().join("doorward.db")).unwrap();
    let log = std::fs::read(house.door.folder().join("doorward.db-wal")).unwrap_or_default();
    let plain = codes[0].replace('-', "");
    for kept in [&database, &log] {
        assert!(!kept.windows(plain.len()).any(|window| window == plain.as_bytes()), "not in the store");
    }

    let typed = codes[0].to_uppercase().replace('-', " ");
    for (browser, expected) in [("the first", 303), ("the second", 401)] {
        let person = house.person();
        password(&house, &person, "dora", &secret);
        assert_eq!(code(&house, &person, &typed).status, expected, "{browser}");
    }
    let reset = house.door.command(&["user", "mfa", "reset", "dora"]);
    assert_eq!(reset["removed"], 10, "an app and nine codes: {reset}");
    eventually("sessions ended", || (person.session().status == 401).then_some(()));
    let done = password(&house, &person, "dora", &secret);
    assert_eq!(done.header("location"), Some(house.url("/kept").as_str()));
    assert_eq!(person.session().json()["mfa"], false);
}

#[test]
fn a_secret_that_is_not_confirmed_or_not_ones_own_is_not_kept() {
    let house = house();
    let (dora, nora) = (account(&house, "dora"), account(&house, "nora"));
    let (victim, thief) = (house.person(), house.person());
    password(&house, &victim, "dora", &dora);
    password(&house, &thief, "nora", &nora);
    let page = thief.ask(&house.url("/.doorward/factors/totp"), &[]).text();
    let mut app = App::of(&page);
    let wrong = fill_in(&house, &thief, &page, "/.doorward/factors/totp", &[("code", "000000"), ("name", "Mine")]);
    assert_eq!(wrong.status, 401);
    assert_eq!(App::of(&wrong.text()).totp, app.totp, "the same secret may be tried again");
    assert!(wrong.text().contains("value=\"Mine\""), "{}", wrong.text());
    let own = victim.ask(&house.url("/.doorward/factors/totp"), &[]).text();
    let planted = own.replace(&field(&own, "secret"), &field(&page, "secret"));
    let refused = fill_in(&house, &victim, &planted, "/.doorward/factors/totp", &[("code", &app.code())]);
    assert_eq!(refused.status, 403, "a secret that was sealed for somebody else");
    for name in ["dora", "nora"] {
        assert_eq!(house.door.command(&["user", "mfa", "list", name]), json!([]));
    }
}
