//! What those get who are not let in: a redirect, a page, or a problem in JSON.

use super::house::House;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[test]
fn browsers_are_sent_to_sign_in_and_programs_are_told() {
    let house = House::usual();
    let person = house.person();
    let url = house.url("/data?x=1");
    for (who, arguments, status) in [
        ("a navigation", vec!["-H", BROWSER, "-H", "Sec-Fetch-Mode: navigate"], 303),
        ("an old browser", vec!["-H", BROWSER], 303),
        ("fetch()", vec!["-H", "Accept: */*", "-H", "Sec-Fetch-Mode: cors"], 401),
        ("fetch() for HTML", vec!["-H", BROWSER, "-H", "Sec-Fetch-Mode: same-origin"], 401),
        ("curl", vec!["-H", "Accept: */*"], 401),
        ("XMLHttpRequest", vec!["-H", BROWSER, "-H", "X-Requested-With: XMLHttpRequest"], 401),
        ("JSON before HTML", vec!["-H", "Accept: application/json, text/html"], 401),
        ("a form", vec!["-H", BROWSER, "-H", "Sec-Fetch-Mode: navigate", "-d", "a=b"], 401),
        ("a POST of a program", vec!["-H", "Accept: */*", "-d", "a=b"], 401),
        ("PUT", vec!["-H", BROWSER, "-X", "PUT"], 401),
        ("HEAD", vec!["-H", BROWSER, "--head"], 401),
    ] {
        let answer = person.ask(&url, &arguments);
        assert_eq!(answer.status, status, "{who}: {answer:?}");
        if status == 303 {
            let location = answer.header("location").unwrap();
            assert_eq!(location, house.url("/.doorward/sign-in?return_to=%2Fdata%3Fx%3D1"), "{who}");
        } else {
            let bearer = |(name, value): &(String, String)| name == "www-authenticate" && value.starts_with("Bearer");
            assert!(answer.headers.iter().any(bearer), "{who}: {answer:?}");
        }
    }
    assert_eq!(house.upstream.control("GET", "/requests").as_array().unwrap().len(), 0, "nothing reached the application");
    let problem = person.ask(&url, &["-H", "Accept: application/json"]);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.json()["sign_in"], house.url("/.doorward/sign-in?return_to=%2Fdata%3Fx%3D1"));
}

#[test]
fn a_person_without_the_role_gets_a_page_that_says_who_and_why() {
    let house = House::usual();
    let (person, _) = house.signed_in("bob", "/");
    let denied = person.ask(&house.url("/admin/x"), &[]);
    let page = denied.text();
    assert_eq!(denied.status, 403);
    assert!(page.contains("bob@acme.example") && page.contains("a role that you do not have"), "{page}");
    assert!(page.contains("return_to=%2Fadmin%2Fx&amp;prompt=login"), "how to be somebody else: {page}");
    let choices = person.ask(&house.url("/.doorward/sign-in?return_to=%2Fadmin%2Fx&prompt=login"), &[]);
    assert!(choices.text().contains("/sign-in/idp?return_to="), "{}", choices.text());
    assert!(choices.text().contains("&amp;prompt=login"), "the provider is told to ask again: {}", choices.text());
    let problem = person.ask(&house.url("/admin/x"), &["-H", "Accept: application/json"]);
    assert_eq!((problem.status, problem.header("content-type")), (403, Some("application/problem+json")));
}

#[test]
fn where_a_session_does_not_count_nobody_is_sent_in_circles() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let walk = person.walk(&house.url("/programs/x"));
    assert_eq!((walk.answer.status, walk.hops.len()), (401, 1), "{:#?}", walk.hops);
    assert!(walk.answer.text().contains("for programs"), "{}", walk.answer.text());
}

#[test]
fn who_am_i_answers_keys_too_and_nobody_with_a_problem() {
    let house = House::usual();
    let nobody = house.person().session();
    assert_eq!((nobody.status, nobody.header("content-type")), (401, Some("application/problem+json")));
    let key = house.door.command(&["key", "create", "--name", "robot", "--role", "viewer"]);
    let key = key["key"].as_str().or(key["api_key"].as_str()).or(key["secret"].as_str()).unwrap_or_else(|| panic!("{key}"));
    let answer = house.person().ask(&house.url("/.doorward/session"), &["-H", &format!("X-Api-Key: {key}")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["credential"], "api_key");
    assert!(!answer.text().contains(key));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_doors_pages_are_strict_and_unknown_ones_say_so() {
    let house = House::usual();
    let person = house.person();
    let page = person.ask(&house.url("/.doorward/nothing"), &[]);
    assert_eq!(page.status, 404);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for (name, value) in
        [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("referrer-policy", "strict-origin")]
    {
        assert_eq!(page.header(name), Some(value));
    }
    let text = page.text();
    let own = format!(" src=\"{}", house.url("/.doorward/assets/"));
    let inline = text.split("<script").skip(1).any(|script| !script.starts_with(&own) || !script.contains("></script>"));
    assert!(!inline && !text.contains("style=") && !text.contains("onclick"), "{text}");
    let style = text.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let asset = person.ask(&house.url(style), &[]);
    assert_eq!((asset.status, asset.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(person.ask(&house.url("/.doorward/assets/other.css"), &[]).status, 404);
    let problem = person.ask(&house.url("/.doorward/nothing"), &["-H", "Accept: */*", "-H", "Sec-Fetch-Mode: cors"]);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
}
