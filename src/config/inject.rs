//! The configuration of `doorward inject`: a small file of its own.
//!
//! Refuses unknown keys and says every problem at once, as the door's own file does, because who may change every pod of a cluster must
//! not have to guess.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use url::Url;

use super::file::{Logging, Shutdown};
use super::load::{LoadError, filled};
use super::reference::process_environment;
use super::shape::Schema;
use super::value::{FilePath as PathOfFile, Span};
use super::{Path, Problems, is_loopback};

/// What the kubelet lays into every pod that talks to the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A certificate is renewed when a third of its life is left; that has to be longer than an outage.
const SHORTEST_LIFE: Span = Span::seconds(3600);
const LONGEST_LIFE: Span = Span::seconds(365 * 86400);

/// The injector's configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// Format of this file; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// `address:port` where the API server calls, with TLS.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// `address:port` of the separate listener for probes and metrics, without TLS.
    #[serde(default)]
    pub operations: Option<String>,
    /// The image of the sidecar, `REPOSITORY:TAG` or with a digest.
    pub image: String,
    /// When the image is pulled. Default: as Kubernetes has it.
    #[serde(default)]
    pub image_pull_policy: Option<PullPolicy>,
    /// The webhook's own certificate: `self_managed`, or `cert` and `key`.
    pub certificate: WebhookCertificate,
    /// Where the API server is. Default: where the pod that this runs in finds it.
    #[serde(default)]
    pub api_server: Option<ApiServer>,
    /// Whether the door is a native sidecar.
    #[serde(default)]
    pub sidecar: SidecarKind,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub logging: Logging,
    #[serde(default)]
    pub shutdown: Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Either `self_managed`, or `cert` and `key`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookCertificate {
    /// Made and renewed by the injector.
    pub self_managed: Option<SelfManaged>,
    /// PEM file: certificate, then intermediates, as cert-manager writes it. A changed file is taken over.
    #[schemars(with = "Option<PathOfFile>")]
    pub cert: Option<PathBuf>,
    /// PEM file: private key.
    #[schemars(with = "Option<PathOfFile>")]
    pub key: Option<PathBuf>,
}

/// Where a certificate of the injector's own making is kept, and who has to trust it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfManaged {
    /// The Secret that all replicas share, in the injector's own namespace.
    pub secret: String,
    /// The MutatingWebhookConfiguration whose `caBundle` is kept up to date. The names of the certificate are those that it calls.
    pub webhook: String,
    /// How long a certificate is good for, between an hour and 365 days; it is renewed when a third is left.
    #[serde(default = "default_lifetime")]
    pub lifetime: Span,
}

/// The API server, for an injector that does not run in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiServer {
    #[schemars(with = "String")]
    pub url: Url,
    /// PEM file: the authorities of its certificate. Default: the system's.
    #[serde(default)]
    #[schemars(with = "Option<PathOfFile>")]
    pub ca: Option<PathBuf>,
    /// File with the token to show; read again for each call.
    #[serde(default)]
    #[schemars(with = "Option<PathOfFile>")]
    pub token: Option<PathBuf>,
    /// The injector's own namespace.
    pub namespace: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SidecarKind {
    /// Native where the API server is of 1.32 or later, or says nothing, and from 1.29 on where the port is taken over by number: before 1.32
    /// a Service does not find the named ports of native sidecars.
    #[default]
    Auto,
    /// An init container with `restartPolicy: Always`.
    Native,
    /// An ordinary container, for clusters before 1.29.
    Plain,
}

/// What holds for pods that do not say otherwise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Whether a pod that says nothing gets a door.
    pub inject: bool,
    /// The ConfigMap with `doorward.yaml`, in the pod's namespace.
    pub config_map: Option<String>,
    /// The Secret that is mounted at `/etc/doorward/secrets`, in the pod's namespace.
    pub secret: Option<String>,
    /// The Secret that is mounted at `/etc/doorward/tls`, in the pod's namespace.
    pub tls_secret: Option<String>,
    /// Name or number of the container port that is taken over. Default: the only one that the pod has.
    pub port: Option<PortReference>,
    /// Where the door listens if the port is taken over by name.
    #[schemars(range(min = 1))]
    pub listen_port: u16,
    /// Where probes and metrics of the door are.
    #[schemars(range(min = 1))]
    pub operations_port: u16,
    /// The address that the door listens on: `0.0.0.0`, or `[::]` where pods have IPv6 addresses only.
    pub address: BindAddress,
    pub resources: Resources,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            inject: false,
            config_map: None,
            secret: None,
            tls_secret: None,
            port: None,
            listen_port: 8443,
            operations_port: 9901,
            address: BindAddress::V4,
            resources: Resources::default(),
        }
    }
}

/// A container port's name or number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PortReference {
    Number(u16),
    Name(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum BindAddress {
    #[default]
    #[serde(rename = "0.0.0.0")]
    V4,
    #[serde(rename = "[::]")]
    V6,
}

impl BindAddress {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0",
            Self::V6 => "[::]",
        }
    }
}

/// What the sidecar asks for and may use, as Kubernetes writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    pub requests: BTreeMap<String, String>,
    pub limits: BTreeMap<String, String>,
}

impl Default for Resources {
    fn default() -> Self {
        let table = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { requests: table(&[("cpu", "50m"), ("memory", "64Mi")]), limits: table(&[("memory", "256Mi")]) }
    }
}

fn default_listen() -> String {
    "0.0.0.0:8443".to_owned()
}

fn default_lifetime() -> Span {
    Span::seconds(90 * 86400)
}

