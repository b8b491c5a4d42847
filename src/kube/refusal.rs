//! Why a pod cannot have a door, in words for whoever wrote it.
//!
//! Refuses to be long: what `kubectl` shows of a denied pod is one line.

use super::wish::PREFIX;

/// Why a pod that asks for a door cannot have one. The texts are shown by `kubectl` and in the events of a ReplicaSet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("`{0}` is not what a pod has there")]
    Shape(&'static str),
    #[error("{PREFIX}inject is \"{0}\": write \"true\" or \"false\"")]
    NeitherYesNorNo(String),
    #[error("{PREFIX}{0} is unknown{1}")]
    UnknownAnnotation(String, String),
    #[error("{PREFIX}{key} is \"{value}\": {wanted}")]
    Malformed { key: &'static str, value: String, wanted: &'static str },
    #[error("{PREFIX}config is missing: name the ConfigMap that holds doorward.yaml")]
    NoConfig,
    #[error("the pod uses the node's network (hostNetwork), where its ports are the node's")]
    HostNetwork,
    #[error("the pod is for Windows")]
    Windows,
    #[error("the pod has a container `{0}` already that no injector made")]
    ContainerExists(String),
    #[error("the pod has a volume `{0}` already")]
    VolumeExists(String),
    #[error("the pod has no container `{0}` ({PREFIX}container)")]
    NoSuchContainer(String),
    #[error("no container declares a port `{wanted}`; there is {declared}")]
    NoSuchPort { wanted: String, declared: String },
    #[error("{PREFIX}port is missing, and the pod has not exactly one TCP port to take over; there is {0}")]
    WhichPort(String),
    #[error("port `{0}` is declared more than once: a Service would find the other one")]
    Ambiguous(String),
    #[error("port `{0}` is not TCP")]
    NotTcp(String),
    #[error("port `{0}` has a hostPort, which leads past the door")]
    HostPort(String),
    #[error(
        "the door takes port {0}, so that the application must listen on another: say which with {PREFIX}app-port, or take the port over by name"
    )]
    AppPortNeeded(u16),
    #[error(
        "a Service with targetPort: {number} would lead past the door: write {PREFIX}port: {name} if all say targetPort: {name}; else {PREFIX}app-port, where the application listens and {number} is the door's"
    )]
    NameOrNumber { name: String, number: u16 },
    #[error("a Service that names port {port} by number would not find the door at {listen}: remove {PREFIX}listen-port")]
    ListenElsewhere { port: u16, listen: u16 },
    #[error("port {port} is needed by {first} and by {second}: choose another with {PREFIX}{key}")]
    Clash { port: u16, first: String, second: String, key: &'static str },
    #[error("it is not clear which container listens on the port: name it with {PREFIX}container")]
    WhichContainer,
    #[error(
        "{PREFIX}app-host-env closes the application's port to the kubelet, whose {0} needs it: use exec, or a NetworkPolicy instead"
    )]
    ProbeNeedsPort(&'static str),
    #[error("the pod sets net.ipv4.ip_unprivileged_port_start, so that the door cannot have port {0}")]
    Privileged(u16),
    #[error(
        "the pod has {PREFIX}injected and a container `doorward`, which is not the door that its annotations ask for: remove both, and it gets one"
    )]
    NotTheDoor,
    #[error(
        "a plain sidecar never ends, and so the pod never would (restartPolicy {0}): native sidecars need Kubernetes 1.29, or 1.32 where the port is taken over by name"
    )]
    NeverEnds(String),
}
