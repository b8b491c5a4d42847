//! The injected sidecar for real: its command with its variables and with what its volumes hold, before an application.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Injector, furnished, patched, pod, review};
use crate::support::{Process, curl, eventually, free_port, part};

/// One ConfigMap for any application: what differs comes from the injector.
const CONFIGURATION: &str = "\
version: 1
public_url: http://localhost:1
listeners: [{ address: { env: DOORWARD_LISTEN } }]
operations: { address: { env: DOORWARD_OPERATIONS } }
upstream: { url: { env: DOORWARD_UPSTREAM } }
store: { url: sqlite:/var/lib/doorward/doorward.db }
secret_key: { file: /etc/doorward/secrets/secret_key }
routes:
  - { path: /open/**, access: public }
";

/// Lays out what the container's volumes hold below `root`, as the kubelet would.
fn mount(container: &Value, pod: &Value, root: &Path, secrets: &Value, config_maps: &Value) {
    for mount in container["volumeMounts"].as_array().unwrap() {
        let folder = root.join(mount["mountPath"].as_str().unwrap().trim_start_matches('/'));
        fs::create_dir_all(&folder).unwrap();
        let volume = pod["spec"]["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let files = match (volume["secret"]["secretName"].as_str(), volume["configMap"]["name"].as_str()) {
            (Some(secret), _) => &secrets[secret],
            (_, Some(map)) => &config_maps[map],
            _ => &Value::Null,
        };
        for (name, content) in files.as_object().into_iter().flatten() {
            // There is no kubelet to mount at the root of this machine: names of files are moved below the folder instead.
            let content = content.as_str().unwrap().replace("/etc/doorward", &format!("{}/etc/doorward", root.display()));
            let content = content.replace("/var/lib/doorward", &format!("{}/var/lib/doorward", root.display()));
            fs::write(folder.join(name), content).unwrap();
        }
    }
}

#[test]
fn the_injected_sidecar_serves_before_its_application() {
    let app = part("echo", &[]);
    let (listen, operations) = (free_port(), free_port());
    let mut before = pod(&json!({
        "doorward.dev/inject": "true",
        "doorward.dev/config": "shop-door",
        "doorward.dev/secret": "shop-secrets",
        "doorward.dev/port": "http",
        "doorward.dev/listen-port": listen.to_string(),
        "doorward.dev/operations-port": operations.to_string(),
    }));
    before["spec"]["containers"][0]["ports"][0]["containerPort"] = app.port().into();
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", "certificate: { cert: tls.crt, key: tls.key }\n");
    injector.wait_until_ready();
    let after = patched(&before, &injector.review(&folder.path().join("ca.pem"), &review(&before)));
    let sidecar = &after["spec"]["initContainers"][0];

    let root = TempDir::new().unwrap();
    let secrets = json!({ "shop-secrets": { "secret_key": "0123456789abcdef0123456789abcdef" } });
    mount(sidecar, &after, root.path(), &secrets, &json!({ "shop-door": { "doorward.yaml": CONFIGURATION } }));
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.env_clear().current_dir(root.path());
    for variable in sidecar["env"].as_array().unwrap() {
        command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    for argument in sidecar["args"].as_array().unwrap() {
        let argument = argument.as_str().unwrap();
        command.arg(argument.replace("/etc/doorward", &format!("{}/etc/doorward", root.path().display())));
    }
    let mut door = Process::start(&mut command);

    let probe = |name: &str| {
        let call = &sidecar[name]["httpGet"];
        curl(&[&format!("http://127.0.0.1:{}{}", call["port"], call["path"].as_str().unwrap())]).status
    };
    eventually("the sidecar is ready", || (probe("readinessProbe") == 200).then_some(()));
    assert_eq!((probe("startupProbe"), probe("livenessProbe")), (200, 200));
    // Where the Service's targetPort leads, by name.
    let port = sidecar["ports"].as_array().unwrap().iter().find(|port| port["name"] == "http").unwrap()["containerPort"]
        .as_u64()
        .unwrap();
    let get = |path: &str| curl(&["-H", "X-Forwarded-User: admin", &format!("http://127.0.0.1:{port}{path}")]);
    let open = get("/open/a");
    assert_eq!(open.status, 200, "{}", door.said());
    assert!(!open.text().contains("admin"), "an identity from outside arrived: {}", open.text());
    assert_eq!(get("/orders").status, 401);
    assert_eq!(app.control("GET", "/requests").as_array().unwrap().len(), 1, "what was refused arrived");
    door.signal("TERM");
    assert_eq!(door.wait(), Some(0));
}
