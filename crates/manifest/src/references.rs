//! The ConfigMaps and Secrets that a pod refers to.

use std::collections::BTreeSet;

use serde_json::Value;

use probelet_domain::spec::ObjectKind;

/// Fields with a reference, and the field of the name in it.
const FIELDS: [(&str, ObjectKind, &str); 8] = [
    ("configMap", ObjectKind::ConfigMap, "name"),
    ("configMapKeyRef", ObjectKind::ConfigMap, "name"),
    ("configMapRef", ObjectKind::ConfigMap, "name"),
    ("secret", ObjectKind::Secret, "secretName"),
    // As a source of a projected volume.
    ("secret", ObjectKind::Secret, "name"),
    ("secretKeyRef", ObjectKind::Secret, "name"),
    ("secretRef", ObjectKind::Secret, "name"),
    ("imagePullSecrets", ObjectKind::Secret, "name"),
];

/// Lists the ConfigMaps and Secrets that a pod's spec names, in the pod's namespace. It may list more
/// than the pod uses.
pub fn references(pod: &Value) -> BTreeSet<(ObjectKind, String)> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Value> = pod.get("spec").into_iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                for (field, value) in fields {
                    let rows = FIELDS.iter().filter(|(name, ..)| name == field);
                    for (_, kind, of_name) in rows {
                        let one = std::slice::from_ref(value);
                        let all = value.as_array().map_or(one, Vec::as_slice).iter();
                        let names = all.filter_map(|it| it.get(of_name)?.as_str());
                        found.extend(names.map(|name| (*kind, name.to_owned())));
                    }
                    open.push(value);
                }
            }
            _ => {}
        }
    }
    found
}
