//! The Helm chart: what it makes of its values is what Kubernetes takes, Doorward runs with, and nobody has to be afraid of.

mod configuration;
mod documented;
mod injector;
mod objects;
mod pods;
mod refusals;
mod sidecar;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_yaml::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    repository().join("helm/doorward")
}

/// The values that are tried, one file for each shape, and `None` for those of the chart itself.
fn shapes() -> Vec<Option<PathBuf>> {
    let folder = std::fs::read_dir(chart().join("ci")).unwrap();
    let shapes: Vec<_> = std::iter::once(None).chain(folder.map(|entry| Some(entry.unwrap().path()))).collect();
    assert!(shapes.len() > 8, "{shapes:?}");
    shapes
}

fn shape(name: &str) -> PathBuf {
    let file = chart().join("ci").join(name).with_extension("yaml");
    assert!(file.exists(), "{}", file.display());
    file
}

fn helm(arguments: &[&str], chart: &Path, values: Option<&Path>) -> Output {
    let mut helm = Command::new(repository().join("tests/parts/.tools/helm"));
    helm.args(arguments).arg(chart).args(["--namespace", "apps"]);
    if let Some(values) = values {
        helm.arg("-f").arg(values);
    }
    helm.output().unwrap_or_else(|error| panic!("helm: {error}; tests/setup installs it"))
}

/// Every object of the chart with these values, as text.
#[track_caller]
fn template(values: Option<&Path>, more: &[&str]) -> String {
    let output = helm(&[&["template", "door"], more].concat(), &chart(), values);
    assert!(output.status.success(), "{values:?} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn parsed(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|document| serde::Deserialize::deserialize(document).unwrap());
    documents.filter(|document: &Value| !document.is_null()).collect()
}

#[track_caller]
fn rendered(values: Option<&Path>, more: &[&str]) -> Vec<Value> {
    parsed(&template(values, more))
}

fn find<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

#[track_caller]
fn object<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    find(objects, kind).unwrap_or_else(|| panic!("no {kind} in {:?}", kinds(objects)))
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["kind"].as_str()).collect()
}

/// The pod that a workload is made of, or that an object is.
fn pod(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "Job" => Some(&object["spec"]["template"]["spec"]),
        "Pod" => Some(&object["spec"]),
        _ => None,
    }
}
