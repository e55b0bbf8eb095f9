//! The variables of a container in `describe pod`, with kubectl's texts. The value of a secret is not
//! part of a variable.

use k8s_openapi::api::core::v1::{Container, EnvVarSource, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::objects::text;
use super::printed::{Printed, cells, none_if, put};
use probelet_manifest::quantity;

pub fn environment(out: &mut Printed, container: &Container, meta: &ObjectMeta) {
    let variables = container.env.as_deref().unwrap_or_default();
    put!(out, "    Environment:{}", none_if(variables.is_empty()));
    for variable in variables {
        if let Some(from) = &variable.value_from {
            put!(out, "      {}:\t{}", variable.name, set_from(from, container, meta));
            continue;
        }
        for (i, line) in text(&variable.value).split('\n').enumerate() {
            match i {
                0 => put!(out, "      {}:\t{}", variable.name, line),
                _ => put!(out, "      \t{}", line),
            }
        }
    }
}

fn set_from(from: &EnvVarSource, container: &Container, meta: &ObjectMeta) -> Printed {
    if let Some(field) = &from.field_ref {
        let version = field.api_version.as_deref().unwrap_or("v1");
        let value = of_field(&field.field_path, meta);
        return cells!("{} ({}:{})", value, version, field.field_path);
    }
    if let Some(field) = &from.resource_field_ref {
        return cells!("{} ({})", of_resource(field, container), field.resource);
    }
    if let Some(map) = &from.config_map_key_ref {
        let optional = map.optional.unwrap_or(false);
        let (key, name) = (&map.key, &map.name);
        let of = cells!("<set to the key '{}' of config map '{}'>", key, name);
        return cells!("{}\tOptional: {}", of, optional);
    }
    if let Some(secret) = &from.secret_key_ref {
        let optional = secret.optional.unwrap_or(false);
        let (key, name) = (&secret.key, &secret.name);
        let of = cells!("<set to the key '{}' in secret '{}'>", key, name);
        return cells!("{}\tOptional: {}", of, optional);
    }
    Printed::default()
}

/// What is in the metadata; the rest only the container knows, as in kubectl.
fn of_field(path: &str, meta: &ObjectMeta) -> String {
    let value = match path {
        "metadata.name" => meta.name.as_ref(),
        "metadata.namespace" => meta.namespace.as_ref(),
        "metadata.uid" => meta.uid.as_ref(),
        subscripted => subscripted.strip_suffix("']").and_then(|path| {
            let (map, key) = path.split_once("['")?;
            match map {
                "metadata.labels" => meta.labels.as_ref()?.get(key),
                "metadata.annotations" => meta.annotations.as_ref()?.get(key),
                _ => None,
            }
        }),
    };
    value.cloned().unwrap_or_default()
}

fn of_resource(field: &ResourceFieldSelector, container: &Container) -> String {
    let resources = container.resources.as_ref();
    let (amounts, name) = match field.resource.split_once('.') {
        Some(("limits", name)) => (resources.and_then(|its| its.limits.as_ref()), name),
        Some(("requests", name)) => (resources.and_then(|its| its.requests.as_ref()), name),
        _ => return String::new(),
    };
    let read = if name == "cpu" { quantity::millis } else { quantity::whole };
    let number = |given: Option<&Quantity>| given.and_then(|given| read(&given.0).ok());
    let amount = number(amounts.and_then(|amounts| amounts.get(name))).unwrap_or_default();
    let one = if name == "cpu" { 1000 } else { 1 };
    let divisor = number(field.divisor.as_ref()).filter(|divisor| *divisor > 0).unwrap_or(one);
    match amount.div_ceil(divisor) {
        0 if field.resource.starts_with("limits.") => "node allocatable".to_owned(),
        count => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_source_as_kubectl_shows_it() {
        let field = |path: &str| json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": path } });
        let resource = |name: &str, divisor: &str| json!({ "resourceFieldRef": { "resource": name, "divisor": divisor } });
        let key = json!({ "name": "of", "key": "k" });
        let sources = [
            (field("metadata.name"), "web (v1:metadata.name)"),
            (field("metadata.labels['app']"), "shop (v1:metadata.labels['app'])"),
            (field("status.podIP"), " (v1:status.podIP)"),
            (resource("limits.cpu", "1m"), "1500 (limits.cpu)"),
            (resource("limits.cpu", "0"), "2 (limits.cpu)"),
            (resource("requests.memory", "1Mi"), "64 (requests.memory)"),
            (resource("limits.memory", "1"), "node allocatable (limits.memory)"),
            (
                json!({ "configMapKeyRef": key }),
                "<set to the key 'k' of config map 'of'>\tOptional: false",
            ),
            (
                json!({ "secretKeyRef": key }),
                "<set to the key 'k' in secret 'of'>\tOptional: false",
            ),
        ];
        let env: Vec<_> =
            sources.iter().map(|(from, _)| json!({ "name": "A", "valueFrom": from })).collect();
        let resources = json!({ "limits": { "cpu": "1500m" }, "requests": { "memory": "64Mi" } });
        let container =
            serde_json::from_value(json!({ "name": "c", "env": env, "resources": resources }));
        let meta = json!({ "name": "web", "labels": { "app": "shop" } });
        let mut out = Printed::default();
        environment(&mut out, &container.unwrap(), &serde_json::from_value(meta).unwrap());
        let expected = sources.map(|(_, shown)| format!("      A:\t{shown}\n"));
        assert_eq!(out, format!("    Environment:\n{}", expected.concat()));
    }
}
