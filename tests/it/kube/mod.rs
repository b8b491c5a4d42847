//! The injector: the real binary, called as an API server calls it.

mod calls;
mod certificate;
mod cluster;
mod crowd;
mod dry_run;
mod fake;
mod installed;
mod random;
mod valid;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Process, curl, doorward, eventually};

/// The name by which API servers call the injector's Service.
const SERVICE: &str = "doorward-inject.doors.svc";

/// A running injector.
struct Injector {
    process: Process,
    ready: Value,
}

impl Injector {
    /// Starts it with this configuration in the folder; `listen`, `operations` and `image` are said already.
    #[track_caller]
    fn start(folder: &Path, name: &str, configuration: &str) -> Self {
        Self::start_at(0, folder, name, configuration)
    }

    #[track_caller]
    fn start_at(port: u16, folder: &Path, name: &str, configuration: &str) -> Self {
        let file = folder.join(name);
        let usual = "operations: 127.0.0.1:0\nimage: registry.example/doorward:1.2.3\n";
        fs::write(&file, format!("version: 1\nlisten: 127.0.0.1:{port}\n{usual}{configuration}")).unwrap();
        let process = Process::start(doorward(&["inject", "--json", "--config"]).arg(&file));
        let ready = process.json_line();
        Self { process, ready }
    }

    /// A page of the operations listener.
    #[track_caller]
    fn operations(&self, path: &str) -> Answer {
        curl(&[&format!("http://{}{path}", self.ready["operations"].as_str().unwrap())])
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        eventually("the injector is ready", || (self.operations("/readyz").status == 200).then_some(()));
    }

    /// Calls it as API servers do, trusting the authorities in this file.
    #[track_caller]
    fn call(&self, authorities: &Path, arguments: &[&str]) -> Answer {
        let listen = self.ready["listen"].as_str().unwrap();
        let to = format!("::{listen}");
        let url = format!("https://{SERVICE}/mutate?timeout=10s");
        let mut all =
            vec!["--cacert", authorities.to_str().unwrap(), "--connect-to", &to, "--user-agent", "kube-apiserver-admission"];
        all.extend(arguments);
        all.push(&url);
        curl(&all)
    }

    /// Asks it for a pod; what it answers.
    #[track_caller]
    fn review(&self, authorities: &Path, review: &Value) -> Value {
        let folder = TempDir::new().unwrap();
        let body = folder.path().join("review.json");
        fs::write(&body, review.to_string()).unwrap();
        let answer =
            self.call(authorities, &["-H", "content-type: application/json", "--data-binary", &format!("@{}", body.display())]);
        assert_eq!(answer.status, 200, "{answer:?} {}", answer.text());
        let answer = answer.json();
        assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
        assert_eq!(answer["response"]["uid"], review["request"]["uid"], "an answer to another question");
        answer["response"].clone()
    }
}

/// A folder with an authority `ca.pem` and a certificate `tls.crt`, `tls.key` for the Service.
fn furnished() -> TempDir {
    let folder = TempDir::new().unwrap();
    certificate_for(folder.path());
    folder
}

fn certificate_for(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, folder.display().to_string());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec![SERVICE.to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
    fs::write(folder.join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}

/// What an API server asks when a Deployment's ReplicaSet makes a pod.
fn review(pod: &Value) -> Value {
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "6f1c", "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}

/// A pod as a ReplicaSet makes it and the API server's own plugins leave it.
fn pod(annotations: &Value) -> Value {
    let token =
        json!({ "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-x", "readOnly": true });
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "shop-5d4f8c7b9-",
            "creationTimestamp": null,
            "labels": { "app": "shop", "pod-template-hash": "5d4f8c7b9" },
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-5d4f8c7b9", "uid": "8a7d", "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "volumes": [{ "name": "kube-api-access-x", "projected": { "defaultMode": 420, "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            ] } }],
            "containers": [{
                "name": "shop", "image": "registry.example/shop:7",
                "ports": [{ "name": "http", "containerPort": 3000, "protocol": "TCP" }],
                "resources": {},
                "readinessProbe": { "httpGet": { "path": "/healthz", "port": "http", "scheme": "HTTP" }, "periodSeconds": 10 },
                "volumeMounts": [token],
                "imagePullPolicy": "IfNotPresent",
            }],
            "restartPolicy": "Always",
            "serviceAccountName": "default",
            "securityContext": {},
        },
        "status": {},
    })
}

fn wanted() -> Value {
    json!({
        "doorward.dev/inject": "true", "doorward.dev/config": "shop-door", "doorward.dev/secret": "shop-door",
        "doorward.dev/port": "http",
    })
}

/// The pod after the patch of this answer.
#[track_caller]
fn patched(pod: &Value, response: &Value) -> Value {
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")), "{response}");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let mut after = pod.clone();
    json_patch::patch(&mut after, &serde_json::from_slice::<json_patch::Patch>(&patch).unwrap()).unwrap();
    after
}
