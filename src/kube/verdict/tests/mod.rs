//! What becomes of pods: examples, and pods at random.

mod again;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::inject::{Defaults, Inject, PortReference};
use crate::kube::settings::Native;

fn settings() -> Settings {
    Settings::new(&Inject::for_trying("doorward:1".to_owned()))
}

/// A pod of one container with these ports, with these annotations besides the usual, or without those that are null.
fn pod(ports: &Value, annotations: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "app-", "annotations": {
            "doorward.dev/inject": "true", "doorward.dev/config": "door", "doorward.dev/port": "http",
        } },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "ports": ports }] },
    });
    let all = pod["metadata"]["annotations"].as_object_mut().unwrap();
    for (key, value) in annotations.as_object().unwrap() {
        all.insert(format!("doorward.dev/{key}"), value.clone());
    }
    all.retain(|_, value| !value.is_null());
    pod
}

fn http() -> Value {
    json!([{ "name": "http", "containerPort": 3000, "protocol": "TCP" }])
}

#[track_caller]
fn injected(pod: &Value) -> Value {
    match judge(pod, &settings()) {
        Verdict::Injected { pod, .. } => pod,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(pod: &Value) -> String {
    match judge(pod, &settings()) {
        Verdict::Refused(refusals) => refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => panic!("{other:?}"),
    }
}

fn door(pod: &Value) -> &Value {
    &pod["spec"]["initContainers"][0]
}

fn variable<'p>(container: &'p Value, name: &str) -> &'p Value {
    &container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name).unwrap()["value"]
}

#[test]
fn a_port_by_name_moves_its_name_to_the_door_and_the_application_stays_where_it_is() {
    let mut pod = pod(&http(), &json!({}));
    pod["spec"]["containers"][0]["readinessProbe"] = json!({ "httpGet": { "path": "/ready", "port": "http" } });
    pod["spec"]["containers"][0]["livenessProbe"] = json!({ "tcpSocket": { "port": 3000 } });
    let after = injected(&pod);
    let (door, app) = (door(&after), &after["spec"]["containers"][0]);
    assert_eq!(door["ports"][0], json!({ "name": "http", "containerPort": 8443, "protocol": "TCP" }));
    assert_eq!(app["ports"], json!([{ "containerPort": 3000, "protocol": "TCP" }]));
    assert_eq!(app["readinessProbe"]["httpGet"]["port"], 3000);
    assert_eq!(app["livenessProbe"]["tcpSocket"]["port"], 3000);
    assert_eq!(variable(door, "DOORWARD_LISTEN"), "0.0.0.0:8443");
    assert_eq!(variable(door, "DOORWARD_UPSTREAM"), "http://127.0.0.1:3000");
    assert_eq!(after["metadata"]["annotations"]["doorward.dev/injected"], env!("CARGO_PKG_VERSION"));
}

/// What the pods of a Service with this `targetPort` answer with: the first container that has it, as endpoints are made.
fn reached(pod: &Value, target: &Value) -> Option<String> {
    let ends = [pods(pod, "containers"), pods(pod, "initContainers")].concat();
    let has = |end: &&Value| {
        let mut ports = end["ports"].as_array().into_iter().flatten();
        ports.any(|port| &port["name"] == target || &port["containerPort"] == target)
    };
    ends.iter().find(has).map(|end| end["name"].as_str().unwrap().to_owned())
}

