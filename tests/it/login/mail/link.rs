//! The link and the code: where they work, how often, and for whom not.

use serde_json::{Value, json};

use super::house::{House, Plan, another, code, header, link, session};
use crate::login::house::field;
use crate::support::eventually;

#[test]
fn a_link_signs_in_once_and_leads_to_where_the_person_was_going() {
    let house = House::usual();
    let ada = house.person();
    let waiting = house.ask_for(&ada, "Ada@Acme.Example", "/reports?from=1%23part");
    assert!(waiting.page.text().contains("ada@acme.example"), "{}", waiting.page.text());
    let letter = house.letter(1);
    let url = link(&letter);
    let page = ada.ask(&url, &[]);
    let fields = [("token", field(&page.text(), "token")), ("link", field(&page.text(), "link"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let open = house.url("/.doorward/magic-link/email/open");
    let signed_in = ada.post(&open, &fields, &[]);
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    assert_eq!(signed_in.header("location"), Some(&*house.url("/reports?from=1#part")));
    let who = session(&ada);
    assert_eq!(
        [&who["email"], &who["connection"], &who["amr"], &who["mfa"], &who["role"]],
        [&json!("ada@acme.example"), &json!("email"), &json!(["email"]), &json!(false), &json!("viewer")]
    );
    assert_eq!(ada.post(&open, &fields, &[]).status, 410);
    assert_eq!(ada.ask(&url, &[]).status, 410);
    assert_eq!(house.events("sign_in")[0]["target"], "email");
}

#[test]
fn a_mail_scanner_uses_nothing_up() {
    let house = House::usual();
    let (ada, scanner) = (house.person(), house.person());
    house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    let html = letter["html"].as_str().unwrap().replace("&amp;", "&");
    let links: Vec<String> = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert!(links.len() >= 2 && links.iter().all(|url| *url == link(&letter)), "{links:?}");
    for url in &links {
        for arguments in [
            &["-X", "GET"][..],
            &["--head"],
            &["-X", "OPTIONS"],
            &["--http2"],
            &["-A", "Mozilla/5.0 (compatible; LinkScanner/1.0)"],
            &["-X", "POST", "-d", ""],
        ] {
            let seen = scanner.ask(url, arguments);
            assert!(matches!(seen.status, 200 | 405 | 410), "{arguments:?}: {}", seen.status);
            // And everything that the page leads to.
            for found in seen.text().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()) {
                let found = url::Url::parse(url).unwrap().join(&found).unwrap();
                scanner.ask(found.as_str(), &[]);
            }
        }
        // One that fills in forms has no form to fill in.
        assert!(!scanner.ask(url, &[]).text().contains("<form"));
        let forged = [("token", "x"), ("link", url.split("token=").nth(1).unwrap())];
        assert_eq!(scanner.post(&house.url("/.doorward/magic-link/email/open"), &forged, &[]).status, 200);
    }
    assert_eq!(session(&scanner), Value::Null);
    assert_eq!(house.click(&ada, &link(&letter)).status, 303);
    assert_eq!(session(&ada)["email"], "ada@acme.example");
}

#[test]
fn a_link_signs_nobody_in_elsewhere_and_the_code_works_where_it_was_asked_for() {
    let house = House::usual();
    let (ada, phone) = (house.person(), house.person());
    let waiting = house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    // The other browser is one that has asked for something itself.
    house.ask_for(&phone, "bob@acme.example", "/");
    let page = phone.ask(&link(&letter), &[]);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("type the six digits") && !page.text().contains("ada@acme.example"), "{}", page.text());
    assert!(!page.text().contains("<form"));
    assert_eq!(session(&phone), Value::Null);
    // Nor with the attempt that the first browser shows, nor with the code of the letter.
    assert_eq!(house.enter(&phone, &waiting, &code(&letter)).status, 400);
    let own = phone.cookies();
    assert!(own.iter().all(|(name, _)| !name.ends_with(&field(&waiting.page.text(), "attempt"))));
    let signed_in = house.enter(&ada, &waiting, &format!(" {}-{} ", &code(&letter)[..3], &code(&letter)[3..]));
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    assert_eq!(session(&ada)["email"], "ada@acme.example");
    assert_eq!(house.enter(&ada, &waiting, &code(&letter)).status, 400, "the attempt is gone");
}

#[test]
fn five_wrong_codes_close_code_and_link_even_over_a_power_cut() {
    let mut house = House::usual();
    let ada = house.person();
    let waiting = house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    let wrong = another(&code(&letter));
    for left in ["4 more tries", "3 more tries"] {
        let answer = house.enter(&ada, &waiting, &wrong);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(left), "{}", answer.text());
    }
    house.power_cut();
    let no_code = house.enter(&ada, &waiting, "12345");
    assert!(no_code.text().contains("six digits"), "what is no code is not counted: {}", no_code.text());
    for left in ["2 more tries", "one more try"] {
        assert!(house.enter(&ada, &waiting, &wrong).text().contains(left));
    }
    assert_eq!(house.enter(&ada, &waiting, &wrong).status, 410);
    assert_eq!(house.enter(&ada, &waiting, &code(&letter)).status, 410);
    assert_eq!(ada.ask(&link(&letter), &[]).status, 410);
    assert_eq!(session(&ada), Value::Null);
    let failures = || house.events("sign_in").iter().filter(|event| event["reason"] == "wrong_code").count();
    eventually("the failures are recorded", || (failures() >= 5).then_some(()));
    assert_eq!(failures(), 5);
}

