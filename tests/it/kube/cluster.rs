//! A real API server. Only where `KUBE_APISERVER_BIN` and `ETCD_BIN` name the programs: they cannot be installed as the other counterparts
//! are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::dry_run::rendered;
use super::{Injector, pod, wanted};
use crate::support::{Answer, Process, curl, eventually, free_port};

const ADMINISTRATOR: &str = "token-of-the-administrator";
const INJECTOR: &str = "token-of-the-injector";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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
        let tokens = format!(
            "{ADMINISTRATOR},administrator,1,\"system:masters\"\n{INJECTOR},system:serviceaccount:doors:door-doorward,2\n"
        );
        fs::write(at("tokens.csv"), tokens).unwrap();
        let mut command = Command::new(server);
        command.args([&format!("--etcd-servers={clients}"), &format!("--secure-port={port}")]);
        command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        command.args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc"]);
        command.args(["--authorization-mode=RBAC"]);
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

    /// Namespaces with the account that pods have, and what the chart makes of an injector but for its pods: their rights, the Secret, and the
    /// webhook's configuration, which only calls this injector instead of a Service.
    fn prepare(&self, injector: u16) {
        for (name, label) in [("doors", "enabled"), ("shop", "enabled"), ("other", "disabled")] {
            let metadata = json!({ "name": name, "labels": { "doorward.dev/injection": label } });
            self.create("/api/v1/namespaces", &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
            // A controller's work, of which there is none.
            let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
            self.create(&format!("/api/v1/namespaces/{name}/serviceaccounts"), &account);
        }
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        for mut object in rendered("injector", "doors") {
            let path = match object["kind"].as_str().unwrap_or_default() {
                "Secret" => "/api/v1/namespaces/doors/secrets".to_owned(),
                "ServiceAccount" => "/api/v1/namespaces/doors/serviceaccounts".to_owned(),
                "Role" => format!("{rbac}/namespaces/doors/roles"),
                "RoleBinding" => format!("{rbac}/namespaces/doors/rolebindings"),
                "ClusterRole" => format!("{rbac}/clusterroles"),
                "ClusterRoleBinding" => format!("{rbac}/clusterrolebindings"),
                "MutatingWebhookConfiguration" => {
                    let url = format!("https://127.0.0.1:{injector}/mutate");
                    object["webhooks"][0]["clientConfig"] = json!({ "url": url });
                    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations".to_owned()
                }
                _ => continue,
            };
            self.create(&path, &object);
        }
    }

    /// Makes a pod in a namespace.
    #[track_caller]
    fn run(&self, namespace: &str, pod: &Value) -> Answer {
        self.ask("POST", &format!("/api/v1/namespaces/{namespace}/pods"), pod)
    }
}

/// A pod of a person's, which has no token yet.
fn written(annotations: &Value) -> Value {
    let mut pod = pod(annotations);
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.remove("volumes");
    spec["containers"][0].as_object_mut().unwrap().remove("volumeMounts");
    pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    pod
}

/// What lies where a container's token would.
fn token(container: &Value) -> &str {
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mut there = mounts.iter().filter(|mount| mount["mountPath"] == TOKEN);
    let name = there.next().unwrap()["name"].as_str().unwrap();
    assert!(there.next().is_none(), "{container}");
    name
}

fn configuration(cluster: &Cluster, folder: &Path) -> String {
    fs::write(folder.join("token"), INJECTOR).unwrap();
    format!(
        "certificate: {{ self_managed: {{ secret: door-doorward-tls, webhook: doors-door-doorward }} }}\napi_server: {{ url: 'https://127.0.0.1:{}', ca: {}, token: token, namespace: doors }}\n",
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
    eventually("the API server has heard of the certificate and the accounts", || {
        let tried = cluster.ask("POST", "/api/v1/namespaces/shop/pods?dryRun=All", &written(&wanted()));
        (tried.status == 201).then_some(())
    });
    let made = cluster.run("shop", &written(&wanted()));
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.all("warning").iter().any(|warning| warning.contains("127.0.0.1")), "{:?}", made.headers);
    let made = made.json();
    let door = made["spec"]["initContainers"].as_array().unwrap().last().unwrap();
    assert_eq!((&door["name"], &door["restartPolicy"]), (&json!("doorward"), &json!("Always")));
    assert_eq!(door["ports"][0]["name"], "http");
    assert_eq!(made["metadata"]["annotations"]["doorward.dev/injected"], env!("CARGO_PKG_VERSION"));
    // The API server's own plugin looks again when a webhook has added a container.
    assert_eq!(token(door), "doorward-no-token");
    assert!(token(&made["spec"]["containers"][0]).starts_with("kube-api-access-"), "the application has its token: {made}");

    let mut again = made.clone();
    again["metadata"] = json!({ "name": "again", "annotations": made["metadata"]["annotations"] });
    again.as_object_mut().unwrap().remove("status");
    let again = cluster.run("shop", &again).json();
    assert_eq!(again["spec"]["initContainers"], made["spec"]["initContainers"], "a pod with a door was changed again");

    let elsewhere = cluster.run("other", &written(&wanted())).json();
    assert!(elsewhere["spec"]["initContainers"].is_null(), "a namespace that was not selected: {elsewhere}");
    let own = cluster.run("doors", &written(&wanted())).json();
    assert!(own["spec"]["initContainers"].is_null(), "the injector's own namespace: {own}");

    let mut refused = written(&wanted());
    refused["spec"]["hostNetwork"] = json!(true);
    refused["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(3000);
    let refused = cluster.run("shop", &refused);
    assert!(refused.status == 422 && refused.text().contains("hostNetwork"), "{}", refused.text());

    // Without a webhook: who asks for a door waits, and nobody else does (match conditions and selectors).
    drop(injector);
    let waits = cluster.run("shop", &written(&wanted()));
    assert!(waits.status >= 500 && waits.text().contains("inject.doorward.dev"), "{}", waits.text());
    let mut labelled = written(&wanted());
    labelled["metadata"]["labels"]["doorward.dev/inject"] = json!("false");
    for pod in [written(&json!({})), written(&json!({ "doorward.dev/inject": "false" })), labelled] {
        let made = cluster.run("shop", &pod);
        assert!(made.status == 201 && made.json()["spec"]["initContainers"].is_null(), "{pod}: {}", made.text());
    }
}