impl Inject {
    /// What a dry run goes by without a file.
    #[must_use]
    pub fn for_trying(image: String) -> Self {
        Self {
            version: 1,
            listen: default_listen(),
            operations: None,
            image,
            image_pull_policy: None,
            certificate: WebhookCertificate::default(),
            api_server: None,
            sidecar: SidecarKind::Auto,
            defaults: Defaults::default(),
            logging: Logging::default(),
            shutdown: Shutdown::default(),
        }
    }
}

/// Reads the injector's file; says everything that is wrong with it.
///
/// # Errors
/// As [`super::load()`].
pub fn load(path: &FilePath) -> Result<Inject, LoadError> {
    let root = serde_json::Value::from(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Inject>());
    let (_, inject, sources): (_, Inject, _) = filled(path, &process_environment, Schema::new(&root), |_| {})?;
    let mut problems = Problems::default();
    review(&inject, &mut problems);
    if problems.is_empty() {
        return Ok(inject);
    }
    Err(LoadError::Invalid { report: sources.report(&problems), sources: Box::new(sources) })
}

/// The API server as a pod finds it; `None` outside of a cluster.
#[must_use]
pub fn in_cluster() -> Option<ApiServer> {
    let (host, port) =
        (process_environment("KUBERNETES_SERVICE_HOST").ok()?, process_environment("KUBERNETES_SERVICE_PORT").ok()?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let folder = FilePath::new(SERVICE_ACCOUNT);
    let namespace = std::fs::read_to_string(folder.join("namespace")).ok()?;
    Some(ApiServer {
        url: Url::parse(&format!("https://{host}:{port}")).ok()?,
        ca: Some(folder.join("ca.crt")),
        token: Some(folder.join("token")),
        namespace: namespace.trim().to_owned(),
    })
}

fn review(inject: &Inject, problems: &mut Problems) {
    if inject.image.is_empty() || inject.image.contains(char::is_whitespace) {
        problems.add(Path::from("image"), "this names no image", "write `repository:tag`");
    }
    certificate(&inject.certificate, &Path::from("certificate"), problems);
    if let Some(server) = &inject.api_server {
        let path = Path::from("api_server");
        if server.url.scheme() != "https" && !is_loopback(&server.url) {
            problems.add(path.key("url"), "the token would travel unencrypted", "write `https://…`");
        }
        name(&server.namespace, path.key("namespace"), problems);
    }
    let (defaults, path) = (&inject.defaults, Path::from("defaults"));
    for (key, named) in [("config_map", &defaults.config_map), ("secret", &defaults.secret), ("tls_secret", &defaults.tls_secret)]
    {
        if let Some(named) = named {
            name(named, path.key(key), problems);
        }
    }
    if defaults.listen_port == defaults.operations_port {
        problems.add(path.key("operations_port"), "the door listens there already", "choose another port");
    }
}

fn certificate(certificate: &WebhookCertificate, path: &Path, problems: &mut Problems) {
    match (&certificate.self_managed, &certificate.cert, &certificate.key) {
        (Some(own), None, None) => {
            name(&own.secret, path.key("self_managed").key("secret"), problems);
            name(&own.webhook, path.key("self_managed").key("webhook"), problems);
            if own.lifetime < SHORTEST_LIFE || own.lifetime > LONGEST_LIFE {
                problems.add(
                    path.key("self_managed").key("lifetime"),
                    "a certificate's life is between an hour and 365 days",
                    "the default is `90d`",
                );
            }
        }
        (None, Some(_), Some(_)) => {}
        _ => problems.add(
            path.clone(),
            "one certificate is needed: `self_managed`, or `cert` and `key`",
            "`self_managed: { secret: doorward-inject-tls, webhook: doorward-inject }`",
        ),
    }
}

fn name(text: &str, path: Path, problems: &mut Problems) {
    if !is_object_name(text) {
        problems.add(path, "this is not a name of a Kubernetes object", "lower-case letters, digits, `-` and `.`");
    }
}

/// Whether `text` can be the name of a ConfigMap, a Secret or a namespace: a DNS subdomain (RFC 1123), at most 253 characters.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    let label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        !label.is_empty() && letters && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("inject.yaml");
        std::fs::write(&file, text).unwrap();
        load(&file).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn the_smallest_file_is_taken_and_a_port_is_a_name_or_a_number() {
        let least = "version: 1\nimage: doorward:1\ncertificate: { cert: a, key: b }\n";
        assert_eq!(problems(least), "");
        assert_eq!(problems(&format!("{least}defaults: {{ port: http }}\n")), "");
        assert_eq!(problems(&format!("{least}defaults: {{ port: 8080 }}\n")), "");
        assert_eq!(problems(&format!("{least}defaults: {{ address: '[::]', resources: {{ limits: {{ cpu: '1' }} }} }}\n")), "");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let said = problems(
            "version: 1\nimage: ''\ncertificate: { cert: a }\nlistn: x\ndefaults: { config_map: other/door, operations_port: 8443 }\n",
        );
        assert!(said.contains("did you mean `listen`?"), "{said}");
        let said = problems(
            "version: 1\nimage: ''\ncertificate: { cert: a }\ndefaults: { config_map: other/door, operations_port: 8443 }\n",
        );
        for part in ["names no image", "one certificate is needed", "not a name of a Kubernetes object", "listens there already"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        let short = "version: 1\nimage: a\ncertificate: { self_managed: { secret: a, webhook: b, lifetime: 5m } }\n";
        assert!(problems(short).contains("between an hour and 365 days"));
    }

    #[test]
    fn a_name_is_one_that_kubernetes_has() {
        for good in ["a", "door-1", "a.b.c", "0"] {
            assert!(is_object_name(good), "{good}");
        }
        for bad in ["", "A", "a/b", "-a", "a-", "a..b", "a b", &"a".repeat(254)] {
            assert!(!is_object_name(bad), "{bad}");
        }
    }
}
