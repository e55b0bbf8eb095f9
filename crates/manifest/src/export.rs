//! A pod → manifests that create it again, here or in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::annotations;
use crate::render::pod_spec;
use probelet_domain::spec::{EnvSource, ObjectKind, Part, PodSpec, Source, VolumeSource};

/// The manifests of a pod.
#[derive(Debug)]
pub struct Export {
    /// ConfigMaps, then the Pod.
    pub objects: Vec<Value>,
    /// Secrets that the pod needs, which are not exported.
    pub notes: Vec<String>,
}

/// Exports a pod with the ConfigMaps that it uses.
///
/// # Errors
///
/// If no manifest can describe the pod: it has a container that was created from an OCI spec, or its
/// manifest file has an error. The text is for people.
pub fn export(spec: &PodSpec) -> Result<Export, String> {
    if spec.containers.is_empty() {
        return Err(format!("there is no pod {:?} yet: its manifest is wrong", spec.name));
    }
    if let Some(bundle) = spec.all().find(|c| matches!(c.source, Source::Bundle { .. })) {
        let name = &bundle.name;
        return Err(format!("container {name:?} was made from an OCI spec, not from a manifest"));
    }
    let (maps, secrets) = used_objects(spec);
    let meta = |name: &str| ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(spec.namespace.clone()),
        ..ObjectMeta::default()
    };
    let mut objects = Vec::new();
    for (name, contents) in maps {
        let (mut data, mut binary) = (BTreeMap::new(), BTreeMap::new());
        for (key, bytes) in contents {
            match String::from_utf8(bytes) {
                Ok(text) => drop(data.insert(key, text)),
                Err(error) => drop(binary.insert(key, ByteString(error.into_bytes()))),
            }
        }
        let map = k8s::ConfigMap {
            metadata: meta(&name),
            data: Some(data),
            binary_data: (!binary.is_empty()).then_some(binary),
            ..k8s::ConfigMap::default()
        };
        objects.push(serde_json::to_value(map).map_err(|error| error.to_string())?);
    }
    let annotations = annotations::render(spec);
    let pod = k8s::Pod {
        metadata: ObjectMeta {
            labels: (!spec.labels.is_empty()).then(|| spec.labels.clone()),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..meta(&spec.name)
        },
        spec: Some(pod_spec(spec)),
        status: None,
    };
    objects.push(serde_json::to_value(pod).map_err(|error| error.to_string())?);
    let note = |(name, keys): (String, BTreeSet<String>)| {
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        format!("needs the secret {name:?} with the keys {keys}, which is not exported")
    };
    Ok(Export { objects, notes: secrets.into_iter().map(note).collect() })
}

type Maps = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// The used keys of ConfigMaps with their values, and those of Secrets.
fn used_objects(spec: &PodSpec) -> (Maps, BTreeMap<String, BTreeSet<String>>) {
    let (mut maps, mut secrets) = (Maps::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for var in spec.all().flat_map(|container| &container.env) {
        match &var.from {
            Some(EnvSource::ConfigMap { name, key }) => {
                maps.entry(name.clone())
                    .or_default()
                    .insert(key.clone(), var.value.clone().into_bytes());
            }
            Some(EnvSource::Secret { name, key }) => {
                secrets.entry(name.clone()).or_default().insert(key.clone());
            }
            Some(EnvSource::Field(_) | EnvSource::Resource(_)) | None => {}
        }
    }
    let files = spec.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Files(files) => Some(&files.parts),
        VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. } | VolumeSource::Image(_) => {
            None
        }
    });
    for part in files.flatten() {
        match part {
            // An optional object that was not applied with the pod.
            Part::Object { data, optional: true, .. } if data.is_empty() => {}
            Part::Object { kind: ObjectKind::ConfigMap, name, data, .. } => {
                let map = maps.entry(name.clone()).or_default();
                map.extend(data.iter().map(|(key, content)| (key.clone(), content.0.clone())));
            }
            Part::Object { kind: ObjectKind::Secret, name, data, .. } => {
                secrets.entry(name.clone()).or_default().extend(data.keys().cloned());
            }
            Part::DownwardApi(_) | Part::ServiceAccountToken(_) => {}
        }
    }
    (maps, secrets)
}
