//! Objects held against the schemas of Kubernetes' API, of three versions.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const VERSIONS: [&str; 3] = ["1.33", "1.35", "1.37"];

/// Fails where an object has a field that a version does not know, or one of another shape.
#[track_caller]
pub(super) fn check(objects: &[Value]) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("objects.yaml");
    let documents: Vec<String> = objects.iter().map(|object| named(object).to_string()).collect();
    std::fs::write(&file, documents.join("\n---\n")).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.venv/bin/kubernetes-validate");
    for version in VERSIONS {
        let output = Command::new(&tool).args(["-k", version, "--strict"]).arg(&file).output();
        let output = output.unwrap_or_else(|error| panic!("kubernetes-validate: {error}; tests/setup installs it"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
        assert_eq!(said.matches("passed").count(), objects.len(), "{version} looked at fewer: {said}");
    }
}

/// The tool wants to call it by a name, which API servers give to those that have only the beginning of one.
fn named(object: &Value) -> Value {
    let mut object = object.clone();
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = "app-x7k2p".into();
    }
    object
}

#[test]
#[should_panic(expected = "restartPolicies")]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let mut pod = super::pod(&super::wanted());
    pod["spec"]["restartPolicies"] = "Always".into();
    check(&[pod]);
}
