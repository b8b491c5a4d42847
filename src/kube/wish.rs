//! What a pod wants, as its annotations say.
//!
//! Refuses an annotation of ours that it does not know, because a typing error would leave the application open or the door without
//! its configuration. Names are of the pod's own namespace: one with a slash is none.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::config::inject::{Defaults, PortReference, Resources, is_object_name};

/// What all annotations begin with.
pub(super) const PREFIX: &str = "doorward.dev/";
/// Written by the injector.
pub(super) const INJECTED: &str = "doorward.dev/injected";
pub(super) const INJECT: &str = "doorward.dev/inject";

const KNOWN: [&str; 16] = [
    "inject",
    "injected",
    "config",
    "secret",
    "tls-secret",
    "port",
    "container",
    "listen-port",
    "operations-port",
    "app-port",
    "app-port-env",
    "app-host-env",
    "cpu-request",
    "cpu-limit",
    "memory-request",
    "memory-limit",
];

/// What a pod wants that gets a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) config_map: String,
    pub(super) secret: Option<String>,
    pub(super) tls_secret: Option<String>,
    /// The port that is taken over; `None`: the only one.
    pub(super) port: Option<PortReference>,
    /// The container that has it.
    pub(super) container: Option<String>,
    /// Where the door listens, if the port is taken over by name.
    pub(super) listen_port: Option<u16>,
    /// Where the door's probes are.
    pub(super) operations_port: u16,
    /// Where the application listens beside a door; `None`: where it always did.
    pub(super) app_port: Option<u16>,
    /// Variables that tell the application its port, and to listen on the loopback only.
    pub(super) app_port_env: Option<String>,
    pub(super) app_host_env: Option<String>,
    /// What the sidecar asks for and may use.
    pub(super) resources: Resources,
}

/// Whether a pod wants a door, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    No,
    Unsaid,
}

pub(super) fn wanted(annotations: Option<&Map<String, Value>>) -> Result<Wanted, Refusal> {
    match annotations.and_then(|annotations| annotations.get(INJECT)) {
        None => Ok(Wanted::Unsaid),
        Some(Value::String(word)) if word == "true" => Ok(Wanted::Yes),
        Some(Value::String(word)) if word == "false" => Ok(Wanted::No),
        Some(Value::String(word)) => Err(Refusal::NeitherYesNorNo(short(word))),
        Some(_) => Err(Refusal::Shape("metadata.annotations")),
    }
}

/// What the annotations and the defaults come to; everything that is wrong.
pub(super) fn wish(annotations: &Map<String, Value>, defaults: &Defaults) -> Result<Wish, Vec<Refusal>> {
    let mut reader = Reader { annotations, refusals: Vec::new() };
    reader.only_known();
    let config_map = reader.name("config").or_else(|| defaults.config_map.clone());
    let secret = reader.name("secret").or_else(|| defaults.secret.clone());
    let tls_secret = reader.name("tls-secret").or_else(|| defaults.tls_secret.clone());
    let port = reader.port_reference().or_else(|| defaults.port.clone());
    let container = reader.text("container").map(str::to_owned);
    let (listen_port, app_port) = (reader.port("listen-port"), reader.port("app-port"));
    let operations_port = reader.port("operations-port").unwrap_or(defaults.operations_port);
    let (app_port_env, app_host_env) = (reader.variable("app-port-env"), reader.variable("app-host-env"));
    let mut resources = defaults.resources.clone();
    reader.quantities(&mut resources);
    if config_map.is_none() && !annotations.contains_key("doorward.dev/config") {
        reader.refusals.push(Refusal::NoConfig);
    }
    match config_map {
        Some(config_map) if reader.refusals.is_empty() => Ok(Wish {
            config_map,
            secret,
            tls_secret,
            port,
            container,
            listen_port,
            operations_port,
            app_port,
            app_port_env,
            app_host_env,
            resources,
        }),
        _ => Err(reader.refusals),
    }
}

struct Reader<'a> {
    annotations: &'a Map<String, Value>,
    refusals: Vec<Refusal>,
}

impl<'a> Reader<'a> {
    fn only_known(&mut self) {
        for key in self.annotations.keys().filter_map(|key| key.strip_prefix(PREFIX)) {
            if !KNOWN.contains(&key) {
                let closest = KNOWN.iter().min_by_key(|known| strsim::damerau_levenshtein(key, known));
                let close = closest.filter(|known| strsim::damerau_levenshtein(key, known) <= 3);
                let hint = close.map(|known| format!(": did you mean {PREFIX}{known}?")).unwrap_or_default();
                self.refusals.push(Refusal::UnknownAnnotation(short(key), hint));
            }
        }
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.annotations.get(&format!("{PREFIX}{key}")).and_then(Value::as_str)
    }

    fn refuse<T>(&mut self, key: &'static str, value: &str, wanted: &'static str) -> Option<T> {
        self.refusals.push(Refusal::Malformed { key, value: short(value), wanted });
        None
    }

    fn name(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if is_object_name(text) {
            return Some(text.to_owned());
        }
        self.refuse(key, text, "write the name of an object of the pod's own namespace")
    }

