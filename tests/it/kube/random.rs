//! Pods at random: what becomes of them is valid for Kubernetes.

use std::fs;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::valid;
use crate::support::doorward;

const PODS: usize = 150;

fn container(name: &'static str, first: u16) -> impl Strategy<Value = Value> {
    let port = (option::of(prop::sample::select(vec!["http", "web", "grpc"])), first..first + 50, any::<bool>());
    let probes = vec((prop::sample::select(vec!["livenessProbe", "readinessProbe", "startupProbe"]), 0..4_u8), 0..3);
    (vec(port, 0..3), probes, any::<bool>(), any::<bool>()).prop_map(move |(ports, probes, env, limits)| {
        let ports: Vec<Value> = ports
            .into_iter()
            .map(|(name, number, protocol)| {
                let mut port = json!({ "containerPort": number });
                if let Some(name) = name {
                    port["name"] = json!(name);
                }
                if protocol {
                    port["protocol"] = json!("TCP");
                }
                port
            })
            .collect();
        let mut container = json!({ "name": name, "image": "registry.example/app:1", "ports": ports });
        for (probe, kind) in probes {
            container[probe] = match kind {
                0 => json!({ "httpGet": { "path": "/", "port": "http" } }),
                1 => json!({ "tcpSocket": { "port": first } }),
                2 => json!({ "grpc": { "port": first } }),
                _ => json!({ "exec": { "command": ["true"] } }),
            };
        }
        if env {
            container["env"] = json!([{ "name": "PORT", "value": "1" }, { "name": "B", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }]);
        }
        if limits {
            container["resources"] = json!({ "limits": { "cpu": "1" } });
        }
        container
    })
}

fn any_pod() -> impl Strategy<Value = Value> {
    let port = option::of(prop::sample::select(vec!["http", "web", "80", "3001", "3010"]));
    let told = (port, option::of(4000..4010_u16), any::<bool>(), any::<bool>(), any::<bool>());
    let spec = (any::<bool>(), any::<bool>(), option::of(prop::sample::select(vec!["Always", "Never", "OnFailure"])));
    (told, container("app", 3000), option::of(container("side", 5000)), spec).prop_map(|(told, app, side, spec)| {
        let (port, app_port, secret, env, tls) = told;
        let mut said = Map::new();
        let mut say = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                said.insert(format!("doorward.dev/{key}"), value.into());
            }
        };
        say("inject", Some("true".to_owned()));
        say("config", Some("door".to_owned()));
        say("port", port.map(str::to_owned));
        say("app-port", app_port.map(|port| port.to_string()));
        say("secret", secret.then(|| "door".to_owned()));
        say("app-port-env", env.then(|| "PORT".to_owned()));
        say("tls-secret", tls.then(|| "door-tls".to_owned()));
        let containers: Vec<Value> = std::iter::once(app).chain(side).collect();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "app", "annotations": said },
            "spec": { "containers": containers },
        });
        let (volumes, init, restart) = spec;
        if volumes {
            pod["spec"]["volumes"] = json!([{ "name": "cache", "emptyDir": {} }]);
        }
        if init {
            pod["spec"]["initContainers"] = json!([{ "name": "first", "image": "registry.example/first:1" }]);
        }
        if let Some(policy) = restart {
            pod["spec"]["restartPolicy"] = json!(policy);
        }
        pod
    })
}

#[test]
fn whatever_pod_gets_a_door_is_valid_for_three_versions_of_kubernetes() {
    let mut runner = TestRunner::default();
    let pods: Vec<Value> = (0..PODS).map(|_| any_pod().new_tree(&mut runner).unwrap().current()).collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pods.yaml");
    fs::write(&file, pods.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")).unwrap();
    let output = doorward(&["inject", "--dry-run", "-f"]).arg(&file).output().unwrap();
    let patches: Vec<json_patch::Patch> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(patches.len(), PODS);
    let doors: Vec<Value> = pods
        .into_iter()
        .zip(&patches)
        .filter(|(_, patch)| !patch.is_empty())
        .map(|(mut pod, patch)| {
            json_patch::patch(&mut pod, patch).unwrap();
            pod
        })
        .collect();
    assert!(doors.len() > PODS / 10, "only {} of the pods could have a door", doors.len());
    valid::check(&doors);
}
