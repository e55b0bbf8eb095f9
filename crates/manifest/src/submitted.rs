//! Pods that clients of the Kubernetes API write: the object is kept beside the spec that is made of
//! it, and given back.

use serde_json::{Map, Value, json};

use crate::batch::{Batch, batch, batch_of_stored};
use crate::manifest_error::ManifestError;
use crate::server_annotations::{CONFIG_FILE, CONFIG_SOURCE, MANIFEST_ERROR, ServerMade};
use probelet_domain::spec::{PodSpec, SpecError, Submitted, Validated};

/// Most bytes of an object that is kept, as JSON.
const MAX_OBJECT: usize = 64 * 1024;
/// The parts of `metadata` that a client sets, beside the name.
const METADATA: [&str; 5] =
    ["labels", "annotations", "ownerReferences", "generateName", "finalizers"];

/// The ConfigMaps and Secrets that a pod refers to.
#[derive(Debug)]
pub enum SourceObjects {
    /// Copies that the live pod has: see [`live_sources`](crate::live_sources).
    Copies(Vec<Value>),
    /// Objects that the Kubernetes API stores, of which some may be missing.
    Stored(Vec<Value>),
}

/// The pod that an object asks for, and the fields of it that have no effect here.
#[derive(Debug)]
pub struct Submission {
    /// The pod, with the object.
    pub pod: Validated<PodSpec>,
    /// `field: ignored: why`, for people.
    pub warnings: Vec<String>,
}

/// Makes a pod of an object that has its defaults. `managers` is kept with the object.
///
/// # Errors
///
/// All errors of the object, and one if it is too large.
pub fn submit(
    object: &Value,
    uid: &str,
    managers: String,
    sources: SourceObjects,
) -> Result<Submission, ManifestError> {
    let kept = written(object);
    let text = kept.to_string();
    if text.len() > MAX_OBJECT {
        let why = format!("Too long: may not be more than {MAX_OBJECT} bytes, as JSON");
        return Err(SpecError::new("metadata", why).into());
    }
    let manifest = manifest(object);
    let uid = || uid.to_owned();
    let with = |sources: Vec<Value>| std::iter::once(manifest).chain(sources);
    let read = match sources {
        SourceObjects::Copies(sources) => batch(with(sources), uid),
        SourceObjects::Stored(sources) => batch_of_stored(with(sources), uid),
    };
    let Batch { mut pods, errors, warnings, .. } = read;
    let errors: Vec<_> = errors.into_iter().map(|(_, error)| error).collect();
    let (Some((_, pod)), true) = (pods.pop(), errors.is_empty()) else {
        return Err(ManifestError(errors));
    };
    let generation = object.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or(1);
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
    let finalizers = finalizers.map(str::to_owned).collect();
    let submitted = Submitted { object: text, managers, generation, finalizers };
    let warnings = warnings.into_iter().filter(|(index, _)| *index == 0);
    Ok(Submission {
        pod: pod.submitted_as(submitted),
        warnings: warnings.map(|(_, warning)| warning).collect(),
    })
}

/// What a client set in an object, without what the server makes.
pub fn written(object: &Value) -> Value {
    let mut metadata = part(object, "metadata", &METADATA);
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|key, _| !is_server_made(key));
    }
    json!({"metadata": metadata, "spec": spec(object)})
}

/// The object as a manifest that is read: without the annotations that only describe the pod.
fn manifest(object: &Value) -> Value {
    let fields = ["name", "namespace", "labels", "annotations"];
    let mut metadata = part(object, "metadata", &fields);
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        let is_mark = |key: &str| {
            let made = ServerMade::of(key).map(|(made, _)| made);
            matches!(made, Some(ServerMade::DefaultPull | ServerMade::DefaultVolumePull))
        };
        annotations.retain(|key, _| !is_server_made(key) || is_mark(key));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec(object)})
}

/// The spec without the node, which the server sets.
fn spec(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
    }
    spec
}

fn part(object: &Value, name: &str, fields: &[&str]) -> Map<String, Value> {
    let part = object.get(name).and_then(Value::as_object);
    let found = fields.iter().filter_map(|field| {
        let value = part?.get(*field)?;
        Some(((*field).to_owned(), value.clone()))
    });
    found.collect()
}

fn is_server_made(key: &str) -> bool {
    [CONFIG_SOURCE, CONFIG_FILE, MANIFEST_ERROR].contains(&key) || ServerMade::of(key).is_some()
}

/// Gives a rendered pod the object that was kept. The status, the node, and the annotations of the
/// server are those of the rendered pod.
pub fn overlay(pod: &mut Value, submitted: &Submitted) {
    let Ok(mut kept) = serde_json::from_str::<Value>(&submitted.object) else { return };
    let Some(pod) = pod.as_object_mut() else { return };
    let node = pod.get("spec").and_then(|spec| spec.get("nodeName")).cloned();
    if let Some(Value::Object(mut spec)) = kept.get_mut("spec").map(Value::take) {
        spec.extend(node.map(|node| ("nodeName".to_owned(), node)));
        pod.insert("spec".to_owned(), Value::Object(spec));
    }
    let (Some(Value::Object(metadata)), Some(Value::Object(mut fields))) =
        (pod.get_mut("metadata"), kept.get_mut("metadata").map(Value::take))
    else {
        return;
    };
    let made = match metadata.remove("annotations") {
        Some(Value::Object(annotations)) => annotations,
        _ => Map::new(),
    };
    let made = made.into_iter().filter(|(key, _)| is_server_made(key));
    let mut annotations = match fields.remove("annotations") {
        Some(Value::Object(annotations)) => annotations,
        _ => Map::new(),
    };
    annotations.extend(made);
    metadata.remove("labels");
    metadata.extend(fields);
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
}

/// Changes a kept object as the spec of its pod was changed. `before` and `after` are the pod as it
/// is rendered from the spec alone. The generation grows with a change of `spec`.
pub fn follow(submitted: &Submitted, before: &Value, after: &Value) -> Submitted {
    let Ok(mut kept) = serde_json::from_str::<Value>(&submitted.object) else {
        return submitted.clone();
    };
    for part in ["spec", "metadata"] {
        let (Some(place), Some(before), Some(after)) =
            (kept.get_mut(part), before.get(part), after.get(part))
        else {
            continue;
        };
        change(place, before, after);
    }
    let is_changed = before.get("spec") != after.get("spec");
    let generation = submitted.generation.saturating_add(u64::from(is_changed));
    Submitted { object: kept.to_string(), generation, ..submitted.clone() }
}

/// Carries out on `place` the difference of two values. The depth is that of a rendered pod.
fn change(place: &mut Value, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    match (place, before, after) {
        (Value::Object(place), Value::Object(before), Value::Object(after)) => {
            for key in before.keys().filter(|key| !after.contains_key(*key)) {
                place.remove(key);
            }
            for (key, after) in after {
                let before = before.get(key).unwrap_or(&Value::Null);
                change(place.entry(key.clone()).or_insert(Value::Null), before, after);
            }
            place.retain(|_, value| !value.is_null());
        }
        (Value::Array(place), Value::Array(before), Value::Array(after))
            if place.len() == before.len() && before.len() == after.len() =>
        {
            let pairs = place.iter_mut().zip(before.iter().zip(after));
            pairs.for_each(|(place, (before, after))| change(place, before, after));
        }
        (place, _, after) => *place = after.clone(),
    }
}

/// The fields of a pod's spec that have no effect here, such as `nodeSelector`.
pub fn ignored_fields() -> impl Iterator<Item = &'static str> {
    crate::fields::ignored_of_spec()
}
