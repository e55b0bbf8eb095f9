//! The ConfigMaps and Secrets that a live pod has copies of.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use probelet_domain::spec::{EnvSource, ObjectKind, Part, PodSpec, VolumeSource};

type Contents = BTreeMap<(ObjectKind, String), BTreeMap<String, ByteString>>;

/// Makes the objects of which a live pod uses values, with these values alone. A changed manifest of
/// the pod can be read with them. The credentials of pulls are not among them.
pub fn live_sources(spec: &PodSpec) -> Vec<Value> {
    let mut contents = Contents::new();
    let mut put = |kind, name: &str, key: &str, bytes: Vec<u8>| {
        let values: &mut BTreeMap<_, _> = contents.entry((kind, name.to_owned())).or_default();
        values.insert(key.to_owned(), ByteString(bytes));
    };
    for var in spec.all().flat_map(|container| &container.env) {
        let (kind, name, key) = match &var.from {
            Some(EnvSource::ConfigMap { name, key }) => (ObjectKind::ConfigMap, name, key),
            Some(EnvSource::Secret { name, key }) => (ObjectKind::Secret, name, key),
            Some(EnvSource::Field(_) | EnvSource::Resource(_)) | None => continue,
        };
        put(kind, name, key, var.value.clone().into_bytes());
    }
    for volume in &spec.volumes {
        let VolumeSource::Files(files) = &volume.source else { continue };
        for part in &files.parts {
            let Part::Object { kind, name, data, .. } = part else { continue };
            for (key, content) in data {
                put(*kind, name, key, content.0.clone());
            }
        }
    }
    let object = |((kind, name), data): ((ObjectKind, String), BTreeMap<_, _>)| {
        let namespace = Some(spec.namespace.clone());
        let metadata = ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() };
        let value = match kind {
            ObjectKind::ConfigMap => serde_json::to_value(k8s::ConfigMap {
                metadata,
                binary_data: Some(data),
                ..k8s::ConfigMap::default()
            }),
            ObjectKind::Secret => serde_json::to_value(k8s::Secret {
                metadata,
                data: Some(data),
                ..k8s::Secret::default()
            }),
        };
        value.ok()
    };
    contents.into_iter().filter_map(object).collect()
}
