//! What becomes of a pod: the one decision of this door.
//!
//! Refuses a pod that asks for a door and cannot have one; judging an injected pod again changes nothing, because API servers ask again
//! when another webhook has changed the pod.

use json_patch::Patch;
use serde_json::{Map, Value};

use super::pod;
use super::port::Takeover;
use super::refusal::Refusal;
use super::settings::Settings;
use super::wish::{INJECT, INJECTED, Wanted, Wish, wanted, wish};
use super::{port, probe, sidecar};

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It wants no door.
    Untouched { warnings: Vec<String> },
    /// It has one already.
    Already,
    /// It gets one.
    Injected { pod: Value, warnings: Vec<String> },
    /// It wants one and cannot have it; at least one reason.
    Refused(Vec<Refusal>),
}

impl Verdict {
    /// What has to be done to `before` (RFC 6902); empty: nothing.
    #[must_use]
    pub fn patch(&self, before: &Value) -> Patch {
        match self {
            Self::Injected { pod, .. } => json_patch::diff(before, pod),
            Self::Untouched { .. } | Self::Already | Self::Refused(_) => Patch::default(),
        }
    }

    /// The outcome in a word, for logs and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Untouched { .. } => "untouched",
            Self::Already => "already_injected",
            Self::Injected { .. } => "injected",
            Self::Refused(_) => "refused",
        }
    }
}

/// Judges a pod by what it says and what everybody's doors have in common.
#[must_use]
pub fn judge(pod: &Value, settings: &Settings) -> Verdict {
    match judged(pod, settings) {
        Ok(verdict) => verdict,
        Err(refusals) => Verdict::Refused(refusals),
    }
}

fn judged(pod: &Value, settings: &Settings) -> Result<Verdict, Vec<Refusal>> {
    let one = |refusal| vec![refusal];
    let annotations = pod::annotations(pod).map_err(one)?;
    let wanted = wanted(annotations).map_err(one)?;
    let opted_out = pod::label(pod, INJECT) == Some("false");
    match wanted {
        Wanted::No => return Ok(Verdict::Untouched { warnings: Vec::new() }),
        Wanted::Unsaid if opted_out || !settings.defaults.inject => return Ok(Verdict::Untouched { warnings: Vec::new() }),
        Wanted::Yes if opted_out => {
            let warning =
                format!("doorward: no door, because the label {INJECT} is \"false\", though the annotation is \"true\"");
            return Ok(Verdict::Untouched { warnings: vec![warning] });
        }
        Wanted::Yes | Wanted::Unsaid => {}
    }
    let none = Map::new();
    let annotations = annotations.unwrap_or(&none);
    let wish = wish(annotations, &settings.defaults)?;
    check_kind(pod).map_err(one)?;
    let marked = annotations.contains_key(INJECTED) && pod::container(pod, sidecar::NAME).map_err(one)?.is_some();
    if marked { renew(pod, &wish, settings) } else { inject(pod, &wish, settings) }.map_err(one)
}

/// A pod with a door: API servers ask again when another webhook has changed it, and people copy what they find in a cluster, which may be
/// old.
fn renew(pod: &Value, wish: &Wish, settings: &Settings) -> Result<Verdict, Refusal> {
    let takeover = port::decided(pod, wish)?;
    let mut after = pod.clone();
    sidecar::renew(&mut after, wish, &takeover, settings)?;
    if after == *pod {
        return Ok(Verdict::Already);
    }
    mark(&mut after)?;
    let warning =
        "doorward: the pod came with a door that is not as this injector makes it, and was given one that is".to_owned();
    Ok(Verdict::Injected { pod: after, warnings: vec![warning] })
}

fn inject(pod: &Value, wish: &Wish, settings: &Settings) -> Result<Verdict, Refusal> {
    sidecar::check_room(pod)?;
    let takeover = port::decide(pod, wish, &settings.defaults)?;
    let mut after = pod.clone();
    takeover.change_app(&mut after, wish)?;
    probe::follow(&mut after, &takeover, wish.app_host_env.is_some())?;
    sidecar::add(&mut after, wish, &takeover, settings)?;
    mark(&mut after)?;
    Ok(Verdict::Injected { pod: after, warnings: warnings(pod, wish, &takeover) })
}

fn mark(pod: &mut Value) -> Result<(), Refusal> {
    let metadata = pod::section(pod.as_object_mut().ok_or(Refusal::Shape("object"))?, "metadata", "metadata")?;
    let annotations = pod::section(metadata, "annotations", "metadata.annotations")?;
    annotations.insert(INJECTED.to_owned(), env!("CARGO_PKG_VERSION").into());
    Ok(())
}

/// Pods in which a sidecar cannot stand.
fn check_kind(pod: &Value) -> Result<(), Refusal> {
    let spec = pod::spec(pod)?;
    if pod::containers(pod, pod::CONTAINERS)?.is_empty() {
        return Err(Refusal::Shape("spec.containers"));
    }
    if spec.get("hostNetwork").and_then(Value::as_bool) == Some(true) {
        return Err(Refusal::HostNetwork);
    }
    let system = pod::object(spec, "os", "spec.os")?.and_then(|os| pod::text(os, "name"));
    let selected =
        pod::object(spec, "nodeSelector", "spec.nodeSelector")?.and_then(|labels| pod::text(labels, "kubernetes.io/os"));
    if system == Some("windows") || selected == Some("windows") {
        return Err(Refusal::Windows);
    }
    Ok(())
}

/// What the pod's author should know. Each below 256 characters, which is what API servers pass on.
fn warnings(pod: &Value, wish: &Wish, takeover: &Takeover) -> Vec<String> {
    let is_set = |key: &str| pod.get("spec").and_then(|spec| spec.get(key)).and_then(Value::as_bool) == Some(true);
    let mut warnings = Vec::new();
    if wish.app_host_env.is_none() {
        let app = takeover.app;
        let service = match &takeover.name {
            Some(name) if !takeover.moves_app() => format!(", by a Service with targetPort: {app} instead of {name} too,"),
            _ => String::new(),
        };
        warnings.push(format!(
            "doorward: port {app} of the application stays reachable past the door at the pod's own address{service} unless it listens on 127.0.0.1 only or a NetworkPolicy closes it"
        ));
    }
    if is_set("shareProcessNamespace") || is_set("hostPID") {
        warnings.push("doorward: containers that share processes may read the door's secrets".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests;