    fn port(&mut self, key: &'static str) -> Option<u16> {
        let text = self.text(key)?;
        number(text).or_else(|| self.refuse(key, text, "write a number from 1 to 65535"))
    }

    fn quantities(&mut self, resources: &mut Resources) {
        for (table, keys) in [
            (&mut resources.requests, [("cpu-request", "cpu"), ("memory-request", "memory")]),
            (&mut resources.limits, [("cpu-limit", "cpu"), ("memory-limit", "memory")]),
        ] {
            for (key, name) in keys {
                let Some(text) = self.text(key) else { continue };
                if is_quantity(text) {
                    table.insert(name.to_owned(), text.to_owned());
                } else {
                    self.refuse::<()>(key, text, "write a quantity of Kubernetes, such as 250m or 128Mi");
                }
            }
        }
    }

    fn port_reference(&mut self) -> Option<PortReference> {
        let text = self.text("port")?;
        match number(text) {
            Some(number) => Some(PortReference::Number(number)),
            None if is_port_name(text) => Some(PortReference::Name(text.to_owned())),
            None => self.refuse("port", text, "write the name or the number of a container's port"),
        }
    }

    fn variable(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if letters && text.starts_with(|first: char| !first.is_ascii_digit()) && text.len() <= 128 {
            return Some(text.to_owned());
        }
        self.refuse(key, text, "write the name of an environment variable")
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// A positive quantity: digits, perhaps a fraction, and a suffix.
fn is_quantity(text: &str) -> bool {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let suffixes = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    text.len() <= 20 && digits(whole) && digits(fraction) && suffixes.contains(&suffix) && number.bytes().any(|byte| byte > b'0')
}

/// An IANA service name (RFC 6335 §5.1), as Kubernetes wants port names.
fn is_port_name(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = !text.starts_with('-') && !text.ends_with('-') && !text.contains("--");
    letters && hyphens && text.len() <= 15 && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// What of a text from outside is shown: its beginning, without what would begin a line.
fn short(text: &str) -> String {
    text.chars().take(60).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(annotations: &Value) -> Result<Wish, Vec<Refusal>> {
        wish(annotations.as_object().unwrap(), &Defaults::default())
    }

    #[test]
    fn only_true_and_false_say_whether_a_door_is_wanted() {
        let said = |value: Value| wanted(json!({ INJECT: value }).as_object());
        assert_eq!(said(json!("true")), Ok(Wanted::Yes));
        assert_eq!(said(json!("false")), Ok(Wanted::No));
        assert_eq!(wanted(None), Ok(Wanted::Unsaid));
        for odd in [json!("True"), json!("yes"), json!(""), json!(true)] {
            assert!(said(odd.clone()).is_err(), "{odd}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_annotations_is_said_at_once() {
        let refusals = read(&json!({
            "doorward.dev/conifg": "a",
            "doorward.dev/config": "door",
            "doorward.dev/secret": "other/secret",
            "doorward.dev/port": "-x-y-",
            "doorward.dev/app-port": "0",
            "doorward.dev/app-port-env": "A B",
        }))
        .unwrap_err();
        assert_eq!(refusals.len(), 5, "{refusals:?}");
        assert!(refusals[0].to_string().ends_with("did you mean doorward.dev/config?"), "{}", refusals[0]);
    }

    #[test]
    fn a_pod_says_what_its_sidecar_may_use_in_quantities_of_kubernetes() {
        let said = |key: &str, value: &str| {
            let mut annotations = json!({ "doorward.dev/config": "door" });
            annotations[format!("doorward.dev/{key}")] = json!(value);
            read(&annotations).map(|wish| wish.resources)
        };
        let usual = Defaults::default().resources;
        for good in ["1", "250m", "0.5", "128Mi", "1G"] {
            let resources = said("cpu-limit", good).unwrap();
            assert_eq!((resources.limits["cpu"].as_str(), &resources.limits["memory"]), (good, &usual.limits["memory"]));
            assert_eq!(resources.requests, usual.requests);
            assert_eq!(said("memory-request", good).unwrap().requests["memory"], good);
        }
        for bad in ["", "0", "0m", "-1", "1 ", "m", "1e3", "1.", ".5", "1KiB", "1\n", "1,5"] {
            for key in ["cpu-request", "cpu-limit", "memory-request", "memory-limit"] {
                assert!(said(key, bad).is_err(), "{key}: {bad:?}");
            }
        }
    }

    #[test]
    fn a_pod_names_only_what_is_in_its_own_namespace() {
        for elsewhere in ["kube-system/admin", "../admin", "a:b", "A", "admin\n", "`admin`", "{{admin}}", ""] {
            for key in ["doorward.dev/config", "doorward.dev/secret", "doorward.dev/tls-secret"] {
                let mut annotations = json!({ "doorward.dev/config": "door" });
                annotations[key] = json!(elsewhere);
                assert!(read(&annotations).is_err(), "{key}: {elsewhere:?}");
            }
        }
        assert_eq!(read(&json!({ "doorward.dev/config": "door" })).unwrap().config_map, "door");
    }
}
