//! An application's own chart that has this one among its dependencies.

use std::fs;

use serde_yaml::Value;

use super::{chart, helm, object, parsed, repository};

/// Everything of the application's release.
pub(super) fn text() -> String {
    // helm writes the dependency into the chart: into a copy of it.
    let folder = tempfile::TempDir::new().unwrap();
    let copy = folder.path().join("legacy");
    let fixture = repository().join("tests/fixtures/chart/legacy");
    fs::create_dir_all(copy.join("templates")).unwrap();
    for file in ["values.yaml", "templates/deployment.yaml"] {
        fs::copy(fixture.join(file), copy.join(file)).unwrap();
    }
    let text = fs::read_to_string(fixture.join("Chart.yaml")).unwrap();
    let found = format!("file://{}", chart().display());
    fs::write(copy.join("Chart.yaml"), text.replace("file://../../../../helm/doorward", &found)).unwrap();
    let output = helm(&["dependency", "build"], &copy, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = helm(&["template", "legacy"], &copy, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn door(pod: &Value) -> &Value {
    pod["initContainers"].as_sequence().unwrap().iter().find(|container| container["name"] == "doorward").unwrap()
}

#[test]
fn an_application_with_a_chart_of_its_own_has_the_door_in_its_pods() {
    let objects = parsed(&text());
    let deployment = object(&objects, "Deployment");
    assert_eq!(deployment["metadata"]["name"], "legacy", "the door has no pods of its own");
    let pod = &deployment["spec"]["template"]["spec"];
    let door = door(pod);
    assert_eq!(door["restartPolicy"], "Always", "started before the application and stopped after it");
    assert_eq!(door["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(door["securityContext"]["runAsNonRoot"], true);
    assert_eq!(door["securityContext"]["capabilities"]["drop"][0], "ALL");
    super::configuration::is_taken(&objects, deployment);
    super::configuration::is_taken(&objects, object(&objects, "Job"));
    let config = object(&objects, "ConfigMap")["data"]["doorward.yaml"].as_str().unwrap();
    let config: Value = serde_yaml::from_str(config).unwrap();
    assert_eq!(config["upstream"]["url"], "http://127.0.0.1:3000");
    assert_eq!(config["upstream"]["timeouts"]["connect"], "1s");
}

#[test]
fn the_service_leads_to_the_door_and_never_to_the_application() {
    let objects = parsed(&text());
    let pod = &object(&objects, "Deployment")["spec"]["template"];
    let ports: Vec<_> = door(&pod["spec"])["ports"].as_sequence().unwrap().iter().map(|port| &port["containerPort"]).collect();
    let services: Vec<_> = objects.iter().filter(|object| object["kind"] == "Service").collect();
    assert_eq!(services.len(), 2);
    for service in services {
        assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
        for port in service["spec"]["ports"].as_sequence().unwrap() {
            assert!(ports.contains(&&port["targetPort"]), "{port:?}");
        }
    }
}

#[test]
fn the_sidecar_alone_mounts_its_secrets_and_can_read_them() {
    let objects = parsed(&text());
    let pod = &object(&objects, "Deployment")["spec"]["template"]["spec"];
    let volumes = pod["volumes"].as_sequence().unwrap();
    for volume in volumes {
        assert!(volume["name"].as_str().unwrap().starts_with("doorward-"), "{volume:?}");
        // Files of a Secret are root's, and the pod has no group for them.
        for mode in [&volume["secret"]["defaultMode"], &volume["projected"]["defaultMode"]] {
            assert!(mode.is_null() || mode == 0o444 || mode == "0444", "{volume:?}");
        }
    }
    assert!(volumes.iter().any(|volume| volume["projected"].is_mapping()));
    for container in pod["containers"].as_sequence().unwrap() {
        assert!(container["volumeMounts"].is_null());
    }
}
