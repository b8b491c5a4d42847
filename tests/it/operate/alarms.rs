//! Alarms, through a running door: each goes out once, and what is ordinary sets off none.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Door, Part, curl, eventually, free_port, part, part_at_port, python_part};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const CONFIGURATION: &str = "\
version: 1
public_url: http://localhost:1
listeners: [{ address: 127.0.0.1:0 }]
upstream: { url: http://127.0.0.1:9 }
store: { url: 'sqlite:{folder}/doorward.db' }
secret_key: 0123456789abcdef0123456789abcdef
roles: { ranked: [admin, editor, viewer], others: [keeper], groups: { Board: admin, Staff: viewer } }
admin_api: { roles: [keeper] }
limits: { failures_per_minute: 1000 }
";

fn door(alarms: &str) -> Door {
    Door::serve(&format!("{CONFIGURATION}audit: {{ alarms: {{ {alarms} }} }}\n"), |_| {})
}

fn refused(door: &Door) {
    let url = format!("http://{}/", door.listener(0));
    assert_eq!(curl(&["-H", "X-Api-Key: dw_nothing", &url]).status, 401);
}

/// Waits until all that was noted is in the trail.
fn settled(door: &Door, refusals: usize) {
    eventually("the refusals are noted", || (door.events("credential_refused").len() >= refusals).then_some(()));
}

/// The alarms of a kind, when there are as many.
fn at_least(door: &Door, kind: &str, count: usize) -> Vec<Value> {
    eventually("the alarm is said", || Some(door.events(kind)).filter(|events| events.len() >= count))
}

/// Not a wait for something: nobody says any more that was left to others.
fn nobody_speaks_up() {
    std::thread::sleep(Duration::from_secs(4));
}

#[test]
fn a_burst_of_refused_credentials_is_one_alarm_and_a_few_are_none() {
    let door = door("repeated_failures: 5, window: 1h");
    for _ in 0..4 {
        refused(&door);
    }
    settled(&door, 4);
    nobody_speaks_up();
    assert_eq!(door.events("repeated_failures"), [0; 0].map(Value::from));
    for _ in 0..8 {
        refused(&door);
    }
    settled(&door, 12);
    at_least(&door, "repeated_failures", 1);
    nobody_speaks_up();
    let alarms = door.events("repeated_failures");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!((&alarms[0]["source"], &alarms[0]["outcome"]), (&"127.0.0.1".into(), &"failure".into()));
    assert_eq!(alarms[0]["details"], serde_json::json!({ "by": "address", "failures": 5, "within": 3600 }));
    let severe = door.command(&["audit", "list", "--severity", "alarm"]);
    assert_eq!(severe.as_array().map(Vec::len), Some(1));
}

#[test]
fn many_people_deactivated_by_one_are_one_alarm_and_a_few_are_none() {
    let door = door("mass_deprovisioning: 3, window: 1h");
    let key = door.command(&["key", "create", "--name", "administers", "--role", "keeper"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    for number in 0..5 {
        let user = door.command(&["user", "create", "--email", &format!("person{number}@acme.example"), "--role", "viewer"]);
        let url = format!("http://{}/.doorward/api/v1/users/{}/deactivate", door.listener(0), user["id"].as_str().unwrap());
        assert_eq!(curl(&["-X", "POST", "-H", &key, &url]).status, 200);
        if number == 1 {
            nobody_speaks_up();
            assert_eq!(door.events("mass_deprovisioning"), [0; 0].map(Value::from));
        }
    }
    at_least(&door, "mass_deprovisioning", 1);
    nobody_speaks_up();
    assert_eq!(door.events("mass_deprovisioning").len(), 1);
    let alarm = &door.events("mass_deprovisioning")[0];
    assert_eq!((&alarm["credential"], &alarm["details"]["people"]), (&"api_key".into(), &3.into()));
}
#[test]
fn a_key_from_a_network_it_never_was_used_from_is_one_alarm_and_a_restart_forgets_nothing() {
    let upstream = part("echo", &[]);
    let configuration = CONFIGURATION.replace("127.0.0.1:9", &format!("127.0.0.1:{}", upstream.port()));
    let audit = "trusted_proxies: [127.0.0.1/32]\naudit: { alarms: { learning: 0s } }\n";
    let mut door = Door::serve(&format!("{configuration}{audit}"), |_| {});
    let made = door.command(&["key", "create", "--name", "deploy", "--role", "viewer"]);
    let (id, key) = (made["id"].as_str().unwrap(), format!("X-Api-Key: {}", made["secret"].as_str().unwrap()));
    let used_from = |door: &Door, addresses: &[&str]| {
        for address in addresses {
            let from = format!("X-Forwarded-For: {address}");
            assert_eq!(curl(&["-H", &key, "-H", &from, &format!("http://{}/", door.listener(0))]).status, 200);
        }
    };
    // What was gathered is written at the end at the latest.
    used_from(&door, &["192.0.2.1", "192.0.2.1"]);
    door.restart();
    used_from(&door, &["192.0.2.200"]);
    door.restart();
    assert_eq!(door.events("credential_new_network"), [0; 0].map(Value::from), "a neighbour is no stranger");
    used_from(&door, &["192.0.2.1", "198.51.100.7", "192.0.2.1", "198.51.100.7"]);
    door.restart();
    used_from(&door, &["198.51.100.8", "192.0.2.1"]);
    door.restart();
    let alarms = door.events("credential_new_network");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(
        (&alarms[0]["actor"], &alarms[0]["target"], &alarms[0]["credential"]),
        (&id.into(), &id.into(), &"api_key".into())
    );
    assert_eq!((&alarms[0]["source"], &alarms[0]["details"]["network"]), (&"198.51.100.7".into(), &"198.51.100.0/24".into()));
    assert_eq!(door.command(&["audit", "list", "--severity", "alarm"]).as_array().map(Vec::len), Some(1));

    let text = std::fs::read_to_string(door.config()).unwrap();
    std::fs::write(door.config(), text.replace("learning: 0s", "new_networks: false")).unwrap();
    door.restart();
    used_from(&door, &["203.0.113.1"]);
    door.restart();
    assert_eq!(door.events("credential_new_network").len(), 1, "it is turned off");
}

/// Somebody who signs in at the page of passwords, wrongly.
fn mistype(door: &Door, user: &str, from: &str) {
    let jar = tempfile::NamedTempFile::new().unwrap();
    let (jar, from) = (jar.path().to_str().unwrap(), format!("X-Forwarded-For: {from}"));
    let base = format!("http://{}/.doorward/sign-in", door.listener(0));
    let page = curl(&["-H", "Host: localhost:1", "-H", &from, "-b", jar, "-c", jar, &base]).text();
    let field = |name: &str| {
        let at = page.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
        let value = page[at..].split("value=\"").nth(1).unwrap();
        value[..value.find('"').unwrap()].to_owned()
    };
    let fields = [
        ("token", field("token")),
        ("return_to", field("return_to")),
        ("user", user.to_owned()),
        ("password", "wrong".to_owned()),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let local = format!("{base}/local");
    let origin = "Origin: http://localhost:1";
    let headers = ["-H", "Host: localhost:1", "-H", &from, "-H", origin, "-H", "Sec-Fetch-Site: same-origin"];
    let all = [&headers[..], &["-b", jar, "-c", jar, "--data-binary", &body, &local]].concat();
    let answer = curl(&all);
    assert_eq!(answer.status, 401, "{}", answer.text());
}

const LOCAL: &str = "connections: [{ id: local, password: { lock_after: 1000 } }]\ntrusted_proxies: [127.0.0.1/32]\n";

#[test]
fn wrong_passwords_are_one_alarm_for_the_account_and_one_for_the_address() {
    let alarms = "audit: { alarms: { repeated_failures: 4, window: 1h } }\n";
    let door = Door::serve(&format!("{CONFIGURATION}{LOCAL}{alarms}"), |_| {});
    door.command(&["user", "create", "--name", "ada"]);
    let told = |failures: usize| {
        eventually("the failures are in the trail", || (door.events("sign_in").len() >= failures).then_some(()));
        at_least(&door, "repeated_failures", failures / 8);
        nobody_speaks_up();
        let events = door.events("repeated_failures");
        events
            .iter()
            .map(|event| (event["details"]["by"].clone(), event["target"].clone(), event["source"].clone()))
            .collect::<Vec<_>>()
    };
    // One account, from everywhere.
    for place in 1..=8 {
        mistype(&door, "ada", &format!("192.0.2.{place}"));
    }
    let by_account = told(8);
    assert_eq!(by_account.len(), 1, "{by_account:?}");
    assert_eq!((&by_account[0].0, &by_account[0].1), (&"account".into(), &"ada".into()));
    // One address, any account.
    for name in 0..8 {
        mistype(&door, &format!("person{name}"), "198.51.100.7");
    }
    let both = told(16);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.contains(&("address".into(), Value::Null, "198.51.100.7".into())), "{both:?}");
    for event in door.events("repeated_failures") {
        assert_eq!((&event["outcome"], &event["details"]["failures"]), (&"failure".into(), &4.into()), "{event}");
    }
}

/// A directory that puts out whom it has put in.
struct Directory {
    url: String,
    token: String,
}

impl Directory {
    fn at(door: &Door) -> Self {
        let made = door.command(&["scim-token", "create", "--connection", "local"]);
        let token = format!("Authorization: Bearer {}", made["secret"].as_str().unwrap());
        Self { url: format!("http://{}/.doorward/scim/v2/Users", door.listener(0)), token }
    }

    fn ask(&self, method: &str, below: &str, body: &Value) -> crate::support::Answer {
        let url = format!("{}{below}", self.url);
        curl(&["-X", method, "-H", "Host: localhost:1", "-H", &self.token, "--data-binary", &body.to_string(), &url])
    }

    fn people(&self, count: usize) -> Vec<String> {
        let person = |number| json!({ "userName": format!("person{number}@acme.example") });
        let made = (0..count).map(|number| self.ask("POST", "", &person(number)).json());
        made.map(|made| made["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_directory_that_removes_many_is_one_alarm_whichever_way_it_does_so() {
    let alarms = "audit: { alarms: { mass_deprovisioning: 4, window: 1h } }\n";
    let door = Door::serve(&format!("{CONFIGURATION}{LOCAL}{alarms}"), |_| {});
    let directory = Directory::at(&door);
    let people = directory.people(8);
    let inactive = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    for (place, id) in people.iter().enumerate() {
        let (method, body) = if place % 2 == 0 { ("PATCH", &inactive) } else { ("DELETE", &Value::Null) };
        let answer = directory.ask(method, &format!("/{id}"), body);
        assert!((200..300).contains(&answer.status), "{}", answer.text());
        if place == 2 {
            nobody_speaks_up();
            assert_eq!(door.events("mass_deprovisioning"), [0; 0].map(Value::from));
        }
    }
    at_least(&door, "mass_deprovisioning", 1);
    nobody_speaks_up();
    assert_eq!(door.events("mass_deprovisioning").len(), 1);
    let alarm = &door.events("mass_deprovisioning")[0];
    assert!(alarm["actor"].as_str().unwrap().starts_with("scim:"), "{alarm}");
    assert_eq!(alarm["details"], json!({ "people": 4, "within": 3600 }));
}

#[test]
fn each_alarm_goes_to_the_sink_that_is_for_it_alone() {
    let ports = [free_port(), free_port()];
    let siems = ports.map(|port| python_part("siem", &["--port", &port.to_string(), "--secret", SECRET]));
    let hook = |port: u16| format!("webhook: {{ url: 'http://127.0.0.1:{port}/', secret: '{SECRET}', private_addresses: true }}");
    let sinks = format!(
        "audit:\n  alarms: {{ repeated_failures: 3, mass_deprovisioning: 3, window: 1h, learning: 0s }}\n  sinks:\n    \
         - {{ id: alarms, {}, format: doorward, only: {{ severity: alarm }}, batch: {{ events: 1 }} }}\n    \
         - {{ id: burst, {}, format: doorward, only: {{ kinds: [repeated_failures] }} }}\n",
        hook(ports[0]),
        hook(ports[1])
    );
    let mut door = Door::serve(&format!("{CONFIGURATION}{LOCAL}{sinks}"), |_| {});
    let directory = Directory::at(&door);
    let people = directory.people(4);
    for id in &people {
        assert_eq!(directory.ask("DELETE", &format!("/{id}"), &Value::Null).status, 204);
    }
    for _ in 0..5 {
        refused(&door);
    }
    let key = door.command(&["key", "create", "--name", "deploy", "--role", "viewer"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    for address in ["192.0.2.1", "198.51.100.1"] {
        let from = format!("X-Forwarded-For: {address}");
        assert_ne!(curl(&["-H", &key, "-H", &from, &format!("http://{}/", door.listener(0))]).status, 401);
        // What was gathered is written at the end at the latest.
        door.restart();
    }
    let kinds = |siem: &Part| {
        let events = siem.control("GET", "/events").as_array().unwrap().clone();
        let mut kinds: Vec<String> = events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    eventually("all three came", || (kinds(&siems[0]).len() >= 3).then_some(()));
    assert_eq!(kinds(&siems[0]), ["credential_new_network", "mass_deprovisioning", "repeated_failures"]);
    eventually("the burst came", || (!kinds(&siems[1]).is_empty()).then_some(()));
    assert_eq!(kinds(&siems[1]), ["repeated_failures"]);
}

/// Replicas on one PostgreSQL.
struct Replicas {
    doors: Vec<Door>,
    database: Part,
    _upstream: Part,
}

impl Replicas {
    fn new(names: &[&str], alarms: &str) -> Self {
        let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
        let configuration = CONFIGURATION
            .replace("sqlite:{folder}/doorward.db", database.ready["url"].as_str().unwrap())
            .replace("127.0.0.1:9", &format!("127.0.0.1:{}", upstream.port()));
        let serve = |name: &&str| {
            let audit = format!("audit: {{ source: {name}, journal: '{{folder}}/events', alarms: {{ {alarms} }} }}\n");
            Door::serve(&format!("{configuration}{LOCAL}{audit}"), |_| {})
        };
        Self { doors: names.iter().map(serve).collect(), database, _upstream: upstream }
    }

    /// Tries from `address`, each at the next replica.
    fn tried(&self, address: &str, tries: usize) {
        let from = format!("X-Forwarded-For: {address}");
        for door in self.doors.iter().cycle().take(tries) {
            let url = format!("http://{}/", door.listener(0));
            assert_eq!(curl(&["-H", "X-Api-Key: dw_nothing", "-H", &from, &url]).status, 401);
        }
    }

    /// From where the repeated failures came of which it was said.
    fn said(&self, count: usize) -> Vec<String> {
        let said = at_least(&self.doors[0], "repeated_failures", count);
        let mut from: Vec<String> = said.iter().map(|alarm| alarm["source"].as_str().unwrap().to_owned()).collect();
        from.sort();
        from
    }
}

#[test]
fn tries_that_a_balancer_spreads_over_replicas_are_one_alarm_and_not_one_of_each() {
    let mut replicas = Replicas::new(&["a", "b", "c"], "repeated_failures: 10, window: 1h");
    replicas.tried("192.0.2.1", 9);
    nobody_speaks_up();
    assert_eq!(replicas.said(0), [""; 0]);
    replicas.tried("192.0.2.1", 1);
    assert_eq!(replicas.said(1), ["192.0.2.1"]);
    replicas.tried("192.0.2.1", 20);
    nobody_speaks_up();
    assert_eq!(replicas.said(1), ["192.0.2.1"]);

    // All of them begin anew, one after the other.
    replicas.tried("192.0.2.2", 5);
    replicas.doors.iter_mut().for_each(Door::restart);
    replicas.tried("192.0.2.2", 5);
    assert_eq!(replicas.said(2), ["192.0.2.1", "192.0.2.2"]);

    // What they record while the store is down is heard when it is back.
    replicas.tried("192.0.2.3", 4);
    assert_eq!(replicas.database.tell("/stop", &json!({})).status, 200);
    replicas.tried("192.0.2.3", 2);
    assert_eq!(replicas.database.tell("/start", &json!({})).status, 200);
    replicas.tried("192.0.2.3", 4);
    assert_eq!(replicas.said(3), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    nobody_speaks_up();
    assert_eq!(replicas.said(3).len(), 3);
}

#[test]
fn a_restart_between_the_tries_forgets_none_of_them() {
    let mut door = door("repeated_failures: 6, window: 1h");
    for _ in 0..2 {
        (0..3).for_each(|_| refused(&door));
        door.restart();
    }
    let said = at_least(&door, "repeated_failures", 1);
    assert_eq!(said[0]["details"], json!({ "by": "address", "failures": 6, "within": 3600 }));
    door.restart();
    nobody_speaks_up();
    assert_eq!(door.events("repeated_failures").len(), 1);
}

#[test]
fn of_several_replicas_a_new_network_is_told_by_one() {
    let mut replicas = Replicas::new(&["a", "b"], "learning: 0s");
    let doors = &mut replicas.doors;
    let made = doors[0].command(&["key", "create", "--name", "deploy", "--role", "viewer"]);
    let key = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    for address in ["192.0.2.1", "198.51.100.1", "198.51.100.2"] {
        let from = format!("X-Forwarded-For: {address}");
        for door in doors.iter() {
            assert_eq!(curl(&["-H", &key, "-H", &from, &format!("http://{}/", door.listener(0))]).status, 200);
        }
        doors.iter_mut().for_each(Door::restart);
    }
    assert_eq!(doors[0].events("credential_new_network").len(), 1);
}
