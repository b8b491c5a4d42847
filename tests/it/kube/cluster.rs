//! A real API server. Only where `KUBE_APISERVER_BIN` and `ETCD_BIN` name the programs: they cannot be installed as the other counterparts
//! are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Injector, pod, wanted};
use crate::support::{Answer, Process, curl, eventually, free_port};

const ADMINISTRATOR: &str = "token-of-the-administrator";
const INJECTOR: &str = "token-of-the-injector";

#[expect(clippy::disallowed_methods, reason = "a test has no configuration of its own")]
fn named(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// etcd and an API server, in a folder of their own.
struct Cluster {
    folder: TempDir,
    port: u16,
    _etcd: Process,
    _server: Process,
}

impl Cluster {
    #[track_caller]
    fn start(etcd: OsString, server: OsString) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (clients, peers, port) = (free_port(), free_port(), free_port());
        let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
        let mut command = Command::new(etcd);
        command.arg("--data-dir").arg(at("etcd"));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients, "--listen-peer-urls", &peers]);
        command.args(["--initial-advertise-peer-urls", &peers, "--initial-cluster", &format!("default={peers}")]);
        let etcd = Process::start(&mut command);
        eventually("etcd is healthy", || (curl(&[&format!("{clients}/health")]).status == 200).then_some(()));

        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        fs::write(at("server.crt"), made.cert.pem()).unwrap();
        fs::write(at("server.key"), made.signing_key.serialize_pem()).unwrap();
        let accounts = KeyPair::generate().unwrap();
        fs::write(at("accounts.key"), accounts.serialize_pem()).unwrap();
        fs::write(at("accounts.pub"), accounts.public_key_pem()).unwrap();
        let tokens = format!("{ADMINISTRATOR},administrator,1,\"system:masters\"\n{INJECTOR},injector,2\n");
        fs::write(at("tokens.csv"), tokens).unwrap();
        let mut command = Command::new(server);
        command.args([&format!("--etcd-servers={clients}"), &format!("--secure-port={port}")]);
        command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        command.args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc"]);
        command.args(["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]);
        for (flag, file) in [
            ("cert-dir", "certificates"),
            ("tls-cert-file", "server.crt"),
            ("tls-private-key-file", "server.key"),
            ("service-account-key-file", "accounts.pub"),
            ("service-account-signing-key-file", "accounts.key"),
            ("token-auth-file", "tokens.csv"),
        ] {
            command.arg(format!("--{flag}={}", at(file).display()));
        }
        let cluster = Self { port, _etcd: etcd, _server: Process::start(&mut command), folder };
        eventually("the API server is ready", || (cluster.ask("GET", "/readyz", &Value::Null).status == 200).then_some(()));
        cluster
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// Asks as the administrator.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, object: &Value) -> Answer {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let (certificate, body) = (self.certificate(), object.to_string());
        let token = format!("Authorization: Bearer {ADMINISTRATOR}");
        let mut arguments = vec!["--cacert", certificate.to_str().unwrap(), "-H", &token, "-X", method];
        if !object.is_null() {
            arguments.extend(["-H", "Content-Type: application/json", "-d", &body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    #[track_caller]
    fn create(&self, path: &str, object: &Value) {
        let answer = self.ask("POST", path, object);
        assert_eq!(answer.status, 201, "{object}: {}", answer.text());
    }

    /// What the documentation says an injector needs, and no more; and the webhook's configuration.
    fn prepare(&self, injector: u16) {
        for (name, label) in [("doors", "disabled"), ("shop", "enabled"), ("other", "disabled")] {
            let metadata = json!({ "name": name, "labels": { "doorward.dev/inject": label } });
            self.create("/api/v1/namespaces", &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
        }
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let version = "rbac.authorization.k8s.io/v1";
        let subjects = json!([{ "kind": "User", "name": "injector", "apiGroup": "rbac.authorization.k8s.io" }]);
        let name = json!({ "name": "doorward-inject" });
        let reference = |kind: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "doorward-inject" });
        self.create(
            &format!("{rbac}/clusterroles"),
            &json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": name, "rules": [{
                "apiGroups": ["admissionregistration.k8s.io"], "resources": ["mutatingwebhookconfigurations"],
                "resourceNames": ["doorward-inject"], "verbs": ["get", "patch"],
            }] }),
        );
        self.create(
            &format!("{rbac}/clusterrolebindings"),
            &json!({ "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": name, "subjects": subjects, "roleRef": reference("ClusterRole") }),
        );
        self.create(
            &format!("{rbac}/namespaces/doors/roles"),
            &json!({ "apiVersion": version, "kind": "Role", "metadata": name, "rules": [{
                "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["doorward-inject-tls"], "verbs": ["get", "update"],
            }] }),
        );
        self.create(
            &format!("{rbac}/namespaces/doors/rolebindings"),
            &json!({ "apiVersion": version, "kind": "RoleBinding", "metadata": name, "subjects": subjects, "roleRef": reference("Role") }),
        );
        self.create(
            "/api/v1/namespaces/doors/secrets",
            &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "doorward-inject-tls" } }),
        );
        self.create(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            &json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": name, "webhooks": [{
                "name": "inject.doorward.dev",
                "clientConfig": { "url": format!("https://127.0.0.1:{injector}/mutate") },
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced" }],
                "namespaceSelector": { "matchLabels": { "doorward.dev/inject": "enabled" } },
                "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "timeoutSeconds": 10,
            }] }),
        );
    }
}

