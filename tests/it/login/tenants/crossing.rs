//! Nothing crosses from one tenant to another: what is good at home is tried next door, each read and each write.

use doorward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::street::{ACME, GLOBEX, SHARED, Street};
use crate::login::house::{Person, field, received};
use crate::support::{Answer, eventually};

/// What was tried, and what came of it.
struct Attempts(Vec<(String, u16, String)>);

impl Attempts {
    fn note(&mut self, name: impl Into<String>, answer: &Answer) {
        self.0.push((name.into(), answer.status, answer.text()));
    }

    /// Notes something refused in words rather than by a status.
    fn refused(&mut self, name: &str, said: String) {
        self.0.push((name.to_owned(), 403, said));
    }

    /// Each was refused, by a status that says so and nothing that anybody asked for.
    fn judge(&self, least: usize) {
        assert!(self.0.len() >= least, "only {} attempts", self.0.len());
        let through: Vec<_> = self.0.iter().filter(|(_, status, _)| !matches!(status, 400..=499)).collect();
        assert!(through.is_empty(), "{through:#?}");
    }
}

/// Credentials of acme, as curl's arguments, and who they are to it.
fn credentials(street: &Street, cookie: &str) -> Vec<(&'static str, Vec<String>)> {
    let made = |what: &str| street.door.command(&[what, "create", "--name", "robot", "--tenant", "acme"]);
    let (key, client) = (made("key"), made("client"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let now = SystemClock.now().seconds();
    let claims = json!({ "iss": street.idp.ready["issuer"], "aud": "api", "sub": "robot", "iat": now, "exp": now + 600 });
    let token = text(&street.idp.tell("/sign", &json!({ "header": { "typ": "at+jwt" }, "claims": claims })).json()["token"]);
    let header = |line: String| vec!["-H".to_owned(), line];
    let (id, secret) = (text(&client["id"]), text(&client["secret"]));
    vec![
        ("session", header(format!("Cookie: __Host-doorward={cookie}"))),
        ("API key", header(format!("X-Api-Key: {}", text(&key["secret"])))),
        ("API key as bearer", header(format!("Authorization: Bearer {}", text(&key["secret"])))),
        ("client", [header(format!("X-Client-Id: {id}")), header(format!("X-Client-Secret: {secret}"))].concat()),
        ("client by Basic", vec!["-u".to_owned(), format!("{id}:{secret}")]),
        ("bearer token", header(format!("Authorization: Bearer {token}"))),
        ("license", header(format!("X-License-Key: {}", street.license))),
        (
            "client certificate",
            ["--cert", &street.file("robot.pem"), "--key", &street.file("robot.key")].map(str::to_owned).into(),
        ),
    ]
}

#[test]
fn no_credential_of_a_tenant_opens_anything_at_another_host() {
    let street = Street::new();
    let (ada, _) = street.signed_in(ACME, "acme-idp", "ada");
    let cookie = ada.cookie("__Host-doorward").unwrap();
    let all = credentials(&street, &cookie);
    let send = |host: &str, path: &str, credential: &[String], more: &[&str]| {
        let mut arguments: Vec<&str> = credential.iter().map(String::as_str).collect();
        arguments.extend(more);
        street.send(host, path, &arguments)
    };
    for (name, credential) in &all {
        let home = send(ACME, "/", credential, &[]);
        assert_eq!(home.status, 200, "{name} is good at home: {}", home.text());
        assert_eq!(received(&home.json(), "x-doorward-tenant"), Some("acme"), "{name}");
    }
    let (mut attempts, before) = (Attempts(Vec::new()), street.passed());
    for (name, credential) in &all {
        for host in [GLOBEX, SHARED, "unheard.test"] {
            // Routes that want somebody, that do without, and that only report; the page that says who one is; a write.
            for path in ["/", "/optional/x", "/report/x", "/.doorward/session"] {
                let answer = send(host, path, credential, &[]);
                assert_eq!(
                    (answer.status, answer.json()["code"].as_str()),
                    (403, Some("foreign_host")),
                    "{name} at {host}{path}"
                );
                attempts.note(format!("{name} at {host}{path}"), &answer);
            }
            let write = send(host, "/orders", credential, &["-X", "POST", "-d", "x=1"]);
            attempts.note(format!("a write with the {name} at {host}"), &write);
        }
    }
    attempts.judge(8 * 3 * 5);
    assert_eq!(street.passed(), before, "the application saw none of it");
    // On a public route nobody's identity is looked at, so none is passed on.
    for (name, credential) in &all {
        let seen = send(GLOBEX, "/public/x", credential, &[]);
        assert_eq!((seen.status, received(&seen.json(), "x-doorward-user")), (200, None), "{name}");
    }
    let refused = |event: &&Value| event["reason"] == "foreign_host" && event["tenant"] == "acme" && event["actor"].is_string();
    let recorded = eventually("the records", || {
        let events = street.door.command(&["audit", "list", "--kind", "access_denied", "--limit", "1000"]);
        let count = events.as_array().unwrap().iter().filter(refused).count();
        (count >= attempts.0.len()).then_some(count)
    });
    assert_eq!(recorded, attempts.0.len(), "each is in the trail, under the tenant whose it is");
    for (name, credential) in &all {
        assert_eq!(send(ACME, "/", credential, &[]).status, 200, "{name} is still good at home");
    }
    // A browser gets a page, and loses the cookie that would stand in its way.
    let page = street.send(GLOBEX, "/", &["-H", &format!("Cookie: __Host-doorward={cookie}"), "-H", "Accept: text/html"]);
    assert_eq!((page.status, page.header("set-cookie").is_some_and(|line| line.contains("Max-Age=0"))), (403, true));
    // The request's id is random: it may spell a name.
    let text = page.text().replace(page.header("x-request-id").unwrap(), "");
    assert!(text.contains("another organisation") && !text.contains("ada"), "{text}");
}

#[test]
fn no_sealed_session_of_a_tenant_opens_anything_at_another_host() {
    let street = Street::with("sessions: { mode: sealed }");
    let (ada, _) = street.signed_in(ACME, "acme-idp", "ada");
    let mut attempts = Attempts(Vec::new());
    let with = cookies(&ada);
    assert_eq!(street.send(ACME, "/", &["-H", &with]).status, 200);
    for host in [GLOBEX, SHARED] {
        for path in ["/", "/optional/x", "/report/x", "/.doorward/session", "/.doorward/sessions"] {
            let answer = street.send(host, path, &["-H", &with]);
            assert_eq!(answer.json()["code"], "foreign_host", "{host}{path}: {}", answer.text());
            attempts.note(format!("{host}{path}"), &answer);
        }
    }
    attempts.judge(10);
    assert_eq!(street.send(ACME, "/", &["-H", &with]).status, 200, "still good at home");
}

#[test]
fn what_is_refused_at_a_tenants_host_is_in_its_part_of_the_trail() {
    let street = Street::new();
    let made = street.door.command(&["key", "create", "--name", "k", "--tenant", "acme"]);
    let foreign = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    assert_eq!(street.send(GLOBEX, "/", &["-H", "X-Api-Key: dw_nonsense"]).status, 401);
    assert_eq!(street.send(GLOBEX, "/", &["-H", &foreign]).status, 403);
    street.type_password(&street.person(GLOBEX), GLOBEX, "globex-local", "nobody", "wrong");
    let first = |kind: &str, tenant: &str| {
        eventually(kind, || street.door.command(&["audit", "list", "--kind", kind, "--tenant", tenant]).get(0).cloned())
    };
    assert_eq!(first("credential_refused", "globex")["credential"], "api_key");
    assert_eq!(first("sign_in", "globex")["outcome"], "failure");
    let denied = first("access_denied", "acme");
    assert_eq!((&denied["actor"], &denied["details"]["host_of"]), (&made["id"], &json!("globex")), "{denied}");
}

#[test]
fn no_page_of_a_tenants_host_reads_or_changes_another_tenants_people() {
    let street = Street::new();
    let (ada, _) = street.signed_in(ACME, "acme-idp", "ada");
    let (hank, _) = street.signed_in(GLOBEX, "globex-idp", "ada");
    let cookie = format!("Cookie: __Host-doorward={}", ada.cookie("__Host-doorward").unwrap());
    let sessions = |tenant: &str| street.door.command(&["session", "list", "--tenant", tenant]).as_array().unwrap().clone();
    let (acme, globex) = (sessions("acme").remove(0), sessions("globex").remove(0));
    let mut attempts = Attempts(Vec::new());
    // With acme's cookie.
    for path in [
        "sessions",
        "factors",
        "factors/totp",
        "factors/passkey",
        "step-up",
        "sign-out",
        "sign-in",
        "sign-in/globex-idp",
        "second-factor/step-up",
        "signed-out",
        "frontchannel-logout/globex-idp",
        "invitation",
        "t/globex",
        "session",
    ] {
        let answer = street.send(GLOBEX, &format!("/.doorward/{path}"), &["-H", &cookie]);
        assert_eq!(answer.json()["code"], "foreign_host", "{path}: {}", answer.text());
        attempts.note(format!("GET {path} with another's session"), &answer);
    }
    let form = |path: &str| {
        let page = hank.ask(&street.url(GLOBEX, &format!("/.doorward/{path}")), &[]);
        assert_eq!(page.status, 200, "{}", page.text());
        (field(&page.text(), "token"), hank.cookie("__Host-doorward-form").unwrap_or_default())
    };
    let (token, binding) = form("sessions");
    for path in ["sessions", "sign-out", "factors/totp", "factors/remove", "factors/recovery-codes", "factors/passkey"] {
        let both = format!("{cookie}; __Host-doorward-form={binding}");
        let answer = street.send(GLOBEX, &format!("/.doorward/{path}"), &["-H", &both, "-d", &format!("token={token}")]);
        assert_eq!(answer.json()["code"], "foreign_host", "{path}: {}", answer.text());
        attempts.note(format!("POST {path} with another's session"), &answer);
    }
    attempts.judge(20);
    // With globex's own cookie and form, by the handle of acme's session.
    let handle = acme["handle"].as_str().unwrap();
    let fields = [("token", token.as_str()), ("session", handle)];
    hank.post(&street.url(GLOBEX, "/.doorward/sessions"), &fields, &[]);
    let own = hank.ask(&street.url(GLOBEX, "/.doorward/sessions"), &["-H", "Accept: application/json"]);
    assert!(!own.text().contains(handle) && own.text().contains(globex["handle"].as_str().unwrap()), "{}", own.text());
    assert_eq!((ada.session().status, hank.session().status), (200, 200), "both sessions live on");
}

/// `url` at another host.
fn moved(street: &Street, url: &str, from: &str, to: &str) -> String {
    url.replace(&street.url(from, "/"), &street.url(to, "/"))
}

/// All cookies of somebody, as one header.
fn cookies(person: &Person) -> String {
    let pairs: Vec<String> = person.cookies().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("Cookie: {}", pairs.join("; "))
}

#[test]
fn no_sign_in_that_began_at_one_tenant_ends_at_another() {
    let street = Street::new();
    let (dora, ways) = (street.local("acme", "dora"), ["acme-idp", "acme-local", "acme-mail", "acme-saml"]);
    let mut attempts = Attempts(Vec::new());
    for way in ways {
        for path in
            [format!("sign-in/{way}"), format!("client-keys/{way}"), format!("saml/{way}/metadata"), format!("magic-link/{way}")]
        {
            let answer = street.send(GLOBEX, &format!("/.doorward/{path}"), &[]);
            attempts.note(format!("{path} at another's host"), &answer);
        }
    }
    for door in ["acs", "slo"] {
        let answer =
            street.send(GLOBEX, &format!("/.doorward/saml/acme-saml/{door}"), &["-d", "SAMLResponse=PHg%2B&RelayState=x"]);
        attempts.note(format!("a SAML message at another's {door}"), &answer);
    }
    // The provider's answer, in the browser that asked, at the other host.
    let ada = street.person(ACME);
    let callback = ada.to_callback(&street.url(ACME, "/.doorward/sign-in/acme-idp?return_to=%2F"), "ada");
    let theirs = moved(&street, &callback, ACME, GLOBEX);
    let with = cookies(&ada);
    attempts.note("the answer at the other host", &street.person(GLOBEX).ask(&theirs, &["-H", &with]));
    let mixed = theirs.replace("/callback/acme-idp", "/callback/globex-idp");
    attempts.note("the answer to the other's connection", &street.person(GLOBEX).ask(&mixed, &["-H", &with]));
    let at_home = callback.replace("/callback/acme-idp", "/callback/globex-idp");
    attempts.note("the other's connection at home", &ada.ask(&at_home, &[]));
    let own = street.person(GLOBEX);
    own.ask(&street.url(GLOBEX, "/.doorward/sign-in/globex-idp?return_to=%2F"), &[]);
    attempts.note("the answer in another attempt's browser", &own.ask(&mixed, &[]));
    // Passwords.
    for (name, connection) in [("dora", "globex-local"), ("dora", "acme-local"), (&*dora.id, "globex-local")] {
        let answer = street.type_password(&street.person(GLOBEX), GLOBEX, connection, name, &dora.password);
        attempts.note(format!("the password of {name} for {connection}"), &answer);
    }
    attempts.note("at the shared host", &street.type_password(&street.person(SHARED), SHARED, "local", "dora", &dora.password));
    // A form of one, sent to the other by a program that says nothing of where it comes from.
    let page = street.person(ACME);
    let token = field(&page.ask(&street.url(ACME, "/.doorward/sign-in/acme-local"), &[]).text(), "token");
    let body = format!("token={token}&user=dora&password={}", dora.password);
    let form = street.send(GLOBEX, "/.doorward/sign-in/globex-local", &["-H", &cookies(&page), "-d", &body]);
    attempts.note("another's form", &form);
    attempts.judge(26);
    // All of it is still good at home.
    assert_eq!(ada.follow(&callback, ada.ask(&callback, &[])).answer.status, 200);
    assert_eq!(street.type_password(&street.person(ACME), ACME, "acme-local", "dora", &dora.password).status, 303);
    let made = ["globex", "default", "initech"].map(|tenant| street.door.command(&["user", "list", "--tenant", tenant]));
    assert_eq!(made, [json!([]), json!([]), json!([])], "nobody was made anywhere else");
}

#[test]
fn no_letter_of_one_tenant_is_of_use_at_another() {
    let street = Street::new();
    let mut attempts = Attempts(Vec::new());
    let invite = ["user", "invite", "carol@else.example", "--connection"];
    let invited = street.door.command(&[&invite[..], &["acme-mail", "--tenant", "acme", "--no-mail"]].concat());
    let link = invited["link"].as_str().unwrap();
    assert!(link.starts_with(&street.url(ACME, "/")), "it leads to the tenant's host: {link}");
    let crossed = street.failing(&[&invite[..], &["acme-mail", "--tenant", "globex", "--no-mail"]].concat());
    attempts.refused("an invitation by another's connection", crossed);
    for host in [GLOBEX, SHARED] {
        attempts.note(format!("the invitation at {host}"), &street.person(host).ask(&moved(&street, link, ACME, host), &[]));
    }
    let carol = street.person(ACME);
    let page = carol.ask(link, &[]).text();
    let fields = [("token", &*field(&page, "token")), ("invitation", &*field(&page, "invitation"))];
    let body = format!("token={}&invitation={}", fields[0].1, fields[1].1);
    let accepted = street.send(GLOBEX, "/.doorward/invitation", &["-H", &cookies(&carol), "-d", &body]);
    attempts.note("the invitation accepted there", &accepted);
    assert_eq!(street.door.command(&["user", "invitations", "--tenant", "acme"])[0]["state"], "sent", "it is still open");
    assert_eq!(carol.post(&street.url(ACME, "/.doorward/invitation"), &fields, &[]).status, 303);
    // A letter to sign in with.
    let page = carol.ask(&street.url(ACME, "/.doorward/sign-in/acme-mail?return_to=%2F"), &[]).text();
    let asked = [("token", &*field(&page, "token")), ("return_to", "/"), ("email", "carol@else.example")];
    let waiting = carol.post(&street.url(ACME, "/.doorward/magic-link/acme-mail"), &asked, &[]);
    let waiting = carol.ask(waiting.header("location").unwrap(), &[]).text();
    let letter = eventually("the letter", || street.mail.control("GET", "/letters").as_array().unwrap().first().cloned());
    let text = letter["text"].as_str().unwrap().to_owned();
    let link = text.lines().find(|line| line.starts_with("https://")).unwrap();
    let code =
        text.lines().map(str::trim).find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit())).unwrap();
    assert!(link.starts_with(&street.url(ACME, "/")), "{link}");
    let with = cookies(&carol);
    for connection in ["acme-mail", "globex-mail"] {
        let there = moved(&street, link, ACME, GLOBEX).replace("acme-mail", connection);
        attempts.note(format!("the link opened there, by {connection}"), &street.person(GLOBEX).ask(&there, &["-H", &with]));
        let token = there.split("token=").nth(1).unwrap();
        let path = format!("/.doorward/magic-link/{connection}/open");
        let clicked = street.send(GLOBEX, &path, &["-H", &with, "-d", &format!("token={}&link={token}", asked[0].1)]);
        attempts.note(format!("the link clicked there, by {connection}"), &clicked);
        let (form, attempt) = (field(&waiting, "token"), field(&waiting, "attempt"));
        let path = format!("/.doorward/magic-link/{connection}/code");
        let typed = format!("token={form}&attempt={attempt}&code={code}");
        let entered = street.send(GLOBEX, &path, &["-H", &with, "-d", &typed]);
        attempts.note(format!("the code typed there, by {connection}"), &entered);
    }
    attempts.judge(10);
    let page = carol.ask(link, &[]).text();
    let fields = [("token", &*field(&page, "token")), ("link", &*field(&page, "link"))];
    assert_eq!(carol.post(&street.url(ACME, "/.doorward/magic-link/acme-mail/open"), &fields, &[]).status, 303, "good at home");
    assert_eq!(carol.session().json()["tenant"], "acme");
}

