//! Manifests on a person's disk: what would become of the pods that they describe.
//!
//! Refuses what is not YAML or JSON; objects without pods pass as they are, so that a whole application can be piped through.

use json_patch::Patch;
use serde::Deserialize as _;
use serde_json::Value;

use super::settings::Settings;
use super::verdict::{Verdict, judge};

/// How deep lists may hold lists.
const DEEPEST: usize = 4;

/// An object and what became of its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// With doors.
    pub object: Value,
    pub patch: Patch,
    /// For each pod or template: what it is called and its verdict.
    pub verdicts: Vec<(String, Verdict)>,
}

/// The objects of a text of one or several documents.
///
/// # Errors
/// When it is not YAML, or no YAML that JSON could say.
pub fn objects(text: &str) -> Result<Vec<Value>, serde_yaml::Error> {
    let documents: Result<Vec<Value>, _> = serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect();
    Ok(documents?.into_iter().filter(|document| !document.is_null()).collect())
}

/// What becomes of an object and of the objects in it.
#[must_use]
pub fn outcome(object: &Value, settings: &Settings) -> Outcome {
    let mut after = object.clone();
    let mut verdicts = Vec::new();
    visit(&mut after, settings, &mut verdicts, 0);
    Outcome { patch: json_patch::diff(object, &after), object: after, verdicts }
}

fn visit(object: &mut Value, settings: &Settings, verdicts: &mut Vec<(String, Verdict)>, depth: usize) {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.ends_with("List") && depth < DEEPEST {
        let items = object.get_mut("items").and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(|item| visit(item, settings, verdicts, depth + 1));
        return;
    }
    let place = match kind.as_str() {
        "Pod" => "",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        "PodTemplate" => "/template",
        _ => return,
    };
    let metadata = object.get("metadata");
    let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
    let name = format!("{}/{}", kind.to_lowercase(), text("name").or_else(|| text("generateName")).unwrap_or("?"));
    let Some(pod) = object.pointer_mut(place) else { return };
    let verdict = judge(pod, settings);
    if let Verdict::Injected { pod: with_door, .. } = &verdict {
        pod.clone_from(with_door);
    }
    verdicts.push((name, verdict));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::inject::Inject;

    const POD: &str = "
metadata: { annotations: { doorward.dev/inject: 'true', doorward.dev/config: door, doorward.dev/port: http } }
spec: { containers: [{ name: app, image: app, ports: [{ name: http, containerPort: 3000 }] }] }
";

    fn template(indent: usize) -> String {
        POD.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent))) + "\n"
    }

    #[test]
    fn every_kind_that_makes_pods_is_looked_into_and_nothing_else() {
        let settings = Settings::new(&Inject::for_trying("doorward:1".to_owned()));
        let text = format!(
            "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n{}---\nkind: Deployment\nspec:\n  template:\n{}---\n---\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n{}---\nkind: Service\nspec: {{}}\n",
            template(2),
            template(4),
            template(8),
        );
        let outcomes: Vec<_> = objects(&text).unwrap().iter().map(|object| outcome(object, &settings)).collect();
        let places = ["/items/0", "/spec/template", "/spec/jobTemplate/spec/template"];
        for (outcome, place) in outcomes.iter().zip(places) {
            let door = outcome.object.pointer(&format!("{place}/spec/initContainers/0/name"));
            assert_eq!(door, Some(&Value::from("doorward")), "{place}: {:?}", outcome.verdicts);
            let paths = serde_json::to_value(&outcome.patch).unwrap();
            assert!(paths.as_array().unwrap().iter().all(|one| one["path"].as_str().unwrap().starts_with(place)), "{paths}");
        }
        assert_eq!(outcomes.len(), 4);
        assert!(outcomes[3].patch.is_empty() && outcomes[3].verdicts.is_empty());
        assert!(objects("a: [").is_err());
    }
}