fn configuration(cluster: &Cluster, folder: &Path) -> String {
    fs::write(folder.join("token"), INJECTOR).unwrap();
    format!(
        "certificate: {{ self_managed: {{ secret: doorward-inject-tls, webhook: doorward-inject }} }}\napi_server: {{ url: 'https://127.0.0.1:{}', ca: {}, token: token, namespace: doors }}\n",
        cluster.port,
        cluster.certificate().display()
    )
}

#[test]
fn a_real_api_server_puts_doors_into_annotated_pods() {
    let (Some(server), Some(etcd)) = (named("KUBE_APISERVER_BIN"), named("ETCD_BIN")) else {
        eprintln!("skipped: KUBE_APISERVER_BIN and ETCD_BIN name no API server and no etcd");
        return;
    };
    let cluster = Cluster::start(etcd, server);
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    cluster.prepare(port);
    let injector = Injector::start_at(port, folder.path(), "inject.yaml", &configuration(&cluster, folder.path()));
    injector.wait_until_ready();
    let pods = "/api/v1/namespaces/shop/pods";
    eventually("the API server has heard of the certificate", || {
        let tried = cluster.ask("POST", &format!("{pods}?dryRun=All"), &pod(&wanted()));
        (tried.status == 201).then_some(())
    });
    let made = cluster.ask("POST", pods, &pod(&wanted()));
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.all("warning").iter().any(|warning| warning.contains("127.0.0.1")), "{:?}", made.headers);
    let made = made.json();
    let door = made["spec"]["initContainers"].as_array().unwrap().last().unwrap();
    assert_eq!((&door["name"], &door["restartPolicy"]), (&json!("doorward"), &json!("Always")));
    assert_eq!(door["ports"][0]["name"], "http");
    assert_eq!(made["metadata"]["annotations"]["doorward.dev/injected"], env!("CARGO_PKG_VERSION"));

    let mut again = made.clone();
    again["metadata"] = json!({ "name": "again", "annotations": made["metadata"]["annotations"] });
    again.as_object_mut().unwrap().remove("status");
    let again = cluster.ask("POST", pods, &again).json();
    assert_eq!(again["spec"]["initContainers"], made["spec"]["initContainers"], "a pod with a door was changed again");

    let plain = cluster.ask("POST", pods, &pod(&json!({}))).json();
    assert!(plain["spec"]["initContainers"].is_null(), "{plain}");
    let elsewhere = cluster.ask("POST", "/api/v1/namespaces/other/pods", &pod(&wanted())).json();
    assert!(elsewhere["spec"]["initContainers"].is_null(), "a namespace that was not selected: {elsewhere}");

    let mut refused = pod(&wanted());
    refused["spec"]["hostNetwork"] = json!(true);
    refused["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(3000);
    let refused = cluster.ask("POST", pods, &refused);
    assert!(refused.status == 422 && refused.text().contains("hostNetwork"), "{}", refused.text());
}