fn pods(pod: &Value, key: &str) -> Vec<Value> {
    pod["spec"][key].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_service_by_number_leads_past_no_door_unless_somebody_said_that_it_goes_by_name() {
    let reason = refused(&pod(&http(), &json!({ "port": null })));
    for part in ["targetPort: 3000", "doorward.dev/port: http", "doorward.dev/app-port"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let both = injected(&pod(&http(), &json!({ "port": null, "app-port": "3001", "app-port-env": "PORT" })));
    for target in [json!("http"), json!(3000)] {
        assert_eq!(reached(&both, &target).as_deref(), Some("doorward"), "{target}");
    }
    let closed = injected(&pod(&http(), &json!({ "port": null, "app-host-env": "HOST" })));
    assert_eq!(variable(&closed["spec"]["containers"][0], "HOST"), "127.0.0.1");
    let named = pod(&http(), &json!({}));
    assert_eq!(reached(&injected(&named), &json!("http")).as_deref(), Some("doorward"));
    let Verdict::Injected { warnings, .. } = judge(&named, &settings()) else { panic!() };
    assert!(warnings[0].contains("by a Service with targetPort: 3000 instead of http"), "{warnings:?}");
}

#[test]
fn a_port_by_number_is_the_doors_and_the_application_is_told_to_listen_elsewhere() {
    let ports = json!([{ "name": "http", "containerPort": 8080 }]);
    assert!(refused(&pod(&ports, &json!({ "port": "8080" }))).contains("doorward.dev/app-port"));
    let mut pod = pod(&ports, &json!({ "port": "8080", "app-port": "3001", "app-port-env": "PORT" }));
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "PORT", "value": "8080" }, { "name": "A", "value": "b" }]);
    pod["spec"]["containers"][0]["startupProbe"] = json!({ "httpGet": { "path": "/", "port": 8080 } });
    pod["spec"]["containers"][0]["lifecycle"] = json!({ "preStop": { "httpGet": { "path": "/", "port": "8080" } } });
    pod["spec"]["containers"][0]["livenessProbe"] = json!({ "httpGet": { "host": "10.0.0.1", "port": 8080 } });
    let after = injected(&pod);
    let (door, app) = (door(&after), &after["spec"]["containers"][0]);
    assert_eq!(door["ports"][0], json!({ "name": "http", "containerPort": 8080, "protocol": "TCP" }));
    assert_eq!(app["ports"], json!([{ "containerPort": 3001 }]));
    assert_eq!(app["env"], json!([{ "name": "PORT", "value": "3001" }, { "name": "A", "value": "b" }]));
    assert_eq!(app["startupProbe"]["httpGet"]["port"], 3001);
    assert_eq!(app["lifecycle"]["preStop"]["httpGet"]["port"], 3001);
    assert_eq!(app["livenessProbe"]["httpGet"]["port"], 8080, "a port of another machine");
    assert_eq!(variable(door, "DOORWARD_UPSTREAM"), "http://127.0.0.1:3001");
}

#[test]
fn a_port_below_1024_is_allowed_to_nobody_else_than_it_has_to_be() {
    let ports = json!([{ "containerPort": 80 }]);
    let mut pod = pod(&ports, &json!({ "port": "80", "app-port": "8080" }));
    let setting = |value: &str| json!([{ "name": "net.ipv4.ip_unprivileged_port_start", "value": value }]);
    assert_eq!(injected(&pod)["spec"]["securityContext"]["sysctls"], setting("80"));
    pod["spec"]["securityContext"] = json!({ "runAsUser": 7, "sysctls": setting("0") });
    assert_eq!(injected(&pod)["spec"]["securityContext"], pod["spec"]["securityContext"]);
    pod["spec"]["securityContext"]["sysctls"] = setting("1024");
    assert!(refused(&pod).contains("ip_unprivileged_port_start"));
}

#[test]
fn the_door_is_nobody_and_writes_nowhere_but_its_state_and_has_no_token() {
    let after = injected(&pod(&http(), &json!({ "secret": "door-secrets", "tls-secret": "door-tls" })));
    let door = door(&after);
    assert_eq!(door["restartPolicy"], "Always");
    let context = &door["securityContext"];
    assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&json!(true), &json!(65532)));
    assert_eq!((&context["readOnlyRootFilesystem"], &context["allowPrivilegeEscalation"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&context["capabilities"], &context["seccompProfile"]["type"]),
        (&json!({ "drop": ["ALL"] }), &json!("RuntimeDefault"))
    );
    let writable: Vec<_> = door["volumeMounts"].as_array().unwrap().iter().filter(|mount| mount["readOnly"] != true).collect();
    assert_eq!(writable, [&json!({ "name": "doorward-state", "mountPath": "/var/lib/doorward" })]);
    let mounted = |path: &str| door["volumeMounts"].as_array().unwrap().iter().any(|mount| mount["mountPath"] == path);
    assert!(mounted("/etc/doorward/secrets") && mounted("/etc/doorward/tls"));
    assert!(mounted("/var/run/secrets/kubernetes.io/serviceaccount"), "the pod's token would be laid there");
    assert!(door["resources"]["limits"]["memory"].is_string());
    let quota = injected(&pod(&http(), &json!({ "cpu-limit": "500m", "memory-limit": "96Mi" })));
    assert_eq!(quota["spec"]["initContainers"][0]["resources"]["limits"], json!({ "cpu": "500m", "memory": "96Mi" }));
}

