//! Every object of every shape is one that Kubernetes, or whoever made up its kind, knows.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_yaml::Value;

use super::{object, parsed, rendered, repository, shape, shapes, sidecar, template};

/// Whose kinds are not of Kubernetes itself.
const FOREIGN: [&str; 3] = ["cert-manager.io/", "gateway.networking.k8s.io/", "monitoring.coreos.com/"];

/// All that is rendered anywhere.
fn everything() -> String {
    let newer = ["--api-versions", "gateway.networking.k8s.io/v1/HTTPRoute"];
    let shapes = shapes().into_iter().map(|shape| template(shape.as_deref(), &newer));
    shapes.chain([sidecar::text()]).collect::<Vec<_>>().join("\n---\n")
}

fn tool(name: &str) -> Command {
    Command::new(repository().join("tests/parts/.venv/bin").join(name))
}

#[test]
fn every_object_is_valid_for_three_versions_of_kubernetes_and_tidy() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("objects.yaml");
    let text = everything();
    std::fs::write(&file, &text).unwrap();
    let core = parsed(&text).iter().filter(|object| !is_foreign(object)).count();
    std::thread::scope(|scope| {
        for version in ["1.30", "1.33", "1.37"] {
            let file = &file;
            scope.spawn(move || {
                let output = tool("kubernetes-validate").args(["-k", version, "--strict"]).arg(file).output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{version}: {said}");
                assert_eq!(said.matches("INFO").count(), core, "{version}: {said}");
            });
        }
    });
    let rules = "{extends: relaxed, rules: {line-length: disable, indentation: {indent-sequences: whatever}}}";
    let output = tool("yamllint").args(["--strict", "-d", rules]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn is_foreign(object: &Value) -> bool {
    FOREIGN.iter().any(|group| object["apiVersion"].as_str().unwrap().starts_with(group))
}

#[test]
fn custom_resources_are_what_their_projects_publish() {
    let foreign: Vec<_> = parsed(&everything()).into_iter().filter(is_foreign).collect();
    for kind in ["Certificate", "Issuer", "HTTPRoute", "TLSRoute", "ServiceMonitor", "PrometheusRule"] {
        assert!(foreign.iter().any(|object| object["kind"] == kind), "{kind} is not tried");
    }
    assert_eq!(judged(&foreign), (true, format!("{} objects, 0 problems\n", foreign.len())));
    // It does judge: a misspelt field and a wrong value.
    let mut broken = vec![object(&foreign, "ServiceMonitor").clone(), object(&foreign, "TLSRoute").clone()];
    broken[0]["spec"]["endpoints"][0]["pathh"] = "/metrics".into();
    broken[1]["spec"]["rules"][0]["backendRefs"][0]["port"] = "https".into();
    let (taken, said) = judged(&broken);
    assert!(!taken && said.contains("pathh") && said.contains("port must be integer"), "{said}");
}

fn judged(objects: &[Value]) -> (bool, String) {
    let mut judge = Command::new("node");
    judge.arg(repository().join("tests/parts/crds.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    judge.stdin.take().unwrap().write_all(serde_json::to_string(objects).unwrap().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_route_is_of_the_newest_version_that_the_cluster_knows() {
    let version = |more: &[&str]| object(&rendered(Some(&shape("postgresql")), more), "TLSRoute")["apiVersion"].clone();
    assert_eq!(version(&[]), "gateway.networking.k8s.io/v1alpha2");
    assert_eq!(version(&["--api-versions", "gateway.networking.k8s.io/v1alpha3/TLSRoute"]), "gateway.networking.k8s.io/v1alpha3");
    assert_eq!(version(&["--api-versions", "gateway.networking.k8s.io/v1/TLSRoute"]), "gateway.networking.k8s.io/v1");
}

#[test]
fn alerts_and_dashboard_are_those_of_the_files() {
    let objects = rendered(Some(&shape("postgresql")), &[]);
    let file = |name: &str| std::fs::read_to_string(repository().join("helm/doorward/files").join(name)).unwrap();
    let mut rules: Value = serde_yaml::from_str(&file("rules.yaml")).unwrap();
    for group in rules["groups"].as_sequence_mut().unwrap() {
        group["rules"].as_sequence_mut().unwrap().retain(|rule| rule["alert"] != "DoorwardAbsent");
    }
    assert_eq!(object(&objects, "PrometheusRule")["spec"], rules);
    let map = objects.iter().find(|object| object["metadata"]["name"] == "door-doorward-dashboard").unwrap();
    assert_eq!(
        (&map["metadata"]["labels"]["grafana_dashboard"], &map["metadata"]["namespace"]),
        (&"1".into(), &"monitoring".into())
    );
    let shown: serde_json::Value = serde_json::from_str(map["data"]["doorward.json"].as_str().unwrap()).unwrap();
    let drawn: serde_json::Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    assert_eq!(shown, drawn);
}
