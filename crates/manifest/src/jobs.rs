//! Jobs: the settings that the pod of one gets.

use serde_json::{Map, Value, json};

/// Kubernetes' default.
const BACKOFF_LIMIT: u64 = 6;
/// Milliseconds: the longest wait between two tries of a Job in Kubernetes.
const JOB_CAP: &str = "360000";

/// Gives the pod of a Job the settings of the Job: a try of the Job is a restart of the container,
/// with the back-off of a Job.
pub fn apply(
    template: &mut Map<String, Value>,
    deadline: Option<u64>,
    limit: Option<u64>,
    warnings: &mut Vec<String>,
) {
    let names: Vec<String> = below(template, "spec", |spec| {
        let of_pod = spec.get("activeDeadlineSeconds").and_then(Value::as_u64);
        if let Some(seconds) = of_pod.into_iter().chain(deadline).min() {
            spec.insert("activeDeadlineSeconds".to_owned(), json!(seconds));
        }
        if spec.get("restartPolicy").and_then(Value::as_str) == Some("Never") {
            let field = "spec.template.spec.restartPolicy";
            warnings.push(format!("{field}: Never: a next try is a restart of the container"));
            spec.insert("restartPolicy".to_owned(), json!("OnFailure"));
        }
        let lists = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list));
        let names = lists.filter_map(Value::as_array).flatten().filter_map(|c| c.get("name"));
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    });
    below(template, "metadata", |meta| {
        below(meta, "annotations", |annotations| {
            for (name, (setting, value)) in names.iter().flat_map(|name| {
                let limit = limit.unwrap_or(BACKOFF_LIMIT).to_string();
                // A try counts, however long it has run.
                let reset = u32::MAX.to_string();
                [
                    (name, ("maxRestarts", limit)),
                    (name, ("backoffCapMilliseconds", JOB_CAP.to_owned())),
                    (name, ("backoffResetMilliseconds", reset)),
                ]
            }) {
                let key = format!("probelet.io/{name}.{setting}");
                annotations.entry(key).or_insert_with(|| json!(value));
            }
        });
    });
}

/// Changes the mapping below `key`, which is made if there is none.
pub fn below<T>(
    map: &mut Map<String, Value>,
    key: &str,
    change: impl FnOnce(&mut Map<String, Value>) -> T,
) -> T {
    let mut inner = match map.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    let changed = change(&mut inner);
    map.insert(key.to_owned(), Value::Object(inner));
    changed
}