#[test]
fn a_plain_sidecar_stands_among_the_containers_and_not_in_a_job() {
    let plain = Settings { native: Native::None, ..settings() };
    let mut pod = pod(&http(), &json!({}));
    let Verdict::Injected { pod: after, .. } = judge(&pod, &plain) else { panic!() };
    assert_eq!(after["spec"]["containers"][1]["name"], "doorward");
    assert!(after["spec"]["containers"][1].get("restartPolicy").is_none() && after["spec"].get("initContainers").is_none());
    pod["spec"]["restartPolicy"] = json!("OnFailure");
    assert!(matches!(judge(&pod, &plain), Verdict::Refused(_)));
    assert!(matches!(judge(&pod, &settings()), Verdict::Injected { .. }));
}

#[test]
fn who_says_nothing_or_no_is_left_alone_and_a_label_is_a_no() {
    let port = Some(PortReference::Name("http".into()));
    let everybody = Settings {
        defaults: Defaults { inject: true, config_map: Some("door".into()), port, ..Defaults::default() },
        ..settings()
    };
    let untouched = |pod: &Value, settings: &Settings| matches!(judge(pod, settings), Verdict::Untouched { .. });
    let mut silent = pod(&http(), &json!({}));
    silent["metadata"].as_object_mut().unwrap().remove("annotations");
    assert!(untouched(&silent, &settings()));
    assert!(matches!(judge(&silent, &everybody), Verdict::Injected { .. }));
    assert!(untouched(&pod(&http(), &json!({ "inject": "false" })), &everybody));
    silent["metadata"]["labels"] = json!({ "doorward.dev/inject": "false" });
    assert!(untouched(&silent, &everybody));
    let mut torn = pod(&http(), &json!({}));
    torn["metadata"]["labels"] = silent["metadata"]["labels"].clone();
    let Verdict::Untouched { warnings } = judge(&torn, &everybody) else { panic!() };
    assert_eq!(warnings.len(), 1);
    assert!(untouched(&json!({ "metadata": {}, "spec": { "containers": 7 } }), &settings()), "what nobody asked for was judged");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let usual = || pod(&http(), &json!({}));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut pod = usual();
        change(&mut pod);
        refused(&pod)
    };
    let annotated = |annotations: Value| refused(&pod(&http(), &annotations));
    let two = json!([{ "name": "http", "containerPort": 3000 }, { "name": "admin", "containerPort": 9000 }]);
    for (said, reason) in [
        (with(&|pod| pod["spec"]["hostNetwork"] = json!(true)), "hostNetwork"),
        (with(&|pod| pod["spec"]["os"] = json!({ "name": "windows" })), "Windows"),
        (with(&|pod| pod["spec"]["containers"][0]["name"] = json!("doorward")), "container `doorward`"),
        (with(&|pod| pod["spec"]["volumes"] = json!([{ "name": "doorward-config" }])), "volume `doorward-config`"),
        (with(&|pod| pod["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(80)), "hostPort"),
        (with(&|pod| pod["spec"]["containers"][0]["ports"][0]["protocol"] = json!("UDP")), "not TCP"),
        (with(&|pod| pod["spec"]["containers"] = json!("x")), "spec.containers"),
        (with(&|pod| pod["spec"] = json!([])), "`spec`"),
        (
            with(&|pod| pod["metadata"]["annotations"] = json!({ "doorward.dev/inject": "true" })),
            "doorward.dev/config is missing",
        ),
        (with(&|pod| pod["metadata"]["annotations"]["doorward.dev/inject"] = json!("yes")), "write \"true\" or \"false\""),
        (annotated(json!({ "port": "web" })), "no container declares a port `web`; there is http (3000)"),
        (annotated(json!({ "listen-port": "3000" })), "port 3000 is needed by the door and by the application"),
        (annotated(json!({ "listen-port": "9901" })), "port 9901 is needed"),
        (annotated(json!({ "port": "3000", "app-port": "3001", "listen-port": "8000" })), "remove doorward.dev/listen-port"),
        (annotated(json!({ "container": "other" })), "no container `other`"),
        (annotated(json!({ "prot": "http" })), "did you mean doorward.dev/port?"),
        (refused(&pod(&two, &json!({ "port": null }))), "there is http (3000), admin (9000)"),
        (refused(&pod(&two, &json!({ "port": "http", "listen-port": "9000" }))), "container `app`"),
        (refused(&pod(&json!([]), &json!({ "port": null }))), "there is none"),
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    let mut closed = pod(&http(), &json!({ "app-host-env": "HOST" }));
    assert_eq!(variable(&injected(&closed)["spec"]["containers"][0], "HOST"), "127.0.0.1");
    closed["spec"]["containers"][0]["livenessProbe"] = json!({ "httpGet": { "port": "http" } });
    assert!(refused(&closed).contains("livenessProbe"));
    let mut twice = pod(&http(), &json!({ "port": "http" }));
    twice["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "b", "image": "b", "ports": http() }));
    assert!(refused(&twice).contains("more than once"), "a Service would have found the other one");
}

#[test]
fn who_knows_a_way_around_the_door_is_told() {
    let mut pod = pod(&http(), &json!({}));
    pod["spec"]["shareProcessNamespace"] = json!(true);
    let Verdict::Injected { warnings, .. } = judge(&pod, &settings()) else { panic!() };
    assert!(warnings[0].contains("port 3000") && warnings[1].contains("share processes"), "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.len() < 256));
}

#[test]
fn an_injected_pod_stays_as_it_is_and_a_mark_without_a_door_is_no_door() {
    let after = injected(&pod(&http(), &json!({})));
    assert_eq!(judge(&after, &settings()), Verdict::Already);
    assert!(judge(&after, &settings()).patch(&after).is_empty());
    let marked = pod(&http(), &json!({ "injected": "0.1.0" }));
    assert_eq!(door(&injected(&marked))["name"], "doorward");
}

#[test]
fn before_services_find_names_of_native_sidecars_a_door_by_number_is_one() {
    let judged = |version, annotations: Value, restart: &str| {
        let mut pod = pod(&http(), &annotations);
        pod["spec"]["restartPolicy"] = json!(restart);
        match judge(&pod, &Settings { native: Native::of(version), ..settings() }) {
            Verdict::Injected { pod, .. } if door(&pod)["name"] == "doorward" => "native",
            Verdict::Injected { .. } => "plain",
            Verdict::Refused(_) => "refused",
            other => panic!("{other:?}"),
        }
    };
    let (by_name, by_number) = (|| json!({}), || json!({ "port": "3000", "app-port": "3001" }));
    for (minor, name, number, job) in [
        (28, "plain", "plain", "refused"),
        (29, "plain", "native", "native"),
        (31, "plain", "native", "native"),
        (32, "native", "native", "native"),
    ] {
        assert_eq!(judged((1, minor), by_name(), "Always"), name, "{minor}");
        assert_eq!(judged((1, minor), by_number(), "Always"), number, "{minor}");
        assert_eq!(judged((1, minor), by_number(), "Never"), job, "{minor}");
    }
    assert_eq!(
        judged((1, 31), by_name(), "Never"),
        "refused",
        "a Service would not find it by its name, and the Job would not end"
    );
}

/// Ports as pods have them, now and then of an odd shape.
fn ports() -> impl Strategy<Value = Value> {
    let name = option::of(prop::sample::select(vec!["http", "web", "admin", "grpc"]));
    let number = prop_oneof![
        8 => prop::sample::select(vec![json!(80), json!(3000), json!(8080), json!(8443), json!(9901)]),
        1 => Just(json!("3000")), 1 => Just(json!(70_000)), 1 => Just(Value::Null),
    ];
    let protocol = prop_oneof![6 => Just(Some("TCP")), 3 => Just(None), 1 => Just(Some("UDP"))];
    let port = (name, number, protocol).prop_map(|(name, number, protocol)| {
        let mut port = json!({ "containerPort": number });
        if let Some(name) = name {
            port["name"] = json!(name);
        }
        if let Some(protocol) = protocol {
            port["protocol"] = json!(protocol);
        }
        port
    });
    prop_oneof![9 => vec(port, 0..3).prop_map(Value::from), 1 => Just(json!(null)), 1 => Just(json!({}))]
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let target = prop_oneof![Just(json!("http")), Just(json!("web")), Just(json!(3000)), Just(json!(8080)), Just(json!([]))];
    let probe = prop_oneof![
        target.clone().prop_map(|port| json!({ "httpGet": { "path": "/", "port": port } })),
        target.prop_map(|port| json!({ "tcpSocket": { "port": port } })),
        Just(json!({ "exec": { "command": ["true"] } })),
        Just(json!(7)),
    ];
    (ports(), option::of(probe)).prop_map(move |(ports, probe)| {
        let mut container = json!({ "name": name, "image": "app:1", "ports": ports });
        if let Some(probe) = probe {
            container["readinessProbe"] = probe;
        }
        container
    })
}

fn any_pod() -> impl Strategy<Value = Value> {
    let word = |words: Vec<&'static str>| option::of(prop::sample::select(words));
    let annotations = (
        word(vec!["http", "web", "8080", "3000", "80", "-", ""]),
        word(vec!["3001", "3000", "x"]),
        word(vec!["9000", "8443", "0"]),
        word(vec!["PORT", "1"]),
        word(vec!["app", "side", "none"]),
    );
    let init = prop_oneof![3 => Just(Value::Null), 1 => Just(json!([])), 1 => Just(json!([{ "name": "first", "image": "i" }]))];
    (annotations, container("app"), option::of(container("side")), init).prop_map(
        |((port, app, listen, env, within), one, two, init)| {
            let said = [("port", port), ("app-port", app), ("listen-port", listen), ("app-port-env", env), ("container", within)];
            let said: Map<String, Value> = said.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            let mut pod = pod(&json!([]), &said.into());
            pod["spec"]["containers"] = std::iter::once(one).chain(two).collect();
            pod["spec"]["initContainers"] = init;
            pod
        },
    )
}

/// Where the kubelet would call, by the numbers of the ports that the container has.
fn called(container: &Value) -> Option<u64> {
    let probe = container.get("readinessProbe")?;
    let port = probe.get("httpGet").or_else(|| probe.get("tcpSocket"))?.get("port")?;
    let named = |name: &str| {
        let ports = container["ports"].as_array()?;
        ports.iter().find(|port| port["name"] == name)?["containerPort"].as_u64()
    };
    port.as_u64().or_else(|| named(port.as_str()?))
}

fn names(container: &Value) -> Vec<&str> {
    container["ports"].as_array().into_iter().flatten().filter_map(|port| port["name"].as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_the_pod_it_gets_one_door_once_or_a_reason(pod in any_pod()) {
        let verdict = judge(&pod, &settings());
        let patch = verdict.patch(&pod);
        let mut patched = pod.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        match verdict {
            Verdict::Injected { pod: after, .. } => {
                prop_assert_eq!(&patched, &after, "the patch leads there");
                prop_assert_eq!(judge(&patched, &settings()), Verdict::Already);
                let door = after["spec"]["initContainers"].as_array().unwrap().last().unwrap();
                let listen = door["ports"][0]["containerPort"].as_u64().unwrap();
                let apps = after["spec"]["containers"].as_array().unwrap();
                let before = pod["spec"]["containers"].as_array().unwrap();
                for (app, before) in apps.iter().zip(before) {
                    // No name leads past the door, and nobody else listens where it does.
                    prop_assert!(!names(app).contains(&door["ports"][0]["name"].as_str().unwrap()), "{}", after);
                    let tcp = |port: &&Value| port["protocol"] != "UDP";
                    prop_assert!(app["ports"].as_array().into_iter().flatten().filter(tcp).all(|port| port["containerPort"] != listen));
                    // A probe that reached a port reaches the same listener.
                    if let Some(port) = called(before) {
                        let upstream = variable(door, "DOORWARD_UPSTREAM").as_str().unwrap().rsplit(':').next().unwrap();
                        let now = called(app).unwrap();
                        prop_assert!(now == port || now.to_string() == upstream, "{} then {}: {}", port, now, after);
                        prop_assert!(now != listen, "the kubelet would be asked who it is: {}", after);
                    }
                }
            }
            Verdict::Refused(refusals) => {
                prop_assert!(!refusals.is_empty() && patch.is_empty());
                prop_assert!(refusals.iter().all(|refusal| refusal.to_string().len() < 256), "{:?}", refusals);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn nothing_that_calls_itself_a_pod_makes_it_stumble(junk in "[\\[\\]{}\",:a-c0-9]{0,40}", place in 0..6_usize) {
        let junk = serde_json::from_str(&junk).unwrap_or(Value::String(junk));
        let mut pod = pod(&http(), &json!({}));
        let pointer = ["", "/spec", "/metadata", "/spec/containers/0", "/spec/containers/0/ports/0", "/metadata/annotations"][place];
        *pod.pointer_mut(pointer).unwrap() = junk;
        let _ = judge(&pod, &settings());
    }
}
