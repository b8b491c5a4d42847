//! The configuration that a pod finds is one that Doorward takes, with the files that the pod finds beside it.

use std::fs;
use std::path::Path;

use serde_yaml::Value;

use super::{find, object, pod, rendered, shape, shapes};
use crate::support::doorward;

/// Lays out what the volumes of a pod hold below `folder`, and says where the configuration is.
pub(super) fn mount(objects: &[Value], workload: &Value, folder: &Path) -> std::path::PathBuf {
    let pod = pod(workload).unwrap();
    let containers = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_sequence()).flatten();
    let container =
        containers.into_iter().find(|container| container["args"][0] == "serve" || container["args"][0] == "check").unwrap();
    for volume in pod["volumes"].as_sequence().unwrap() {
        let mounts = container["volumeMounts"].as_sequence().unwrap();
        let Some(mount) = mounts.iter().find(|mount| mount["name"] == volume["name"]) else { continue };
        let at = mount["mountPath"].as_str().unwrap();
        let Some(below) = at.strip_prefix("/etc/doorward/") else { continue };
        let file = folder.join(below);
        if let Some(map) = volume["configMap"]["name"].as_str() {
            let text = named(objects, "ConfigMap", map).map_or("", |map| map["data"]["doorward.yaml"].as_str().unwrap());
            let file = if mount["subPath"].is_null() { file.join("doorward.yaml") } else { file.clone() };
            write(&file, &text.replace("/etc/doorward", folder.to_str().unwrap()));
        } else if volume["secret"]["secretName"].is_string() && volume["secret"]["optional"] != true {
            certificate(&file);
        }
        for source in volume["projected"]["sources"].as_sequence().into_iter().flatten() {
            secret(objects, &source["secret"], &file);
        }
    }
    let variables = container["env"].as_sequence().unwrap();
    let file = variables.iter().find(|variable| variable["name"] == "DOORWARD_CONFIG").unwrap()["value"].as_str().unwrap();
    folder.join(file.strip_prefix("/etc/doorward/").unwrap())
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["app.example.com".to_owned()]).unwrap();
    write(&folder.join("tls.crt"), &made.cert.pem());
    write(&folder.join("tls.key"), &made.signing_key.serialize_pem());
}

/// A Secret of the chart's, or one that somebody else made.
fn secret(objects: &[Value], source: &Value, folder: &Path) {
    if let Some(items) = source["items"].as_sequence() {
        for item in items {
            let name = item["path"].as_str().unwrap();
            write(&folder.join(name), example(name));
        }
    } else if let Some(made) = named(objects, "Secret", source["name"].as_str().unwrap()) {
        for (name, value) in made["data"].as_mapping().unwrap() {
            assert!(value.as_str().unwrap().len() > 8);
            write(&folder.join(name.as_str().unwrap()), example(name.as_str().unwrap()));
        }
    } else {
        write(&folder.join("secret_key"), example("secret_key"));
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "store_url" => "postgres://doorward@db.example.com/doorward",
        "session_store_url" => "rediss://sessions.example.com:6379/0",
        _ => "0123456789abcdef0123456789abcdef",
    }
}

