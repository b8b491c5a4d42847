//! Every command that changes something, done once: one event, of the kind that is said here; every other command is none.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::audit::{Event, Kind, Outcome};
use doorward::clock::{Clock as _, SharedClock, SystemClock};
use doorward::model::{TenantId, UserId};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::session::just_begun;
use crate::support::{Door, doorward, eventually, free_port, python_part};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What changes nothing that the trail speaks of: it reads, serves, or writes where there is no trail as yet.
const SILENT: [&str; 33] = [
    "serve",
    "demo",
    "check",
    "doctor",
    "explain",
    "health",
    "presets",
    "schema",
    "key list",
    "key show",
    "client list",
    "client show",
    "user list",
    "user show",
    "user invitations",
    "user mfa list",
    "group list",
    "group show",
    "session list",
    "scim-token list",
    "scim-token calls",
    "connection list",
    "connection show",
    "store copy",
    "audit list",
    "audit export",
    "audit tail",
    "audit verify",
    "audit key",
    "audit sinks",
    "audit dead-letters list",
    "inject",
    "migrate oauth2-proxy",
];

/// The commands, as each says what there is below it.
fn commands(above: &[&str]) -> BTreeSet<String> {
    let help = doorward(above).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let Some((_, below)) = help.split_once("\nCommands:\n") else { return BTreeSet::from([above.join(" ")]) };
    let lines = below.lines().take_while(|line| !line.is_empty());
    let names =
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").flat_map(|name| commands(&[above, &[name]].concat())).collect()
}

struct Walk {
    door: Door,
    memory: Memory,
    runtime: Runtime,
    done: BTreeSet<String>,
}

impl Walk {
    fn ids(&self) -> Vec<(String, String)> {
        let listed = self.door.command(&["audit", "list", "--limit", "1000"]);
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        let events = listed.as_array().unwrap().iter();
        // These two tell what the door does on its own.
        let events =
            events.filter(|event| !["configuration_reloaded", "audit_checkpoint"].contains(&event["kind"].as_str().unwrap()));
        events.map(|event| (text(event, "id"), text(event, "kind"))).collect()
    }

    /// `command` with these arguments is one event of this kind, by whoever is at the terminal.
    #[track_caller]
    fn one(&mut self, command: &str, arguments: &[&str], kind: &str) -> Value {
        let before = self.ids();
        let output = self.run(command, arguments);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let new: Vec<(String, String)> = self.ids().into_iter().filter(|event| !before.contains(event)).collect();
        let kinds: Vec<&str> = new.iter().map(|(_, kind)| kind.as_str()).collect();
        assert_eq!(kinds, [kind], "{command}");
        let listed = self.door.command(&["audit", "list", "--kind", kind]);
        let event = listed.as_array().unwrap().iter().find(|event| event["id"] == new[0].0).unwrap();
        assert!(event["actor"].as_str().unwrap().starts_with("cli"), "{event}");
        assert_eq!(event["outcome"], "success");
        self.done.insert(command.to_owned());
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let words: Vec<&str> = command.split(' ').collect();
        let mut run = doorward(&words);
        run.args(arguments).arg("--config").arg(self.door.config());
        // Not every command that changes something answers in JSON.
        let answers = doorward(&words).arg("--help").output().unwrap();
        if String::from_utf8_lossy(&answers.stdout).contains("--json") {
            run.arg("--json");
        }
        run.output().unwrap()
    }

    fn session(&self, user: &str, handle: &str) {
        let session = just_begun(UserId(user.parse().unwrap()), handle, &format!("value-of-{handle}"));
        self.runtime.block_on(self.memory.sessions.create(&session)).unwrap();
    }
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap_or_else(|| panic!("no id in {made}")).to_owned()
}

fn walk(receiver: u16) -> Walk {
    let configuration = format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: http://127.0.0.1:9 }}
store: {{ url: 'sqlite:{{folder}}/doorward.db' }}
secret_key: 0123456789abcdef0123456789abcdef
sign_in: {{ break_glass_file: break-glass }}
connections:
  - {{ id: okta, provision: invited, domains: [acme.example], oidc: {{ issuer: 'https://okta.invalid', client_id: door }} }}
  - {{ id: local, password: {{}} }}
roles: {{ ranked: [admin, editor, viewer] }}
audit:
  sinks:
    - id: picky
      webhook: {{ url: 'http://127.0.0.1:{receiver}/', secret: '{SECRET}', private_addresses: true }}
      format: doorward
      only: {{ kinds: [access_denied] }}
"
    );
    let door = Door::serve(&configuration, |_| {});
    let runtime = Runtime::new().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&door.config()).unwrap().config;
    let memory = runtime.block_on(Memory::open(&config, &clock)).unwrap();
    Walk { door, memory, runtime, done: BTreeSet::new() }
}