#[test]
fn a_link_works_after_a_power_cut() {
    let mut house = House::usual();
    let ada = house.person();
    house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    house.power_cut();
    assert_eq!(house.click(&ada, &link(&letter)).status, 303);
    house.power_cut();
    assert_eq!(session(&ada)["email"], "ada@acme.example");
    assert_eq!(ada.ask(&link(&letter), &[]).status, 410);
}

#[test]
fn tabs_do_not_disturb_one_another_and_a_code_is_of_its_own_tab() {
    let house = House::usual();
    let ada = house.person();
    let first = house.ask_for(&ada, "ada@acme.example", "/first");
    let one = house.letter(1);
    let second = house.ask_for(&ada, "ada@acme.example", "/second");
    let two = house.letter(2);
    if code(&one) != code(&two) {
        assert_eq!(house.enter(&ada, &first, &code(&two)).status, 400);
    }
    assert_eq!(house.enter(&ada, &second, &code(&two)).header("location"), Some(&*house.url("/second")));
    assert_eq!(house.click(&ada, &link(&one)).header("location"), Some(&*house.url("/first")));
}

#[test]
fn a_form_from_elsewhere_signs_nobody_in() {
    let house = House::usual();
    let ada = house.person();
    let waiting = house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    let (page, opened) = (waiting.page.text(), ada.ask(&link(&letter), &[]).text());
    let foreign = ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"];
    let typed = [("token", &*field(&page, "token")), ("attempt", &*field(&page, "attempt")), ("code", &*code(&letter))];
    assert_eq!(ada.post(&house.url("/.doorward/magic-link/email/code"), &typed, &foreign).status, 403);
    let clicked = [("token", &*field(&opened, "token")), ("link", &*field(&opened, "link"))];
    assert_eq!(ada.post(&house.url("/.doorward/magic-link/email/open"), &clicked, &foreign).status, 403);
    // A token for one form is none for another.
    let swapped = [("token", &*field(&page, "token")), ("link", &*field(&opened, "link"))];
    assert_eq!(ada.post(&house.url("/.doorward/magic-link/email/open"), &swapped, &[]).status, 403);
    assert_eq!(ada.post(&house.url("/.doorward/magic-link/email"), &[("email", "ada@acme.example")], &[]).status, 403);
    assert_eq!(session(&ada), Value::Null);
    assert_eq!(house.click(&ada, &link(&letter)).status, 303, "none of that used anything up");
}

#[test]
fn no_token_or_code_is_in_a_log_a_record_the_store_or_a_referrer() {
    let house = House::with(Plan { settings: "logging: { level: trace }", ..Plan::default() });
    let ada = house.person();
    let waiting = house.ask_for(&ada, "ada@acme.example", "/");
    let letter = house.letter(1);
    let (url, code) = (link(&letter), code(&letter));
    let page = ada.ask(&url, &[]);
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    house.enter(&ada, &waiting, &another(&code));
    assert_eq!(house.click(&ada, &url).status, 303);
    let token = url.split("token=").nth(1).unwrap();
    assert_eq!(token.len(), 43);
    let said = house.door.process.said();
    assert!(said.contains("/magic-link/email/open"), "the access line is there: {said}");
    let records = house.door.command(&["audit", "list"]).to_string();
    let store: Vec<u8> = ["doorward.db", "doorward.db-wal"]
        .iter()
        .flat_map(|file| std::fs::read(house.door.folder().join(file)).unwrap_or_default())
        .collect();
    let store = String::from_utf8_lossy(&store).into_owned();
    for (place, text) in [("log", &said), ("records", &records), ("store", &store)] {
        assert!(!text.contains(token), "the token is in the {place}");
        assert!(!text.contains(super::house::PASSWORD), "the mail password is in the {place}");
    }
    // Six digits may stand anywhere by chance; what was said about the code may not.
    assert!(!records.contains(&format!("\"{code}\"")) && !said.contains(&format!("code={code}")));
}

#[test]
fn a_letter_is_what_every_reader_understands() {
    let house = House::usual();
    house.ask_for(&house.person(), "ada@acme.example", "/");
    let letter = house.letter(1);
    assert_eq!(header(&letter, "From"), Some("Tür & Tor <door@mail.test>"));
    assert_eq!(header(&letter, "To"), Some("ada@acme.example"));
    assert_eq!(header(&letter, "Subject"), Some("Sign in to Käse & Brot"));
    assert_eq!(header(&letter, "Auto-Submitted"), Some("auto-generated"));
    assert!(header(&letter, "Message-ID").is_some_and(|id| id.ends_with("@mail.test>")), "{letter:#}");
    assert!(header(&letter, "Date").is_some());
    assert!(header(&letter, "Content-Type").is_some_and(|kind| kind.starts_with("multipart/alternative")));
    let (text, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
    assert!(text.contains("Käse & Brot") && html.contains("Käse &amp; Brot"), "{text} {html}");
    assert!(html.contains(&code(&letter)) && html.contains("prefers-color-scheme: dark"));
    // Nothing is fetched when it is read.
    for fetched in ["<img", "src=", "url(", "<script", "<link", "@import"] {
        assert!(!html.contains(fetched), "{fetched}");
    }
    assert!(letter["raw"].as_str().unwrap().is_ascii(), "eight bits do not pass every mail server");
    assert!(letter["raw"].as_str().unwrap().lines().all(|line| line.len() <= 998), "RFC 5322 §2.1.1");
}
