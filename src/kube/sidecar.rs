//! The sidecar: its container and its volumes.
//!
//! Refuses every right that a door does not need: it is nobody, writes only to its state, and has no token of the cluster, because what
//! faces strangers may one day be taken by one.

use serde_json::{Value, json};

use super::pod::{self, CONTAINERS, INIT_CONTAINERS};
use super::port::Takeover;
use super::refusal::Refusal;
use super::settings::{Native, Settings};
use super::wish::Wish;

pub(super) const NAME: &str = "doorward";
/// Whoever the image's user is, it is this one: nobody of distroless images.
const USER: u32 = 65532;
const CONFIG: &str = "/etc/doorward/config";
const SECRETS: &str = "/etc/doorward/secrets";
const TLS: &str = "/etc/doorward/tls";
const STATE: &str = "/var/lib/doorward";
/// Where the API server would lay the pod's token into every container that has nothing there.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const SYSCTL: &str = "net.ipv4.ip_unprivileged_port_start";

/// Refuses a pod that has what the sidecar would add.
pub(super) fn check_room(pod: &Value) -> Result<(), Refusal> {
    if pod::container(pod, NAME)?.is_some() {
        return Err(Refusal::ContainerExists(NAME.to_owned()));
    }
    for volume in pod::objects(pod::spec(pod)?, "volumes", "spec.volumes")? {
        let name = pod::text(volume, "name").unwrap_or_default();
        if name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-')) {
            return Err(Refusal::VolumeExists(name.to_owned()));
        }
    }
    Ok(())
}

/// Whether this pod's door is a native sidecar; refuses one that would keep the pod from ending.
pub(super) fn is_native(pod: &Value, takeover: &Takeover, native: Native) -> Result<bool, Refusal> {
    let is_native = match native {
        Native::None => false,
        Native::ByNumber => !takeover.by_name,
        Native::All => true,
    };
    match pod::text(pod::spec(pod)?, "restartPolicy") {
        Some(policy @ ("OnFailure" | "Never")) if !is_native => Err(Refusal::NeverEnds(policy.to_owned())),
        _ => Ok(is_native),
    }
}

/// Adds the sidecar and its volumes.
pub(super) fn add(pod: &mut Value, wish: &Wish, takeover: &Takeover, settings: &Settings) -> Result<(), Refusal> {
    if takeover.listen < 1024 {
        allow_low_port(pod, takeover.listen)?;
    }
    let native = is_native(pod, takeover, settings.native)?;
    let spec = pod::spec_mut(pod)?;
    // Last among the init containers: it starts when the application is about to, and ends after it.
    let (key, name) = if native { (INIT_CONTAINERS, "spec.initContainers") } else { (CONTAINERS, "spec.containers") };
    pod::list(spec, key, name)?.push(container(wish, takeover, settings, native));
    pod::list(spec, "volumes", "spec.volumes")?.extend(volumes(wish));
    Ok(())
}

/// Makes the sidecar of a pod that has one what it would be today. What other webhooks change of every container stays as they have it:
/// variables and mounts of their own, resources, probes, when the image is pulled.
pub(super) fn renew(pod: &mut Value, wish: &Wish, takeover: &Takeover, settings: &Settings) -> Result<(), Refusal> {
    for key in [CONTAINERS, INIT_CONTAINERS] {
        for found in pod::containers_mut(pod, key)? {
            if pod::text(found, "name") != Some(NAME) {
                continue;
            }
            let made = container(wish, takeover, settings, key == INIT_CONTAINERS);
            // The image says what runs.
            found.remove("command");
            for field in ["image", "args", "restartPolicy", "securityContext"] {
                if let Some(made) = made.get(field)
                    && !found.get(field).is_some_and(|found| holds(found, made))
                {
                    found.insert(field.to_owned(), made.clone());
                }
            }
            renew_all(pod::list(found, "volumeMounts", "volumeMounts of a container")?, mounts(wish), "mountPath");
        }
    }
    renew_all(pod::list(pod::spec_mut(pod)?, "volumes", "spec.volumes")?, volumes(wish), "name");
    Ok(())
}

/// Puts each of `made` among those that are there, instead of others with the same `key`.
fn renew_all(there: &mut Vec<Value>, made: Vec<Value>, key: &str) {
    for made in made {
        let mut same = there.iter().filter(|one| one.get(key) == made.get(key));
        if !(same.next().is_some_and(|one| holds(one, &made)) && same.next().is_none()) {
            there.retain(|one| one.get(key) != made.get(key));
            there.push(made);
        }
    }
}

