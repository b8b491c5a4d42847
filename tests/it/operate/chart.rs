//! The Helm chart: what it makes Doorward run with is a configuration that Doorward takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use crate::support::doorward;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What helm tells whoever installed the chart with these values.
fn notes(values: &Path) -> String {
    let mut helm = Command::new(repository().join("tests/parts/.tools/helm"));
    helm.args(["install", "door", "--dry-run=client", "-f"]).arg(values).arg(repository().join("helm/doorward"));
    let output = helm.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split("NOTES:").nth(1).unwrap().to_owned()
}

#[test]
fn a_key_is_suggested_only_where_there_is_a_store_for_it() {
    let shape = |name: &str| notes(&repository().join("helm/doorward/ci").join(name));
    assert!(shape("tls.yaml").contains("key create") && !shape("tls.yaml").contains("no store"));
    assert!(!shape("stateless.yaml").contains("key create") && shape("stateless.yaml").contains("There is no store"));
}

/// Every object of the chart with these values.
fn rendered(values: Option<&Path>) -> Vec<Value> {
    let mut helm = Command::new(repository().join("tests/parts/.tools/helm"));
    helm.args(["template", "door"]).arg(repository().join("helm/doorward"));
    if let Some(values) = values {
        helm.arg("-f").arg(values);
    }
    let output = helm.output().unwrap_or_else(|error| panic!("helm: {error}; tests/setup installs it"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

fn object<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

fn shapes() -> Vec<Option<PathBuf>> {
    let folder = std::fs::read_dir(repository().join("helm/doorward/ci")).unwrap();
    let shapes: Vec<_> = std::iter::once(None).chain(folder.map(|entry| Some(entry.unwrap().path()))).collect();
    assert!(shapes.len() > 2, "{shapes:?}");
    shapes
}

#[test]
fn the_charts_configuration_is_taken_in_every_shape() {
    for shape in shapes() {
        let objects = rendered(shape.as_deref());
        let config = object(&objects, "ConfigMap").unwrap()["data"]["doorward.yaml"].as_str().unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        mounts(folder.path());
        let file = folder.path().join("doorward.yaml");
        std::fs::write(&file, config.replace("/etc/doorward", folder.path().to_str().unwrap())).unwrap();
        let output = doorward(&["check", "--config"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{shape:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What the pod finds below `/etc/doorward`.
fn mounts(folder: &Path) {
    for (name, content) in [("secret_key", "0123456789abcdef0123456789abcdef"), ("legacy", "hunter2")] {
        std::fs::create_dir_all(folder.join("secrets")).unwrap();
        std::fs::write(folder.join("secrets").join(name), content).unwrap();
    }
    let made = rcgen::generate_simple_self_signed(["app.example.com".to_owned()]).unwrap();
    std::fs::create_dir(folder.join("tls")).unwrap();
    std::fs::write(folder.join("tls/tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls/tls.key"), made.signing_key.serialize_pem()).unwrap();
}

#[test]
fn the_pod_has_no_more_rights_than_it_needs() {
    for shape in shapes() {
        let objects = rendered(shape.as_deref());
        let pod = &object(&objects, "Deployment").unwrap()["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"][0], "ALL");
    }
}

#[test]
fn a_changed_configuration_is_a_new_pod_and_several_pods_on_one_file_are_refused() {
    let sum = |values: Option<&Path>| {
        let objects = rendered(values);
        let pod = &object(&objects, "Deployment").unwrap()["spec"]["template"]["metadata"]["annotations"];
        pod["doorward.dev/config"].as_str().unwrap().to_owned()
    };
    let tls = repository().join("helm/doorward/ci/tls.yaml");
    assert_eq!(sum(None), sum(None));
    assert_ne!(sum(None), sum(Some(&tls)));
    let chart = repository().join("helm/doorward");
    let helm = repository().join("tests/parts/.tools/helm");
    let output = Command::new(helm).args(["template", "door", "--set", "replicaCount=2"]).arg(chart).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("belongs to one pod"), "{output:?}");
}