#[test]
fn every_command_that_changes_something_is_one_event() {
    let port = free_port();
    let receiver = python_part("siem", &["--port", &port.to_string(), "--secret", SECRET]);
    assert_eq!(receiver.tell("/knobs", &json!({ "poison": "refused" })).status, 200);
    let mut walk = walk(port);

    let ada = id(&walk.one("user create", &["--name", "ada", "--email", "ada@acme.example"], "user_created"));
    walk.one("user update", &["ada", "--full-name", "Ada"], "user_changed");
    walk.one("user grant", &["ada", "--role", "editor"], "role_assigned");
    walk.one("user revoke", &["ada", "--role", "editor"], "role_unassigned");
    walk.one("user set-password", &["ada"], "user_changed");
    walk.one("user mfa code", &["ada"], "factor_added");
    walk.one("user mfa reset", &["ada"], "factor_removed");
    walk.session(&ada, "first");
    walk.one("session revoke", &["first"], "session_ended");
    walk.one("user deactivate", &["ada"], "user_deactivated");
    walk.one("user activate", &["ada"], "user_reactivated");
    let invited = id(&walk.one("user invite", &["bob@acme.example", "--no-mail"], "invitation_created"));
    walk.one("user uninvite", &[&invited], "invitation_revoked");
    walk.one("user break-glass", &["ops@acme.example"], "break_glass_changed");

    walk.one("group create", &["Staff"], "group_created");
    walk.one("group rename", &["Staff", "--name", "Crew"], "group_changed");
    walk.one("group add-member", &["Crew", "--user", "ada"], "group_changed");
    walk.one("group remove-member", &["Crew", "--user", "ada"], "group_changed");
    walk.one("group delete", &["Crew"], "group_removed");

    for noun in ["key", "client"] {
        let made = id(&walk.one(&format!("{noun} create"), &["--name", "deploy"], &format!("{noun}_created")));
        walk.one(&format!("{noun} update"), &[&made, "--name", "release"], &format!("{noun}_changed"));
        walk.one(&format!("{noun} rotate"), &[&made], &format!("{noun}_rotated"));
        walk.one(&format!("{noun} revoke"), &[&made], &format!("{noun}_revoked"));
    }

    let token = id(&walk.one("scim-token create", &["--connection", "okta"], "scim_token_created"));
    walk.one("scim-token rotate start", &[&token], "scim_token_rotated");
    walk.one("scim-token rotate cancel", &[&token], "scim_token_rotated");
    walk.one("scim-token rotate start", &[&token], "scim_token_rotated");
    walk.one("scim-token rotate complete", &[&token], "scim_token_rotated");
    walk.one("scim-token revoke", &[&token], "scim_token_revoked");
    walk.one("scim-token create", &["--connection", "okta"], "scim_token_created");
    walk.one("scim-token disable", &["--connection", "okta"], "scim_token_revoked");

    let file = walk.door.folder().join("partners.yaml");
    let partners = "id: partners\ndomains: [partner.example]\noidc: { issuer: 'https://login.partner.example', client_id: door, client_secret: a-secret-nobody-sees }\n";
    std::fs::write(&file, partners).unwrap();
    let file = file.to_str().unwrap().to_owned();
    walk.one("connection add", &["--file", &file], "connection_created");
    walk.one("connection remove", &["partners"], "connection_removed");

    // What the receiver refuses for good lies there until somebody says what to do with it.
    for command in ["audit dead-letters retry", "audit dead-letters drop"] {
        refused_letter(&walk);
        let kind = if command.ends_with("retry") { "dead_letters_retried" } else { "dead_letters_dropped" };
        walk.one(command, &["picky"], kind);
    }
    walk.one("user erase", &["ada"], "user_erased");
    walk.one("user create", &["--name", "carol", "--no-password"], "user_created");
    walk.one("user delete", &["carol"], "user_deleted");

    // Whoever adds a command says here what its event is, or that it is none.
    let others = commands(&[]).into_iter().filter(|command| !SILENT.contains(&command.as_str()));
    assert_eq!(walk.done, others.collect());
}

/// Waits until the receiver has refused an event for good.
fn refused_letter(walk: &Walk) {
    let mut event = Event::new(SystemClock.now(), Kind::AccessDenied, Outcome::Failure, &TenantId::default());
    event.target = Some("refused".to_owned());
    walk.runtime.block_on(walk.memory.trail.append(vec![event])).unwrap();
    eventually("it is refused", || {
        let letters = walk.door.command(&["audit", "dead-letters", "list"]);
        letters.as_array().is_some_and(|letters| !letters.is_empty()).then_some(())
    });
}

#[test]
fn what_a_command_only_reads_is_no_event() {
    let walk = walk(1);
    let key = walk.door.command(&["key", "create", "--name", "deploy"]);
    walk.door.command(&["user", "create", "--name", "ada", "--no-password"]);
    let before = walk.ids().len();
    for (command, arguments) in [
        ("key list", vec![]),
        ("key show", vec![key["id"].as_str().unwrap()]),
        ("client list", vec![]),
        ("user list", vec![]),
        ("user show", vec!["ada"]),
        ("user invitations", vec![]),
        ("user mfa list", vec!["ada"]),
        ("group list", vec![]),
        ("session list", vec![]),
        ("scim-token list", vec![]),
        ("connection list", vec![]),
        ("audit list", vec![]),
        ("audit verify", vec![]),
        ("audit sinks", vec![]),
        ("check", vec![]),
    ] {
        let output = walk.run(command, &arguments);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(json!(walk.ids().len()), json!(before));
}
