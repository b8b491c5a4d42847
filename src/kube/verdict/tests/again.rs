//! Pods that come with a door: what is believed of it, what is made anew, what stays.

use serde_json::json;

use super::super::*;
use super::{door, http, injected, pod, refused, settings};
use crate::config::inject::Defaults;

/// What is wrong, and how a pod gets it.
type Change = (&'static str, fn(&mut Value));

fn door_mut(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["initContainers"][0]
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

#[test]
fn a_door_that_is_not_as_it_would_be_made_is_made_anew() {
    let made = injected(&pod(&http(), &json!({ "secret": "door" })));
    let changes: [Change; 8] = [
        ("image", |pod| door_mut(pod)["image"] = json!("doorward:0")),
        ("command", |pod| door_mut(pod)["command"] = json!(["sleep"])),
        ("args", |pod| push(&mut door_mut(pod)["args"], json!("--json"))),
        ("root", |pod| door_mut(pod)["securityContext"]["runAsUser"] = json!(0)),
        ("capabilities", |pod| door_mut(pod)["securityContext"]["capabilities"]["add"] = json!(["NET_ADMIN"])),
        ("token", |pod| drop(door_mut(pod)["volumeMounts"].as_array_mut().unwrap().pop())),
        ("writable", |pod| drop(door_mut(pod)["volumeMounts"][1].as_object_mut().unwrap().remove("readOnly"))),
        ("configuration", |pod| pod["spec"]["volumes"][0]["configMap"]["name"] = json!("other")),
    ];
    let sorted = |mut pod: Value| {
        for list in ["/spec/volumes", "/spec/initContainers/0/volumeMounts"] {
            pod.pointer_mut(list).unwrap().as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
        pod
    };
    for (what, change) in changes {
        let mut changed = made.clone();
        change(&mut changed);
        let Verdict::Injected { pod: after, warnings } = judge(&changed, &settings()) else { panic!("{what}") };
        assert_eq!((sorted(after.clone()), warnings.len()), (sorted(made.clone()), 1), "{what}");
        assert_eq!(judge(&after, &settings()), Verdict::Already, "{what}");
    }
    let newer = Settings { image: "doorward:2".to_owned(), ..settings() };
    let Verdict::Injected { pod: after, .. } = judge(&made, &newer) else { panic!() };
    assert_eq!(door(&after)["image"], "doorward:2", "a copied manifest would have kept the old one");
}

#[test]
fn what_others_add_to_every_container_stays_in_the_door() {
    let mut pod = injected(&pod(&http(), &json!({})));
    let door = door_mut(&mut pod);
    push(&mut door["env"], json!({ "name": "AWS_ROLE_ARN", "value": "role" }));
    push(&mut door["volumeMounts"], json!({ "name": "aws", "mountPath": "/var/run/secrets/eks", "readOnly": true }));
    door["resources"] = json!({ "limits": { "memory": "1Gi" } });
    door["imagePullPolicy"] = json!("Always");
    door["securityContext"]["seLinuxOptions"] = json!({ "level": "s0" });
    door["readinessProbe"]["successThreshold"] = json!(1);
    assert_eq!(judge(&pod, &settings()), Verdict::Already);
}

#[test]
fn a_container_that_only_calls_itself_the_door_is_not_believed() {
    let made = injected(&pod(&http(), &json!({})));
    let everybody = Settings { defaults: Defaults { inject: true, ..settings().defaults }, ..settings() };
    let changes: [Change; 8] = [
        ("busybox", |pod| *door_mut(pod) = json!({ "name": "doorward", "image": "busybox", "restartPolicy": "Always" })),
        ("no sidecar", |pod| drop(door_mut(pod).as_object_mut().unwrap().remove("restartPolicy"))),
        ("elsewhere", |pod| door_mut(pod)["env"][1]["value"] = json!("http://10.0.0.1:3000")),
        ("twice", |pod| push(&mut door_mut(pod)["env"], json!({ "name": "DOORWARD_LISTEN", "value": "0.0.0.0:1" }))),
        ("another port", |pod| door_mut(pod)["ports"][0]["containerPort"] = json!(9000)),
        ("another name", |pod| door_mut(pod)["ports"][0]["name"] = json!("web")),
        ("annotation", |pod| pod["metadata"]["annotations"]["doorward.dev/app-port"] = json!("4000")),
        ("the application's, too", |pod| pod["spec"]["containers"][0]["ports"][0]["name"] = json!("http")),
    ];
    for (what, change) in changes {
        let mut changed = made.clone();
        change(&mut changed);
        let reason = refused(&changed);
        assert!(reason.contains("not the door") || reason.contains("more than once"), "{what}: {reason}");
        assert!(matches!(judge(&changed, &everybody), Verdict::Refused(_)), "{what}");
    }
}
