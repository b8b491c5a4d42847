//! What pods may do, how they come and go.

use super::{chart, find, helm, object, pod, rendered, shape, shapes};

#[test]
fn no_pod_has_more_rights_than_it_needs() {
    let mut pods = 0;
    for shape in shapes() {
        let objects = rendered(shape.as_deref(), &[]);
        for object in &objects {
            let Some(pod) = pod(object) else { continue };
            pods += 1;
            let asks = find(&objects, "MutatingWebhookConfiguration").is_some() && object["kind"] == "Deployment";
            assert!(asks || pod["automountServiceAccountToken"] == false, "{object:?}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            for container in pod["containers"].as_sequence().unwrap() {
                let security = &container["securityContext"];
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["runAsNonRoot"], true);
                assert_eq!(security["capabilities"]["drop"][0], "ALL");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{container:?}");
            }
        }
    }
    assert!(pods > 25, "{pods}");
}

#[test]
fn a_door_on_a_server_is_replaced_one_by_one_and_an_embedded_one_is_never_two() {
    let strategy = |name: Option<&str>| {
        let objects = rendered(name.map(shape).as_deref(), &[]);
        object(&objects, "Deployment")["spec"]["strategy"].clone()
    };
    assert_eq!(strategy(None)["type"], "Recreate");
    assert_eq!(strategy(Some("pooled"))["rollingUpdate"]["maxUnavailable"], 0);
    assert_eq!(strategy(Some("stateless"))["rollingUpdate"]["maxUnavailable"], 0);
}

#[test]
fn budgets_and_spreading_come_with_the_second_pod() {
    let objects = rendered(None, &[]);
    assert!(find(&objects, "PodDisruptionBudget").is_none(), "it would stop a node from being drained");
    let objects = rendered(Some(&shape("pooled")), &[]);
    assert_eq!(object(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    let spread = &pod(object(&objects, "Deployment")).unwrap()["topologySpreadConstraints"];
    assert_eq!(spread.as_sequence().unwrap().len(), 2);
    assert_eq!(spread[0]["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"], "door");
    let objects = rendered(Some(&shape("postgresql")), &[]);
    assert!(object(&objects, "StatefulSet")["spec"]["replicas"].is_null(), "the autoscaler says how many");
}

#[test]
fn pods_that_come_and_go_are_no_pods_of_the_service() {
    for shape in shapes() {
        let objects = rendered(shape.as_deref(), &[]);
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            let selector = service["spec"]["selector"].as_mapping().unwrap();
            assert!(!selector.is_empty());
            for object in objects.iter().filter(|object| object["kind"] == "Job" || object["kind"] == "Pod") {
                let labels = if object["kind"] == "Job" {
                    &object["spec"]["template"]["metadata"]["labels"]
                } else {
                    &object["metadata"]["labels"]
                };
                assert!(selector.iter().any(|(name, value)| labels.get(name) != Some(value)), "{service:?} {object:?}");
            }
        }
    }
}

#[test]
fn the_outside_never_sees_probes_and_metrics() {
    for shape in shapes() {
        let objects = rendered(shape.as_deref(), &[]);
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            let operations = service["spec"]["ports"].as_sequence().unwrap().iter().any(|port| port["targetPort"] == 9901);
            assert!(!operations || service["spec"]["clusterIP"] == "None", "{service:?}");
        }
    }
    // Only who is named gets there, and to the door.
    let objects = rendered(Some(&shape("postgresql")), &[]);
    let policy = &object(&objects, "NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"].as_sequence().unwrap().len(), 2);
    let place =
        |port: u16| policy["ingress"].as_sequence().unwrap().iter().find(|rule| rule["ports"][0]["port"] == port).unwrap();
    for (port, namespace, who) in [(8443, "gateways", 0), (9901, "monitoring", 1)] {
        let from = &place(port)["from"][who]["namespaceSelector"]["matchLabels"];
        assert_eq!(from["kubernetes.io/metadata.name"], namespace);
    }
}

#[test]
fn the_test_reaches_the_door_through_the_policy() {
    for (name, more) in [("postgresql", "[]"), ("injector", "[]"), ("postgresql", r#"[{"namespaceSelector":{}}]"#)] {
        let more = format!("networkPolicy.operationsFrom={more}");
        let objects = rendered(Some(&shape(name)), &["--set", "networkPolicy.enabled=true", "--set-json", &more]);
        let labels = &object(&objects, "Pod")["metadata"]["labels"];
        let rules = object(&objects, "NetworkPolicy")["spec"]["ingress"].as_sequence().unwrap();
        let lets_in = |peer: &serde_yaml::Value| {
            let own = peer["podSelector"]["matchLabels"].as_mapping();
            own.is_some_and(|own| !own.is_empty() && own.iter().all(|(label, value)| labels.get(label) == Some(value)))
        };
        let operations = rules.iter().find(|rule| rule["ports"][0]["port"] == 9901).unwrap();
        let from = operations["from"].as_sequence().unwrap();
        assert!(from.iter().any(lets_in), "{name} {more}: {operations:?}");
    }
}

#[test]
fn a_test_asks_what_is_ready() {
    let objects = rendered(None, &[]);
    let test = object(&objects, "Pod");
    assert_eq!(test["metadata"]["annotations"]["helm.sh/hook"], "test");
    let arguments: Vec<_> =
        test["spec"]["containers"][0]["args"].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(arguments, ["health", "--url", "http://door-doorward-operations:9901/readyz"]);
    let readyz = crate::support::doorward(&arguments[..1]).args(["--url", "http://127.0.0.1:1/readyz"]).output().unwrap();
    assert_eq!(readyz.status.code(), Some(1), "{readyz:?}");
}

#[test]
fn a_key_is_suggested_only_where_there_is_a_store_for_it() {
    let notes = |name: &str| {
        let output = helm(&["install", "door", "--dry-run=client"], &chart(), Some(&shape(name)));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split("NOTES:").nth(1).unwrap().to_owned()
    };
    assert!(notes("tls").contains("exec deploy/door-doorward -- /doorward key create") && !notes("tls").contains("no store"));
    assert!(notes("postgresql").contains("exec sts/door-doorward"));
    assert!(!notes("stateless").contains("key create") && notes("stateless").contains("There is no store"));
    assert!(notes("injector").contains("doorward.dev/inject: \"true\""));
}
