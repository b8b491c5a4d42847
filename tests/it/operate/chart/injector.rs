//! The webhook may stop pods that ask for a door, and nothing else in the cluster; its account may change two objects.

use std::fs;

use serde_yaml::Value;

use super::{find, object, rendered, shape};
use crate::support::doorward;

fn webhook(name: &str) -> Value {
    object(&rendered(Some(&shape(name)), &[]), "MutatingWebhookConfiguration")["webhooks"][0].clone()
}

fn namespaces(webhook: &Value) -> Vec<(String, String, Vec<String>)> {
    let list = webhook["namespaceSelector"]["matchExpressions"].as_sequence().unwrap();
    let texts = |value: &Value| value.as_sequence().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|rule| (word(&rule["key"]), word(&rule["operator"]), texts(&rule["values"]))).collect()
}

#[test]
fn a_dead_webhook_stops_only_pods_that_ask_for_a_door() {
    let webhook = webhook("injector");
    assert_eq!(webhook["failurePolicy"], "Fail", "an annotated pod never runs without its door");
    let condition = webhook["matchConditions"][0]["expression"].as_str().unwrap();
    let said = "has(object.metadata.annotations) && 'doorward.dev/inject' in object.metadata.annotations";
    assert_eq!(condition, format!("{said} && object.metadata.annotations['doorward.dev/inject'] != 'false'"));
    let rules = namespaces(&webhook);
    assert_eq!(rules[0].0, "kubernetes.io/metadata.name");
    assert_eq!(rules[0].1, "NotIn");
    for namespace in ["kube-system", "kube-public", "kube-node-lease", "apps", "monitoring"] {
        assert!(rules[0].2.iter().any(|excluded| excluded == namespace), "{namespace}: {rules:?}");
    }
    assert_eq!(rules[1], ("doorward.dev/injection".to_owned(), "NotIn".to_owned(), vec!["disabled".to_owned()]));
    let no = &webhook["objectSelector"]["matchExpressions"][0];
    assert_eq!(
        (&no["key"], &no["operator"], &no["values"][0]),
        (&"doorward.dev/inject".into(), &"NotIn".into(), &"false".into())
    );
    assert_eq!(webhook["rules"][0]["operations"].as_sequence().unwrap(), &["CREATE"]);
    assert_eq!(webhook["rules"][0]["resources"].as_sequence().unwrap(), &["pods"]);
    assert_eq!((&webhook["sideEffects"], &webhook["reinvocationPolicy"]), (&"None".into(), &"IfNeeded".into()));
    assert_eq!(webhook["clientConfig"]["service"]["path"], "/mutate");
}

#[test]
fn doors_for_everybody_are_only_where_a_namespace_says_so() {
    let webhook = webhook("injector-cert-manager");
    let condition = webhook["matchConditions"][0]["expression"].as_str().unwrap();
    assert!(condition.starts_with("!(") && condition.ends_with("== 'false')"), "{condition}");
    let rules = namespaces(&webhook);
    assert_eq!(rules[1], ("doorward.dev/injection".to_owned(), "In".to_owned(), vec!["enabled".to_owned()]));
    let asked = object(
        &rendered(Some(&shape("injector")), &["--set", "injector.namespaceOptIn=true"]),
        "MutatingWebhookConfiguration",
    )["webhooks"][0]
        .clone();
    assert_eq!(namespaces(&asked)[1].1, "In");
}

#[test]
fn the_injector_may_change_its_own_secret_and_webhook_and_nothing_else() {
    let objects = rendered(Some(&shape("injector")), &[]);
    for (kind, resource, name, change) in [
        ("Role", "secrets", "door-doorward-tls", "update"),
        ("ClusterRole", "mutatingwebhookconfigurations", "apps-door-doorward", "patch"),
    ] {
        let rules = object(&objects, kind)["rules"].as_sequence().unwrap();
        assert_eq!(rules.len(), 1, "{rules:?}");
        assert_eq!(rules[0]["resources"].as_sequence().unwrap(), &[resource]);
        assert_eq!(rules[0]["resourceNames"].as_sequence().unwrap(), &[name]);
        assert_eq!(rules[0]["verbs"].as_sequence().unwrap(), &["get", change]);
    }
    let secret = object(&objects, "Secret");
    assert_eq!(secret["metadata"]["name"], "door-doorward-tls");
    assert!(secret["data"].is_null(), "an upgrade would take back what the injector wrote");
    assert_eq!(object(&objects, "MutatingWebhookConfiguration")["metadata"]["name"], "apps-door-doorward");
    assert!(object(&objects, "MutatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["caBundle"].is_null());
}

#[test]
fn a_certificate_of_somebody_else_needs_no_rights_at_all() {
    let objects = rendered(Some(&shape("injector-cert-manager")), &[]);
    for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Secret"] {
        assert!(find(&objects, kind).is_none(), "{kind}");
    }
    assert_eq!(object(&objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    let certificate = object(&objects, "Certificate");
    let webhook = object(&objects, "MutatingWebhookConfiguration");
    assert_eq!(webhook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"], "apps/door-doorward");
    assert_eq!(certificate["metadata"]["name"], "door-doorward");
    assert_eq!(certificate["spec"]["dnsNames"][0], "door-doorward.apps.svc");
    let volumes = &object(&objects, "Deployment")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[1]["secret"]["secretName"], certificate["spec"]["secretName"]);
    let objects = rendered(Some(&shape("injector-existing")), &[]);
    assert!(object(&objects, "MutatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["caBundle"].is_string());
}

#[test]
fn the_injector_takes_what_the_chart_writes_and_does_what_it_says() {
    for (name, image) in [
        ("injector", "registry.example.com/doorward:1.2.3"),
        ("injector-cert-manager", "doorward:0.1.0"),
        ("injector-existing", "doorward:0.1.0"),
    ] {
        let objects = rendered(Some(&shape(name)), &[]);
        let folder = tempfile::TempDir::new().unwrap();
        let (file, pod) = (folder.path().join("inject.yaml"), folder.path().join("pod.yaml"));
        fs::write(&file, object(&objects, "ConfigMap")["data"]["inject.yaml"].as_str().unwrap()).unwrap();
        fs::write(&pod, POD).unwrap();
        let output = doorward(&["inject", "--dry-run", "--config"]).arg(&file).arg("-f").arg(&pod).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let patch = String::from_utf8(output.stdout).unwrap();
        assert!(patch.contains(&format!("\"image\": \"{image}\"")), "{name}: {patch}");
        // Where the pod of the chart finds it.
        let container = &object(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"].as_sequence().unwrap(), &["inject", "--config", "/etc/doorward/inject.yaml"]);
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/etc/doorward/inject.yaml");
    }
}

/// A pod that asks for a door, of an application with one port.
const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: shop, annotations: { doorward.dev/inject: 'true', doorward.dev/config: door, doorward.dev/port: http } }
spec: { containers: [{ name: shop, image: shop, ports: [{ name: http, containerPort: 3000 }] }] }
";
