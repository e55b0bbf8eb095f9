//! The objects of one apply, which may refer to each other.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::bounds::Budget;
use crate::manifest_error::{ManifestError, Refused};
use crate::objects::Objects;
use crate::parse::{Parsed, parse_with, validate};
use crate::{kinds, unsupported_kinds};
use probelet_domain::advice::{Advice, advise};
use probelet_domain::pod_key::PodKey;
use probelet_domain::spec::{HostPort, PodSpec, SpecError, Validated};

/// The pods of several objects, and the findings. An index is that of an object in the input.
#[derive(Debug, Default)]
pub struct Batch {
    /// The pods, of which each object has at most one.
    pub pods: Vec<(usize, Validated<PodSpec>)>,
    /// The errors. If there is one, no pod must be applied.
    pub errors: Vec<(usize, SpecError)>,
    /// `field: ignored: why`, for people.
    pub warnings: Vec<(usize, String)>,
    /// Settings that are probably not meant so.
    pub advice: Vec<(usize, Advice)>,
    /// The number of objects that were left out, such as Services.
    pub others: usize,
    /// The path of the pod in each object that has one.
    prefixes: BTreeMap<usize, &'static str>,
}

/// Reads objects of any supported kind, which may be owned or borrowed. `uid` is called for each pod
/// and gives a new pod its UID. A bound that is exceeded ends the reading with one error.
pub fn batch<V: Borrow<Value>>(
    values: impl IntoIterator<Item = V>,
    uid: impl FnMut() -> String,
) -> Batch {
    batch_with(values, uid, Objects::default())
}

/// Works as [`batch`] for pods of the Kubernetes API. The ConfigMaps and Secrets among the objects are
/// those that it stores; a pod may refer to others too, and its spec says what is missing.
pub fn batch_of_stored<V: Borrow<Value>>(
    values: impl IntoIterator<Item = V>,
    uid: impl FnMut() -> String,
) -> Batch {
    batch_with(values, uid, Objects::stored())
}

fn batch_with<V: Borrow<Value>>(
    values: impl IntoIterator<Item = V>,
    mut uid: impl FnMut() -> String,
    mut objects: Objects,
) -> Batch {
    let mut batch = Batch::default();
    let mut with_pods = Vec::new();
    let mut kept = Vec::new();
    let mut budget = Budget::default();
    for (index, given) in values.into_iter().enumerate() {
        let value: &Value = given.borrow();
        if let Err(error) = budget.object().and_then(|()| budget.whole(value)) {
            batch.errors.push((index, error));
            return batch;
        }
        if let Some(warning) = unsupported_kinds::left_out(value) {
            batch.others += 1;
            batch.warnings.push((index, warning));
            continue;
        }
        match objects.take(value) {
            None => with_pods.push((index, given)),
            Some(Ok(key)) => kept.push((index, key)),
            Some(Err(errors)) => batch.fail(index, errors),
        }
    }
    let mut named = BTreeSet::new();
    for (index, value) in with_pods {
        match one(value.borrow(), uid(), &objects) {
            Err(Refused { errors, warnings }) => {
                batch.warnings.extend(warnings.into_iter().map(|warning| (index, warning)));
                batch.fail(index, ManifestError(errors));
            }
            Ok(Read { pod, prefix, warnings, advice }) => {
                batch.prefixes.insert(index, prefix);
                batch.warnings.extend(warnings.into_iter().map(|warning| (index, warning)));
                batch.advice.extend(advice.into_iter().map(|advice| (index, advice)));
                if named.insert(pod.key()) {
                    batch.pods.push((index, pod));
                } else {
                    let error = SpecError::duplicate("metadata.name", &pod.name);
                    batch.errors.push((index, error));
                }
            }
        }
    }
    batch.check_ports();
    for (index, key) in kept.into_iter().filter(|(_, key)| !objects.is_used(key)) {
        let text = format!("{}/{}: ignored: no pod of this apply uses it", key.0.name(), key.2);
        batch.warnings.push((index, text));
    }
    batch
}

impl Batch {
    /// The path in its object of a field of the pod with this index.
    pub fn field(&self, index: usize, field: &str) -> String {
        kinds::within_object(self.prefixes.get(&index).copied().unwrap_or_default(), field)
    }

    fn check_ports(&mut self) {
        let mut clashes = Vec::new();
        let mut taken: HashMap<_, Vec<(HostPort, PodKey)>> = HashMap::new();
        for (index, pod) in &self.pods {
            let key = pod.key();
            for (field, port) in pod.host_ports() {
                let others = taken.entry((port.host_port, port.protocol.clone())).or_default();
                let is_taken =
                    |(other, owner): &&(HostPort, PodKey)| *owner != key && other.clashes(&port);
                if let Some((_, owner)) = others.iter().find(is_taken) {
                    clashes.push((*index, port.taken(self.field(*index, &field), owner)));
                }
                others.push((port, key.clone()));
            }
        }
        self.errors.append(&mut clashes);
    }

    fn fail(&mut self, index: usize, errors: ManifestError) {
        self.errors.extend(errors.0.into_iter().map(|error| (index, error)));
    }
}

struct Read {
    pod: Validated<PodSpec>,
    prefix: &'static str,
    warnings: Vec<String>,
    advice: Vec<Advice>,
}

fn one(value: &Value, uid: String, objects: &Objects) -> Result<Read, Refused> {
    let unwrapped = kinds::unwrap(value)?;
    let with_paths = |warnings: Vec<String>| -> Vec<String> {
        let of_pod = warnings.iter().map(|warning| unwrapped.field(warning));
        unwrapped.warnings.iter().cloned().chain(of_pod).collect()
    };
    let refused = |errors: Vec<SpecError>, warnings: Vec<String>| {
        let located =
            |error: SpecError| SpecError { field: unwrapped.field(&error.field), ..error };
        Refused {
            errors: errors.into_iter().map(located).collect(),
            warnings: with_paths(warnings),
        }
    };
    let Parsed { spec, warnings } = parse_with(&unwrapped.pod, uid, objects)
        .map_err(|Refused { errors, warnings }| refused(errors, warnings))?;
    let pod = validate(spec).map_err(|errors| refused(errors.0, warnings.clone()))?;
    let advice = advise(&pod).into_iter();
    let located = |advice: Advice| Advice { field: unwrapped.field(&advice.field), ..advice };
    let advice = advice.map(located).collect();
    Ok(Read { pod, prefix: unwrapped.prefix, warnings: with_paths(warnings), advice })
}
