//! Presets: each makes a connection that works, and says what to do with the door's own addresses.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::config::Desk;
use crate::support::door::doorward;

const TOP: &str = "version: 1
public_url: https://app.example.com
listeners: [{ address: 127.0.0.1:8443, tls: { certificates: [{ cert: files/tls.crt, key: files/tls.key }] } }]
upstream: { url: http://127.0.0.1:3000 }
store: { url: sqlite:doorward.db }
secret_key: { file: files/secret }
connections:
";

fn said(desk: &Desk, arguments: &[&str]) -> String {
    let output = doorward(arguments).current_dir(desk.path("")).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What an issuer of this look could be.
fn example(pattern: &str) -> String {
    let mut text = pattern.replace("{uuid}", "72f988bf-86f1-41af-91ab-2d7cd011db47");
    while let (Some(from), Some(to)) = (text.find('{'), text.find('}')) {
        text.replace_range(from..=to, "acme");
    }
    text
}

#[test]
fn each_preset_makes_a_connection_that_is_understood_without_a_warning() {
    let desk = Desk::new();
    let presets: Value = serde_json::from_str(&said(&desk, &["presets", "--json"])).unwrap();
    let certificate = fs::read_to_string(desk.path("files/tls.crt")).unwrap().replace('\n', "\\n");
    let mut file = TOP.to_owned();
    let mut names = Vec::new();
    for (name, preset) in presets.as_object().unwrap() {
        for key in ["oidc", "oauth2", "saml"] {
            let Some(protocol) = preset.get(key) else { continue };
            let look = example(protocol["issuer"][0].as_str().unwrap());
            let issuer = if protocol["fill"]["issuer"].is_null() { format!("issuer: '{look}', ") } else { String::new() };
            let typed = match key {
                "oidc" => format!("{issuer}client_id: app, client_secret: {{ file: files/secret }}"),
                "oauth2" if name == "generic" => {
                    "client_id: app, client_secret: { file: files/secret }, authorization_endpoint: 'https://id.example/a', \
                     token_endpoint: 'https://id.example/t', userinfo_endpoint: 'https://id.example/u'"
                        .to_owned()
                }
                "oauth2" => "client_id: app, client_secret: { file: files/secret }".to_owned(),
                _ => format!("entity_id: '{look}', sso_url: 'https://id.example/sso', certificates: [\"{certificate}\"]"),
            };
            writeln!(file, "  - id: {name}-{key}\n    {key}: {{ provider: {name}, {typed} }}").unwrap();
            let own = preset["name"].as_str().unwrap();
            names.push(if name == "generic" { Value::Null } else { Value::from(format!("{own} SSO")) });
        }
    }
    assert!(names.len() >= 30, "{}", names.len());
    desk.write("doorward.yaml", &file);
    fs::set_permissions(desk.path("files/tls.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(said(&desk, &["check"]), "doorward.yaml: ok\n");
    let listed: Value = serde_json::from_str(&said(&desk, &["connection", "list", "--json"])).unwrap();
    let shown: Vec<Value> = listed.as_array().unwrap().iter().map(|connection| connection["display_name"].clone()).collect();
    assert_eq!(shown, names);
}

#[test]
fn a_preset_says_what_to_do_with_the_addresses_of_the_connection_that_uses_it() {
    let desk = Desk::new();
    let okta = "  - id: staff\n    oidc: { provider: okta, issuer: https://acme.okta.com, client_id: app }\n";
    desk.write("doorward.yaml", &format!("{TOP}{okta}"));
    let page = said(&desk, &["presets", "okta"]);
    for address in ["https://app.example.com/.doorward/callback/staff", "https://app.example.com/.doorward/saml/staff/acs"] {
        assert!(page.contains(address), "{page}");
    }
    assert!(!page.contains("{redirect_uri}") && !page.contains("{acs_url}") && !page.contains("{entity_id}"), "{page}");
    let other = said(&desk, &["presets", "okta", "--id", "other"]);
    assert!(other.contains("/callback/other") && !other.contains("/callback/staff"), "{other}");
    let unknown = doorward(&["presets", "octa"]).current_dir(desk.path("")).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
}
