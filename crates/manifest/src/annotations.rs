//! Settings that Kubernetes has no fields for, as annotations of the pod.
//!
//! They are in manifests only. A manifest that is read loses them: they move into the spec. A pod
//! that is shown or exported has them again. So a pod that is applied, shown and applied again has
//! the same spec.

use std::collections::BTreeMap;

use crate::server_annotations::{CONFIG_FILE, CONFIG_SOURCE, MANIFEST_ERROR, PREFIX, ServerMade};
use crate::{backoff, defaults, devices, evidence, log_limits, probe_settings};
use probelet_domain::spec::{NetworkMode, PodSpec, SpecError};

/// `probelet.io/OWNER.dependents: "a,b"`: these containers restart with the owner.
const DEPENDENTS: &str = ".dependents";
/// `probelet.io/network: none`: no CNI plugin connects the pod.
const NETWORK: &str = "network";
const NO_NETWORK: &str = "none";

/// The last part of the key of each setting that a manifest may have as an annotation.
pub fn settings() -> Vec<&'static str> {
    let of_owner = DEPENDENTS.trim_start_matches('.');
    let mut names = vec![NETWORK, of_owner];
    names.extend(evidence::NAMES);
    names.extend(backoff::names());
    names.extend(log_limits::NAMES);
    names.push(devices::DEVICES);
    names.extend(probe_settings::names());
    names
}

/// Moves the settings among the annotations into the spec, where they replace the fields in whole
/// seconds.
pub fn apply(spec: &mut PodSpec, errors: &mut Vec<SpecError>, warnings: &mut Vec<String>) {
    let is_read = |key: &&String| key.starts_with(PREFIX) || *key == CONFIG_SOURCE;
    let keys: Vec<_> = spec.annotations.keys().filter(is_read).cloned().collect();
    for key in keys {
        let field = format!("metadata.annotations[{key}]");
        let setting = key.strip_prefix(PREFIX).unwrap_or_default();
        let text = spec.annotations.remove(&key).unwrap_or_default();
        let read = evidence::read(spec, setting, &text)
            .or_else(|| backoff::read(spec, setting, &text))
            .or_else(|| log_limits::read(spec, setting, &text))
            .or_else(|| devices::read(spec, setting, &text))
            .or_else(|| probe_settings::read(spec, setting, &text));
        if let Some(read) = read {
            errors.extend(read.err().map(|why| SpecError::invalid(field, text, why)));
            continue;
        }
        let made = ServerMade::of(&key);
        if made.is_some_and(|(made, name)| defaults::unset_pull(spec, made, name)) {
            continue;
        }
        let is_of_pod = [CONFIG_SOURCE, CONFIG_FILE, MANIFEST_ERROR].contains(&key.as_str());
        if is_of_pod || made.is_some() {
            warnings.push(format!("{field}: ignored: made by the server"));
        } else if setting == NETWORK {
            match text.as_str() {
                NO_NETWORK => spec.network = NetworkMode::None,
                _ => errors.push(SpecError::unsupported(field, &text, &[NO_NETWORK])),
            }
        } else if let Some(owner) = setting.strip_suffix(DEPENDENTS) {
            let names = text.split(',').map(|name| name.trim().to_owned()).collect();
            spec.dependents.insert(owner.to_owned(), names);
        } else {
            let why = "names no known setting of a probe or container of this pod";
            errors.push(SpecError::new(field, why));
        }
    }
}

/// The field of an error, as a manifest names it; `None` if it is a field of Kubernetes.
pub fn field(spec: &PodSpec, field: &str) -> Option<String> {
    let owner = field.strip_prefix("spec.dependents[").and_then(|at| at.strip_suffix(']'));
    let setting = match owner {
        Some(owner) => format!("{owner}{DEPENDENTS}"),
        None if field == "spec.network" => NETWORK.to_owned(),
        None => evidence::setting_for(spec, field)
            .or_else(|| devices::setting_for(spec, field))
            .or_else(|| probe_settings::setting_for(spec, field))?,
    };
    Some(format!("metadata.annotations[{PREFIX}{setting}]"))
}

/// The annotations of the pod, with those of its settings that Kubernetes has no fields for.
pub fn render(spec: &PodSpec) -> BTreeMap<String, String> {
    let network =
        (spec.network == NetworkMode::None).then(|| (NETWORK.to_owned(), NO_NETWORK.to_owned()));
    let dependents = spec.dependents.iter();
    let dependents =
        dependents.map(|(owner, names)| (format!("{owner}{DEPENDENTS}"), names.join(",")));
    let containers = spec.all().flat_map(|container| {
        let all = evidence::render(container).into_iter().chain(backoff::render(container));
        let all = all.chain(log_limits::render(container)).chain(devices::render(container));
        all.chain(probe_settings::render(container))
    });
    let settings = network.into_iter().chain(dependents).chain(containers);
    let settings = settings.map(|(setting, value)| (format!("{PREFIX}{setting}"), value));
    spec.annotations.clone().into_iter().chain(settings).collect()
}
