//! Alarms, through a running door: each goes out once, and what is ordinary sets off none.

use serde_json::Value;

use crate::support::{Door, curl, eventually, part};

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

#[test]
fn a_burst_of_refused_credentials_is_one_alarm_and_a_few_are_none() {
    let door = door("repeated_failures: 5, window: 1h");
    for _ in 0..4 {
        refused(&door);
    }
    settled(&door, 4);
    assert_eq!(door.events("repeated_failures"), [0; 0].map(Value::from));
    for _ in 0..8 {
        refused(&door);
    }
    settled(&door, 12);
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
        assert_eq!(door.events("mass_deprovisioning").len(), usize::from(number >= 2), "{number}");
    }
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
