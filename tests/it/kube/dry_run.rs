//! `doorward inject --dry-run`: what would become of a file's pods.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde::Deserialize as _;
use serde_json::Value;

use super::valid;
use crate::support::doorward;

const MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata:
      labels: { app: shop }
      annotations: { doorward.dev/inject: \"true\", doorward.dev/config: shop-door, doorward.dev/port: http }
    spec:
      containers:
        - name: shop
          image: registry.example/shop:7
          ports: [{ name: http, containerPort: 3000 }]
---
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ port: 80, targetPort: http }] }
";

fn run(input: &str, arguments: &[&str]) -> Output {
    let mut command = doorward(&["inject", "--dry-run", "-f", "-"]);
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What the chart makes of the values of this name.
#[track_caller]
pub(super) fn rendered(shape: &str, namespace: &str) -> Vec<Value> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut helm = Command::new(repository.join("tests/parts/.tools/helm"));
    helm.args(["template", "door", "--namespace", namespace]).arg(repository.join("helm/doorward"));
    let output = helm.arg("-f").arg(repository.join(format!("helm/doorward/ci/{shape}.yaml"))).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    documents(&output.stdout)
}

fn documents(text: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

#[test]
fn a_dry_run_prints_a_patch_for_each_object_that_leads_to_what_it_prints_as_yaml() {
    let output = run(MANIFEST, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let patches: Vec<json_patch::Patch> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    let yaml = run(MANIFEST, &["--output", "yaml", "--image", "registry.example/doorward:9"]);
    let (mut before, after) = (documents(MANIFEST.as_bytes()), documents(&yaml.stdout));
    assert_eq!((patches.len(), after.len()), (2, 2));
    let door = &after[0]["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!(door["image"], "registry.example/doorward:9");
    valid::check(&after);
    for (object, patch) in before.iter_mut().zip(&patches) {
        json_patch::patch(object, patch).unwrap();
    }
    before[0]["spec"]["template"]["spec"]["initContainers"][0]["image"] = door["image"].clone();
    assert_eq!(before, after);
    assert!(String::from_utf8_lossy(&output.stderr).contains("deployment/shop: injected"));
    let yaml = String::from_utf8(yaml.stdout).unwrap();
    let again = run(&yaml, &["--image", "registry.example/doorward:9"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout).trim(), "[]\n[]", "what has a door was changed again");
    let newer = documents(&run(&yaml, &["--output", "yaml", "--image", "registry.example/doorward:10"]).stdout);
    let doors = newer[0]["spec"]["template"]["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(
        (doors.len(), &doors[0]["image"]),
        (1, &Value::from("registry.example/doorward:10")),
        "an old door stays for ever"
    );
}

#[test]
fn a_dry_run_says_what_cannot_be_done_and_goes_by_the_configuration() {
    let refused = run(&MANIFEST.replace("config: shop-door, doorward.dev/port: http", "port: web"), &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("doorward.dev/config is missing"), "{refused:?}");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("inject.yaml");
    let configuration =
        "version: 1\nimage: a:1\nsidecar: plain\ncertificate: { cert: a, key: b }\ndefaults: { listen_port: 8000 }\n";
    fs::write(&file, configuration).unwrap();
    let plain = run(MANIFEST, &["--output", "yaml", "--config", file.to_str().unwrap()]);
    let after = documents(&plain.stdout);
    let door = &after[0]["spec"]["template"]["spec"]["containers"][1];
    assert_eq!((door["name"].as_str(), door["ports"][0]["containerPort"].as_u64()), (Some("doorward"), Some(8000)));
    let junk = run("a: [", &[]);
    assert_eq!(junk.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&junk.stderr).contains("no manifest"), "{junk:?}");
}

#[test]
fn the_injector_takes_what_the_chart_writes_for_it() {
    for shape in ["injector", "injector-cert-manager"] {
        let objects = rendered(shape, "default");
        let configuration = objects.iter().find_map(|object| object["data"]["inject.yaml"].as_str()).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("inject.yaml");
        fs::write(&file, configuration).unwrap();
        let output = run(MANIFEST, &["--output", "yaml", "--config", file.to_str().unwrap()]);
        assert!(output.status.success(), "{shape}: {}", String::from_utf8_lossy(&output.stderr));
        valid::check(&documents(&output.stdout));
        // A door would not be asked for the pods of the injector itself.
        let own = objects.iter().find(|object| object["kind"] == "Deployment").unwrap().to_string();
        assert!(String::from_utf8_lossy(&run(&own, &[]).stderr).contains("untouched"));
    }
}
