//! `doorward doctor`: whether real providers would sign people in, and what it says where they would not.

use serde_json::Value;

use super::house::{House, Plan};
use crate::support::{Door, doorward};

/// What it found, by connection, and how it ended.
pub(in crate::login) struct Found {
    pub(in crate::login) status: Option<i32>,
    pub(in crate::login) all: Value,
}

impl Found {
    #[track_caller]
    pub(in crate::login) fn at(door: &Door) -> Self {
        let ran = doorward(&["doctor", "--json"]).arg("--config").arg(door.config()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let all = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        Self { status: ran.status.code(), all }
    }

    #[track_caller]
    pub(in crate::login) fn of(&self, connection: &str) -> &Value {
        let found = self.all.as_array().unwrap().iter().find(|found| found["connection"] == connection);
        found.unwrap_or_else(|| panic!("{connection} is missing: {}", self.all))
    }

    /// Names and verdicts, in order.
    #[track_caller]
    pub(in crate::login) fn verdicts(&self, connection: &str) -> Vec<(&str, &str)> {
        let checks = self.of(connection)["checks"].as_array().unwrap().iter();
        checks.map(|check| (check["name"].as_str().unwrap(), check["verdict"].as_str().unwrap())).collect()
    }

    /// What is said of one thing.
    #[track_caller]
    pub(in crate::login) fn detail(&self, connection: &str, name: &str) -> &str {
        let mut checks = self.of(connection)["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == name).unwrap()["detail"].as_str().unwrap()
    }
}

const READY: [(&str, &str); 7] = [
    ("discovery", "pass"),
    ("keys", "pass"),
    ("pkce", "pass"),
    ("scopes", "pass"),
    ("client", "pass"),
    ("clock", "pass"),
    ("redirect_uri", "pass"),
];

#[test]
fn a_connection_that_people_could_sign_in_by_is_ready_and_nobody_was_signed_in() {
    let house = House::usual();
    let found = Found::at(&house.door);
    assert_eq!((found.status, found.verdicts("idp").as_slice()), (Some(0), READY.as_slice()), "{}", found.all);
    assert_eq!(found.of("idp")["ready"], true);
    let register = &found.of("idp")["register"][0];
    assert_eq!((&register["name"], &register["value"]), (&"redirect URI".into(), &house.url("/.doorward/callback/idp").into()));
    assert_eq!((house.asked("/token"), house.events("sign_in").len()), (1, 0));
    let text = doorward(&["doctor", "idp"]).arg("--config").arg(house.door.config()).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("idp (oidc, tenant default): ready to test\n"), "{text}");
    assert!(text.contains(&house.url("/.doorward/callback/idp")), "{text}");
    let other = doorward(&["doctor", "nothing"]).arg("--config").arg(house.door.config()).output().unwrap();
    assert_eq!(other.status.code(), Some(1));
}

#[test]
fn what_is_wrong_with_a_client_is_named_and_its_secret_is_not() {
    const WRONG: &str = "not-the-one-it-was-given";
    let house = House::with(Plan { secret: WRONG, ..Plan::default() });
    let found = Found::at(&house.door);
    assert_eq!(found.status, Some(1));
    assert_eq!(found.verdicts("idp")[4..], [("client", "fail"), ("clock", "pass"), ("redirect_uri", "pass")], "{}", found.all);
    assert!(found.detail("idp", "client").contains("invalid_client"));
    assert!(!found.all.to_string().contains(WRONG));

    let house = House::with(Plan { client: r#"{ "redirect_uris": ["https://elsewhere.example/callback"] }"#, ..Plan::default() });
    let found = Found::at(&house.door);
    assert_eq!(found.verdicts("idp")[6], ("redirect_uri", "fail"), "{}", found.all);
    assert_eq!(found.of("idp")["ready"], false);
}

#[test]
fn pushed_requests_are_pushed_and_say_the_same() {
    let house = House::with(Plan { provider: &["--par", "required"], ..Plan::default() });
    let found = Found::at(&house.door);
    assert_eq!((found.status, found.verdicts("idp").as_slice()), (Some(0), READY.as_slice()), "{}", found.all);
    assert_eq!(house.asked("/request"), 1);
    let house = House::with(Plan { provider: &["--par", "required"], secret: "not-the-one-it-was-given", ..Plan::default() });
    let found = Found::at(&house.door);
    assert_eq!(found.verdicts("idp")[4..], [("client", "fail"), ("clock", "pass"), ("redirect_uri", "fail")], "{}", found.all);
}

#[test]
fn a_provider_that_is_not_there_or_somebody_else_is_told_apart() {
    const OTHERS: &str =
        "  - { id: nobody, hidden: true, oidc: { issuer: 'http://127.0.0.1:1', client_id: doorward, client_secret: x } }
  - { id: elsewhere, hidden: true, oidc: { issuer: '{issuer}/elsewhere', client_id: doorward, client_secret: x } }
";
    let house = House::with(Plan { connections: OTHERS, ..Plan::default() });
    let found = Found::at(&house.door);
    assert_eq!(found.status, Some(1));
    for (connection, said) in [("nobody", "cannot be reached"), ("elsewhere", "404")] {
        assert_eq!(found.verdicts(connection), [("discovery", "fail")], "{}", found.all);
        assert!(found.detail(connection, "discovery").contains(said), "{}", found.all);
    }
    assert_eq!(found.of("idp")["ready"], true, "one does not spoil the others");
}

#[test]
fn a_server_without_discovery_is_asked_at_its_endpoints() {
    const PLAIN: &str = "  - id: plain
    hidden: true
    oauth2: { authorization_endpoint: '{issuer}/auth', token_endpoint: '{issuer}/token', userinfo_endpoint: '{issuer}/me',
      client_id: doorward, client_secret: a-secret-of-some-length, scopes: [openid] }
  - id: astray
    hidden: true
    oauth2: { authorization_endpoint: '{issuer}/nothing', token_endpoint: '{issuer}/token', userinfo_endpoint: '{issuer}/nothing',
      client_id: somebody, client_secret: a-secret-of-some-length, scopes: [openid] }
";
    let client = r#"{ "redirect_uris": ["{own}/.doorward/callback/idp", "{own}/.doorward/callback/plain"] }"#;
    let house = House::with(Plan { connections: PLAIN, client, ..Plan::default() });
    let found = Found::at(&house.door);
    let ready = [("client", "pass"), ("clock", "pass"), ("redirect_uri", "pass"), ("userinfo", "pass")];
    assert_eq!(found.verdicts("plain"), ready, "{}", found.all);
    let astray = [("client", "fail"), ("clock", "pass"), ("redirect_uri", "fail"), ("userinfo", "fail")];
    assert_eq!(found.verdicts("astray"), astray, "{}", found.all);
}

#[test]
fn a_connection_of_the_store_is_looked_at_too() {
    let house = House::usual();
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    let file = house.door.folder().join("second.yaml");
    std::fs::write(
        &file,
        format!("id: second\noidc: {{ issuer: '{issuer}', client_id: doorward, client_secret: wrong-secret }}\n"),
    )
    .unwrap();
    house.door.command(&["connection", "add", "--file", file.to_str().unwrap()]);
    let found = Found::at(&house.door);
    assert_eq!(found.verdicts("second")[4..], [("client", "fail"), ("clock", "pass"), ("redirect_uri", "pass")], "{}", found.all);
    assert_eq!(found.of("idp")["ready"], true);
}
