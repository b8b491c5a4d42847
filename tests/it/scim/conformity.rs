//! Checkers that others wrote, and a provider that provisions for real.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::house::House;
use crate::support::eventually;

fn program(environment: &str, name: &str) -> Command {
    let parts: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts");
    Command::new(parts.join(environment).join("bin").join(name))
}

/// Without what colours it.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split('\u{1b}')
        .enumerate()
        .map(|(place, part)| if place == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
        .collect()
}

#[test]
fn scim2_tester_finds_nothing_wrong_and_nothing_missing() {
    for house in House::on_each_engine() {
        let client = house.client("google");
        let output = program(".venv-scim", "scim2")
            .env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {}", client.token))
            .args(["--url", client.base(), "test", "--verbose"])
            .output()
            .unwrap();
        let said = plain(&output.stdout);
        let verdicts: Vec<&str> =
            said.lines().filter(|line| line.split(' ').nth(1).is_some_and(|name| name.contains("check"))).collect();
        let bad: Vec<&&str> = verdicts.iter().filter(|line| !line.starts_with("SUCCESS")).collect();
        assert!(bad.is_empty() && !said.contains("ERROR "), "{bad:?}\n{said}\n{}", plain(&output.stderr));
        assert!(verdicts.len() > 80, "only {} checks: {said}", verdicts.len());
    }
}

#[test]
fn scim_sanity_finds_nothing_wrong_be_it_strict_or_like_entra() {
    for house in House::on_each_engine() {
        let client = house.client("google");
        for profile in [["--strict"].as_slice(), &["--compat", "--profile", "entra"]] {
            let output = program(".venv-scim", "scim-sanity")
                .args(["probe", client.base(), "--token", &client.token, "--i-accept-side-effects", "--json-output"])
                .args(profile)
                .output()
                .unwrap();
            let said: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", plain(&output.stdout)));
            let results = said["results"].as_array().unwrap();
            let bad: Vec<&Value> = results
                .iter()
                // It also asks for resources that a few servers have.
                .filter(|result| result["status"] != "pass" && !result["name"].as_str().unwrap_or_default().contains("Agent"))
                .collect();
            assert!(bad.is_empty(), "{profile:?}: {bad:?}");
            assert!(results.len() > 25, "{said}");
        }
    }
}

#[test]
fn canaille_provisions_people_and_groups() {
    for house in House::on_each_engine() {
        let client = house.client("google");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/provisioner.py");
        let output = program(".venv-canaille", "python").arg(script).args([client.base(), &client.token]).output().unwrap();
        assert!(output.status.success(), "{}\n{}", plain(&output.stdout), plain(&output.stderr));
        // It made ada and bob and their group, gave ada another name and removed bob.
        eventually("bob is gone", || client.found("/Users", "userName pr", "").eq(&["ada"]).then_some(()));
        let found = client.get("/Users").json();
        let ada = &found["Resources"][0];
        assert_eq!((&ada["name"]["familyName"], &ada["active"]), (&json!("King"), &json!(true)), "{ada}");
        assert_eq!(ada["groups"][0]["display"], json!("Mathematicians"), "{ada}");
        assert_eq!(client.get("/Groups").json()["Resources"][0]["members"][0]["value"], ada["id"]);
    }
}