/// Whether all of `made` is there; API servers and other webhooks fill in more.
fn holds(found: &Value, made: &Value) -> bool {
    match made.as_object() {
        Some(fields) => fields.iter().all(|(key, value)| found.get(key) == Some(value)),
        None => found == made,
    }
}

fn container(wish: &Wish, takeover: &Takeover, settings: &Settings, native: bool) -> Value {
    let (defaults, operations) = (&settings.defaults, wish.operations_port);
    let address = defaults.address.word();
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": operations, "scheme": "HTTP" },
            "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures,
        })
    };
    let mut container = json!({
        "name": NAME,
        "image": settings.image,
        "args": ["serve", "--config", format!("{CONFIG}/doorward.yaml")],
        "env": [
            { "name": "DOORWARD_LISTEN", "value": format!("{address}:{}", takeover.listen) },
            { "name": "DOORWARD_UPSTREAM", "value": format!("http://127.0.0.1:{}", takeover.app) },
            { "name": "DOORWARD_OPERATIONS", "value": format!("{address}:{operations}") },
        ],
        "ports": [
            { "name": takeover.name.as_deref().unwrap_or("doorward"), "containerPort": takeover.listen, "protocol": "TCP" },
            { "name": "doorward-ops", "containerPort": operations, "protocol": "TCP" },
        ],
        // The application starts once this answers, whether or not the door could open to anybody yet.
        "startupProbe": probe("/livez", 1, 60),
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 5, 2),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "privileged": false,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "resources": { "requests": wish.resources.requests, "limits": wish.resources.limits },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(wish),
    });
    if let Some(fields) = container.as_object_mut() {
        if native {
            fields.insert("restartPolicy".to_owned(), "Always".into());
        }
        if let Some(policy) = settings.pull_policy {
            fields.insert("imagePullPolicy".to_owned(), policy.word().into());
        }
    }
    container
}

fn mounts(wish: &Wish) -> Vec<Value> {
    let read_only = |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    let mut mounts = vec![read_only("doorward-config", CONFIG)];
    if wish.secret.is_some() {
        mounts.push(read_only("doorward-secrets", SECRETS));
    }
    if wish.tls_secret.is_some() {
        mounts.push(read_only("doorward-tls", TLS));
    }
    mounts.push(json!({ "name": "doorward-state", "mountPath": STATE }));
    mounts.push(read_only("doorward-no-token", TOKEN));
    mounts
}

fn volumes(wish: &Wish) -> Vec<Value> {
    // Readable for whoever the container runs as; only the sidecar mounts them, and the pod's fsGroup is not ours to set.
    let secret = |name: &str, secret: &str| json!({ "name": name, "secret": { "secretName": secret, "defaultMode": 0o444 } });
    let mut volumes = vec![json!({ "name": "doorward-config", "configMap": { "name": wish.config_map, "defaultMode": 0o444 } })];
    volumes.extend(wish.secret.as_deref().map(|named| secret("doorward-secrets", named)));
    volumes.extend(wish.tls_secret.as_deref().map(|named| secret("doorward-tls", named)));
    volumes.push(json!({ "name": "doorward-state", "emptyDir": {} }));
    volumes.push(json!({ "name": "doorward-no-token", "emptyDir": { "sizeLimit": "1Mi" } }));
    volumes
}

/// Without capabilities a port below 1024 is had by a setting of the pod's own network, which Kubernetes counts as safe.
fn allow_low_port(pod: &mut Value, port: u16) -> Result<(), Refusal> {
    let context = pod::section(pod::spec_mut(pod)?, "securityContext", "spec.securityContext")?;
    let settings = pod::list(context, "sysctls", "spec.securityContext.sysctls")?;
    let there = settings.iter().find(|setting| setting.get("name").and_then(Value::as_str) == Some(SYSCTL));
    match there {
        None => settings.push(json!({ "name": SYSCTL, "value": port.to_string() })),
        Some(there) => {
            let first = there.get("value").and_then(Value::as_str).and_then(|value| value.parse::<u16>().ok());
            if first.is_none_or(|first| first > port) {
                return Err(Refusal::Privileged(port));
            }
        }
    }
    Ok(())
}