#[track_caller]
pub(super) fn is_taken(objects: &[Value], workload: &Value) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = mount(objects, workload, folder.path());
    let output = doorward(&["check", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", fs::read_to_string(&file).unwrap());
}

#[test]
fn the_charts_configuration_is_taken_in_every_shape() {
    let mut taken = 0;
    for shape in shapes() {
        let objects = rendered(shape.as_deref(), &[]);
        for kind in ["Deployment", "StatefulSet", "Job"] {
            let Some(workload) = find(&objects, kind) else { continue };
            if named(&objects, "MutatingWebhookConfiguration", "apps-door-doorward").is_none() {
                is_taken(&objects, workload);
                taken += 1;
            }
        }
    }
    assert!(taken >= 13, "{taken}");
}

#[test]
fn the_job_judges_the_configuration_that_the_pod_will_have() {
    let objects = rendered(Some(&shape("tls")), &[]);
    let text = |name: &str| named(&objects, "ConfigMap", name).unwrap()["data"]["doorward.yaml"].as_str().unwrap();
    assert_eq!(text("door-doorward"), text("door-doorward-check"));
    // It comes before the release, and says no where Doorward does.
    let objects = rendered(None, &["--set", "config.routes[0].path=/a", "--set", "config.routes[0].acces=public"]);
    let job = object(&objects, "Job");
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade");
    assert_eq!(job["spec"]["backoffLimit"], 0);
    assert_eq!(pod(job).unwrap()["restartPolicy"], "Never");
    let folder = tempfile::TempDir::new().unwrap();
    let file = mount(&objects, job, folder.path());
    let output = doorward(&["check", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("did you mean `access`"), "{output:?}");
}

#[test]
fn a_certificate_that_has_yet_to_come_holds_up_no_installation() {
    let objects = rendered(Some(&shape("postgresql")), &[]);
    let volumes = pod(object(&objects, "Job")).unwrap()["volumes"].as_sequence().unwrap();
    let tls = volumes.iter().find(|volume| volume["name"] == "tls").unwrap();
    assert_eq!(tls["secret"]["optional"], true);
    let check = named(&objects, "ConfigMap", "door-doorward-check").unwrap()["data"]["doorward.yaml"].as_str().unwrap();
    assert!(!check.contains("tls.crt"), "{check}");
    let volumes = pod(object(&objects, "StatefulSet")).unwrap()["volumes"].as_sequence().unwrap();
    let tls = volumes.iter().find(|volume| volume["name"] == "tls").unwrap();
    assert_eq!((&tls["secret"]["optional"], &tls["secret"]["secretName"]), (&Value::Null, &"door-doorward-tls".into()));
    assert_eq!(object(&objects, "Certificate")["spec"]["secretName"], "door-doorward-tls");
}

#[test]
fn a_key_is_drawn_only_where_nobody_gave_one() {
    let made = |more: &[&str]| {
        let objects = rendered(None, &[more, &["--show-only", "templates/secret.yaml"]].concat());
        objects[0]["data"].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(made(&[]), ["secret_key"]);
    assert_eq!(made(&["--set", "secrets.values.other=x"]), ["other", "secret_key"]);
    let from = "secrets.from[0].file=secret_key,secrets.from[0].secret=mine,secrets.from[0].key=k";
    assert_eq!(made(&["--set", &format!("{from},secrets.values.other=x")]), ["other"]);
    assert!(find(&rendered(None, &["--set", from]), "Secret").is_none());
    assert!(find(&rendered(None, &["--set", "secrets.existing=mine"]), "Secret").is_none());
}

#[test]
fn events_wait_on_a_disk_beside_postgresql() {
    let journal = |objects: &[Value]| {
        let text = object(objects, "ConfigMap")["data"]["doorward.yaml"].as_str().unwrap();
        let config: Value = serde_yaml::from_str(text).unwrap();
        config["audit"]["journal"].as_str().map(str::to_owned)
    };
    let objects = rendered(Some(&shape("pooled")), &[]);
    assert_eq!(journal(&objects).as_deref(), Some("/var/lib/doorward/events"));
    let volumes = pod(object(&objects, "Deployment")).unwrap()["volumes"].as_sequence().unwrap();
    let state = volumes.iter().find(|volume| volume["name"] == "state").unwrap();
    assert_eq!(state["emptyDir"]["sizeLimit"], "256Mi");
    assert!(find(&objects, "PersistentVolumeClaim").is_none(), "a claim that several pods would have to share");
    // Each pod its own claim.
    let objects = rendered(Some(&shape("postgresql")), &[]);
    assert_eq!(journal(&objects).as_deref(), Some("/var/lib/doorward/events"));
    let set = object(&objects, "StatefulSet");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "state");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "1Gi");
    assert_eq!(object(&objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"], "StatefulSet");
    // An embedded store has one of its own, and without a store nobody reads it.
    assert_eq!(journal(&rendered(None, &[])), None);
    assert_eq!(journal(&rendered(Some(&shape("stateless")), &[])), None);
}

#[test]
fn a_changed_configuration_is_a_new_pod_or_reaches_the_running_one() {
    let template = |more: &[&str]| object(&rendered(None, more), "Deployment")["spec"]["template"].clone();
    let sum = |more: &[&str]| template(more)["metadata"]["annotations"]["checksum/doorward"].as_str().map(str::to_owned);
    assert!(sum(&[]).is_some());
    assert_eq!(sum(&[]), sum(&["--set", "replicaCount=0"]));
    assert_ne!(sum(&[]), sum(&["--set", "config.prefix=/.door"]));
    let hot = ["--set", "reload=hot"];
    assert_eq!(sum(&hot), None);
    // A file that is mounted by `subPath` would never change.
    let mounts = template(&hot)["spec"]["containers"][0]["volumeMounts"].clone();
    let mount = mounts.as_sequence().unwrap().iter().find(|mount| mount["name"] == "config").unwrap();
    assert_eq!((&mount["mountPath"], &mount["subPath"]), (&"/etc/doorward/config".into(), &Value::Null));
}
