//! What an unknown field was probably meant to be, by the table of fields.

use probelet_text::nearest::nearest;

use crate::fields::TABLE;
use crate::table_names::{PROBE, in_manifest, in_table};

/// The reason of the error of an unknown field: a near name beside it, or the place that has a field of
/// this name.
pub fn unknown_field(path: &str) -> String {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = pattern(parent);
    let siblings = siblings(&parent);
    if let Some(near) = nearest(name, siblings.iter().copied()) {
        return format!("unknown field: did you mean {near:?}?");
    }
    match elsewhere(name, &parent) {
        Some(place) => format!("unknown field: it is a field of {place}"),
        None => "unknown field".to_owned(),
    }
}

/// `spec.initContainers[0].livenessProbe` → `spec.containers[].<probe>`. A pod template of a workload is
/// read as a pod.
fn pattern(path: &str) -> String {
    let path = path.strip_prefix("spec.jobTemplate.").unwrap_or(path);
    let path = path.strip_prefix("spec.template.").unwrap_or(path);
    let mut parts = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let name = part.split('[').next().unwrap_or(part);
        let index = if part.contains('[') { "[]" } else { "" };
        parts.push(format!("{}{index}", in_table(name)));
    }
    parts.join(".")
}

/// The names of the fields directly below a field of the table.
fn siblings(parent: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (path, _) in TABLE {
        let below = match parent {
            "" => Some(*path),
            parent => path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.')),
        };
        if let Some(name) = below.and_then(|rest| rest.split(['.', '[']).next()) {
            names.extend(in_manifest(name));
        }
    }
    names
}

/// The field, as in a manifest, that has a field of this name below it.
fn elsewhere(name: &str, parent: &str) -> Option<String> {
    let wanted = in_table(name);
    let has_it = |path: &&str| path.split('.').any(|part| part.trim_end_matches("[]") == wanted);
    let (path, _) = TABLE.iter().find(|(path, _)| has_it(path) && !path.starts_with("status"))?;
    let parts = path.split('.').take_while(|part| part.trim_end_matches("[]") != wanted);
    let place = parts.collect::<Vec<_>>().join(".").replace(PROBE, "livenessProbe");
    (!place.is_empty() && pattern(&place) != parent).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_or_its_place_is_named() {
        for (path, expected) in [
            ("spec.containers[0].livenessProb", ": did you mean \"livenessProbe\"?"),
            ("spec.initContainers[1].imag", ": did you mean \"image\"?"),
            ("spec.containers[0].startupProbe.periodSecond", ": did you mean \"periodSeconds\"?"),
            ("spec.containers[0].livenessProbe.httpGet.paht", ": did you mean \"path\"?"),
            ("spec.initContainer", ": did you mean \"initContainers\"?"),
            ("spec.template.spec.hostNam", ": did you mean \"hostname\"?"),
            ("spec.livenessProbe", ": it is a field of spec.containers[]"),
            ("spec.containers[0].httpGet", ": it is a field of spec.containers[].livenessProbe"),
            ("spec.containers[0].nodeName", ": it is a field of spec"),
            ("spec.xyzzy", ""),
        ] {
            assert_eq!(unknown_field(path), format!("unknown field{expected}"), "{path}");
        }
    }
}
