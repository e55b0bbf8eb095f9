//! What Kubernetes' fields cannot say, as annotations: fractions of a second for probes, and on
//! the way out why a container ended last.
//!
//! They live in manifests only: read, they move into the spec; shown, they are made from it. So
//! what is applied, shown and applied again stays the same spec.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::spec::{ContainerSpec, PodSpec, ProbeKind, ProbeSpec, SpecError};

const PREFIX: &str = "probelet.io/";
const LAST_CAUSE: &str = "last-cause.";

/// Each time of a probe by its annotation's last word.
type Time = (&'static str, Get, Set);
type Get = fn(&ProbeSpec) -> Duration;
type Set = fn(&mut ProbeSpec, Duration);

const TIMES: [Time; 3] = [
    ("periodMilliseconds", |p| p.period, |p, value| p.period = value),
    ("timeoutMilliseconds", |p| p.timeout, |p, value| p.timeout = value),
    ("initialDelayMilliseconds", |p| p.initial_delay, |p, value| p.initial_delay = value),
];

pub(super) fn last_cause(container: &str) -> String {
    format!("{PREFIX}{LAST_CAUSE}{container}")
}

/// Takes up probelet's own annotations, which beat the fields in seconds.
pub(super) fn apply(spec: &mut PodSpec, errors: &mut Vec<SpecError>, warnings: &mut Vec<String>) {
    let own = |key: &String| key.starts_with(PREFIX);
    let keys: Vec<_> = spec.annotations.keys().filter(|k| own(k)).cloned().collect();
    for key in keys {
        let field = format!("metadata.annotations[{key}]");
        let word = key.strip_prefix(PREFIX).unwrap_or_default();
        let text = spec.annotations.remove(&key).unwrap_or_default();
        if word.starts_with(LAST_CAUSE) {
            warnings.push(format!("{field}: ignored: made by the server"));
            continue;
        }
        let Some((probe, set)) = target(&mut spec.containers, word) else {
            errors.push(SpecError::new(field, "names no known setting of a probe of this pod"));
            continue;
        };
        match text.parse::<u32>() {
            Ok(millis) => set(probe, Duration::from_millis(u64::from(millis))),
            Err(_) => errors.push(SpecError::invalid(field, text, "must be whole milliseconds")),
        }
    }
}

/// `app.liveness.periodMilliseconds` → that probe, and how to set that time.
fn target<'a>(containers: &'a mut [ContainerSpec], word: &str) -> Option<(&'a mut ProbeSpec, Set)> {
    let mut parts = word.rsplitn(3, '.');
    let (time, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let set = TIMES.iter().find(|(word, ..)| *word == time).map(|(_, _, set)| *set)?;
    let container = containers.iter_mut().find(|c| c.name == name)?;
    let probe = match kind {
        "startup" => container.probes.startup.as_mut(),
        "readiness" => container.probes.readiness.as_mut(),
        "liveness" => container.probes.liveness.as_mut(),
        _ => None,
    }?;
    Some((probe, set))
}

/// The pod's annotations, and with them whatever of its probes seconds cannot say.
pub(super) fn export(spec: &PodSpec) -> BTreeMap<String, String> {
    let mut all = spec.annotations.clone();
    for container in &spec.containers {
        for kind in ProbeKind::ALL {
            let Some(probe) = container.probes.get(kind) else { continue };
            for (word, get, _) in TIMES {
                let key = format!("{PREFIX}{}.{}.{word}", container.name, kind.lower());
                if get(probe).subsec_nanos() != 0 {
                    all.insert(key, get(probe).as_millis().to_string());
                }
            }
        }
    }
    all
}