#[test]
fn no_logout_of_one_tenants_provider_ends_anothers_session() {
    let street = Street::new();
    let (hank, _) = street.signed_in(GLOBEX, "globex-idp", "ada");
    let (ada, _) = street.signed_in(ACME, "acme-idp", "ada");
    let globex = street.door.command(&["session", "list", "--tenant", "globex"])[0].clone();
    let text = |name: &str| globex[name].as_str().unwrap_or_else(|| panic!("no {name} in {globex}")).to_owned();
    let (sid, sub) = (text("provider_session"), text("provider_subject"));
    let now = SystemClock.now().seconds();
    let token = |audience: &str, whom: Value| {
        let mut claims = json!({
            "iss": street.idp.ready["issuer"], "aud": audience, "iat": now, "exp": now + 120, "jti": uuid::Uuid::new_v4(),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        claims.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
        let signed = street.idp.tell("/sign", &json!({ "header": { "typ": "logout+jwt" }, "claims": claims }));
        format!("logout_token={}", signed.json()["token"].as_str().unwrap())
    };
    let tell = |host: &str, connection: &str, token: &str| {
        street.send(host, &format!("/.doorward/backchannel-logout/{connection}"), &["--data-raw", token])
    };
    let mut attempts = Attempts(Vec::new());
    attempts.note("acme's token at globex's host", &tell(GLOBEX, "acme-idp", &token("acme", json!({ "sid": sid }))));
    attempts.note("acme's token for globex's connection", &tell(GLOBEX, "globex-idp", &token("acme", json!({ "sid": sid }))));
    attempts.note("globex's token at acme's host", &tell(ACME, "globex-idp", &token("globex", json!({ "sid": sid }))));
    attempts.note("globex's token at the shared host", &tell(SHARED, "globex-idp", &token("globex", json!({ "sid": sid }))));
    attempts.judge(4);
    // Good in itself, and about somebody else's session: it ends nothing there.
    assert_eq!(tell(ACME, "acme-idp", &token("acme", json!({ "sid": sid }))).status, 200);
    let frame = format!("/.doorward/frontchannel-logout/acme-idp?iss={}&sid={sid}", street.idp.ready["issuer"].as_str().unwrap());
    hank.ask(&street.url(GLOBEX, &frame), &[]);
    assert_eq!(hank.session().status, 200, "the session next door lives on");
    // Both providers' sessions are one person's; each tenant's logout is its own.
    assert_eq!(tell(ACME, "acme-idp", &token("acme", json!({ "sub": sub }))).status, 200);
    eventually("acme's session ends", || (ada.session().status == 401).then_some(()));
    assert_eq!(hank.session().status, 200, "and only that");
    let signed_out = ada.ask(&street.url(ACME, "/.doorward/signed-out"), &[]);
    assert_eq!(signed_out.status, 200);
}

#[test]
fn no_command_for_one_tenant_shows_or_changes_anothers() {
    let street = Street::new();
    street.signed_in(ACME, "acme-idp", "ada");
    let dora = street.local("acme", "dora");
    let session = street.door.command(&["session", "list", "--tenant", "acme"])[0]["handle"].as_str().unwrap().to_owned();
    let make = |arguments: &[&str]| street.door.command(arguments)["id"].as_str().unwrap().to_owned();
    let key = make(&["key", "create", "--name", "k", "--tenant", "acme"]);
    let client = make(&["client", "create", "--name", "c", "--tenant", "acme"]);
    let invite = ["user", "invite", "carol@else.example", "--connection", "acme-mail", "--tenant", "acme", "--no-mail"];
    let invitation = make(&invite);
    let (url, mut attempts) = (street.url(ACME, "/"), Attempts(Vec::new()));
    for tenant in ["globex", "default"] {
        for command in [
            &["user", "show", "dora"][..],
            &["user", "show", &dora.id],
            &["user", "deactivate", "dora"],
            &["user", "deactivate", &dora.id],
            &["user", "activate", &dora.id],
            &["user", "grant", &dora.id, "--role", "admin"],
            &["user", "revoke", &dora.id, "--role", "admin"],
            &["user", "set-password", &dora.id],
            &["user", "mfa", "list", &dora.id],
            &["user", "mfa", "reset", &dora.id],
            &["user", "uninvite", &invitation],
            &["user", "uninvite", "carol@else.example"],
            &["session", "list", "--user", &dora.id],
            &["session", "revoke", &session],
            &["session", "revoke", "--user", &dora.id],
            &["key", "show", &key],
            &["key", "rotate", &key],
            &["key", "revoke", &key],
            &["key", "create", "--name", "theirs", "--owner", &dora.id],
            &["client", "show", &client],
            &["client", "rotate", &client],
            &["client", "revoke", &client],
            &["explain", "--url", &url, "--user", &dora.id],
            &["explain", "--url", &url, "--key", &key],
            &["explain", "--url", &url, "--client", &client],
        ] {
            let said = street.failing(&[command, &["--tenant", tenant]].concat());
            assert!(!said.contains("Usage"), "{command:?} is no command: {said}");
            attempts.refused(&format!("{} for {tenant}", command.join(" ")), said);
        }
        for list in ["user list", "key list", "client list", "session list", "user invitations"] {
            let words: Vec<&str> = list.split(' ').chain(["--tenant", tenant]).collect();
            assert_eq!(street.door.command(&words), json!([]), "{list} for {tenant}");
        }
    }
    attempts.judge(50);
    let shown = street.door.command(&["user", "show", "dora", "--tenant", "acme"]);
    assert_eq!((&shown["active"], &shown["roles"]), (&json!(true), &json!([])));
    assert!(street.door.command(&["key", "show", &key, "--tenant", "acme"])["revoked_at"].is_null());
    assert_eq!(street.door.command(&["session", "list", "--tenant", "acme"]).as_array().unwrap().len(), 1);
    assert_eq!(street.door.command(&["session", "revoke", &session, "--tenant", "acme"])["ended"], 1);
}
