//! A pod as JSON, looked at with care.
//!
//! Refuses a pod in which a part that matters has another shape than Kubernetes gives it; whatever else it holds is left as it is, so that
//! fields of later versions survive.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Where containers stand.
pub(super) const CONTAINERS: &str = "containers";
pub(super) const INIT_CONTAINERS: &str = "initContainers";

type Object = Map<String, Value>;

/// A part that may be absent or null.
pub(super) fn object<'p>(parent: &'p Object, key: &str, name: &'static str) -> Result<Option<&'p Object>, Refusal> {
    match parent.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => Ok(Some(part)),
        Some(_) => Err(Refusal::Shape(name)),
    }
}

/// A list of objects that may be absent or null.
pub(super) fn objects<'p>(parent: &'p Object, key: &str, name: &'static str) -> Result<Vec<&'p Object>, Refusal> {
    match parent.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_object().ok_or(Refusal::Shape(name))).collect(),
        Some(_) => Err(Refusal::Shape(name)),
    }
}

pub(super) fn text<'p>(parent: &'p Object, key: &str) -> Option<&'p str> {
    parent.get(key).and_then(Value::as_str)
}

pub(super) fn spec(pod: &Value) -> Result<&Object, Refusal> {
    pod.get("spec").and_then(Value::as_object).ok_or(Refusal::Shape("spec"))
}

/// A template may do without metadata.
pub(super) fn annotations(pod: &Value) -> Result<Option<&Object>, Refusal> {
    let pod = pod.as_object().ok_or(Refusal::Shape("object"))?;
    let metadata = object(pod, "metadata", "metadata")?;
    metadata.map_or(Ok(None), |metadata| object(metadata, "annotations", "metadata.annotations"))
}

pub(super) fn label<'p>(pod: &'p Value, key: &str) -> Option<&'p str> {
    pod.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The containers under this key, each with a name.
pub(super) fn containers<'p>(pod: &'p Value, key: &'static str) -> Result<Vec<(&'p str, &'p Object)>, Refusal> {
    let found = objects(spec(pod)?, key, if key == CONTAINERS { "spec.containers" } else { "spec.initContainers" })?;
    found.into_iter().map(|one| Ok((text(one, "name").ok_or(Refusal::Shape("name of a container"))?, one))).collect()
}

/// The container of this name, wherever it stands.
pub(super) fn container<'p>(pod: &'p Value, name: &str) -> Result<Option<&'p Object>, Refusal> {
    let all = [containers(pod, CONTAINERS)?, containers(pod, INIT_CONTAINERS)?].concat();
    Ok(all.into_iter().find(|(found, _)| *found == name).map(|(_, container)| container))
}

pub(super) fn is_native_sidecar(container: &Object) -> bool {
    text(container, "restartPolicy") == Some("Always")
}

/// The list under `key`, made if it is not there.
pub(super) fn list<'p>(parent: &'p mut Object, key: &str, name: &'static str) -> Result<&'p mut Vec<Value>, Refusal> {
    let slot = parent.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Array(Vec::new());
    }
    slot.as_array_mut().ok_or(Refusal::Shape(name))
}

/// The object under `key`, made if it is not there.
pub(super) fn section<'p>(parent: &'p mut Object, key: &str, name: &'static str) -> Result<&'p mut Object, Refusal> {
    let slot = parent.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().ok_or(Refusal::Shape(name))
}

pub(super) fn spec_mut(pod: &mut Value) -> Result<&mut Object, Refusal> {
    pod.get_mut("spec").and_then(Value::as_object_mut).ok_or(Refusal::Shape("spec"))
}

/// The containers under this key, to be changed.
pub(super) fn containers_mut<'p>(pod: &'p mut Value, key: &str) -> Result<Vec<&'p mut Object>, Refusal> {
    match spec_mut(pod)?.get_mut(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter_mut().map(|item| item.as_object_mut().ok_or(Refusal::Shape("spec.containers"))).collect()
        }
        Some(_) => Err(Refusal::Shape("spec.containers")),
    }
}
