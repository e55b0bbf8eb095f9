//! Volumes → Kubernetes' type.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::downward;
use crate::optional_fields::list;
use probelet_domain::quantity::show_whole;
use probelet_domain::spec::{
    DownwardField, DownwardItem, Files, Item, Medium, ObjectKind, Part, Volume, VolumeSource,
};

pub fn render(volume: &Volume) -> k8s::Volume {
    let mut out = k8s::Volume { name: volume.name.clone(), ..k8s::Volume::default() };
    match &volume.source {
        VolumeSource::EmptyDir { medium, size_limit } => {
            out.empty_dir = Some(k8s::EmptyDirVolumeSource {
                medium: (*medium == Medium::Memory).then(|| "Memory".to_owned()),
                size_limit: size_limit.map(|bytes| Quantity(show_whole(bytes))),
            });
        }
        VolumeSource::HostPath { path, kind } => {
            let type_ = Some(kind.as_str().to_owned());
            out.host_path = Some(k8s::HostPathVolumeSource { path: path.clone(), type_ });
        }
        VolumeSource::Files(files) => render_files(files, &mut out),
        VolumeSource::Image(image) => {
            out.image = Some(k8s::ImageVolumeSource {
                pull_policy: image.pull_policy.map(|policy| policy.as_str().to_owned()),
                reference: Some(image.reference.clone()),
            });
        }
    }
    out
}

fn render_files(files: &Files, out: &mut k8s::Volume) {
    let default_mode = signed(files.default_mode);
    if files.projected {
        let sources = list(&files.parts, render_projection);
        out.projected = Some(k8s::ProjectedVolumeSource { default_mode, sources });
        return;
    }
    match files.parts.first() {
        Some(Part::Object { kind: ObjectKind::ConfigMap, name, optional, items, .. }) => {
            out.config_map = Some(k8s::ConfigMapVolumeSource {
                default_mode,
                items: list(items, render_item),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Some(Part::Object { kind: ObjectKind::Secret, name, optional, items, .. }) => {
            out.secret = Some(k8s::SecretVolumeSource {
                default_mode,
                items: list(items, render_item),
                secret_name: Some(name.clone()),
                optional: optional.then_some(true),
            });
        }
        Some(Part::DownwardApi(items)) => {
            let items = list(items, render_downward);
            out.downward_api = Some(k8s::DownwardAPIVolumeSource { default_mode, items });
        }
        // It is in projected volumes only.
        Some(Part::ServiceAccountToken(_)) | None => {}
    }
}

fn render_projection(part: &Part) -> k8s::VolumeProjection {
    let mut out = k8s::VolumeProjection::default();
    match part {
        Part::Object { kind: ObjectKind::ConfigMap, name, optional, items, .. } => {
            out.config_map = Some(k8s::ConfigMapProjection {
                items: list(items, render_item),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Part::Object { kind: ObjectKind::Secret, name, optional, items, .. } => {
            out.secret = Some(k8s::SecretProjection {
                items: list(items, render_item),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Part::DownwardApi(items) => {
            let items = list(items, render_downward);
            out.downward_api = Some(k8s::DownwardAPIProjection { items });
        }
        Part::ServiceAccountToken(token) => {
            out.service_account_token = Some(k8s::ServiceAccountTokenProjection {
                audience: token.audience.clone(),
                expiration_seconds: Some(token.expiration_seconds),
                path: token.path.clone(),
            });
        }
    }
    out
}

fn render_item(item: &Item) -> k8s::KeyToPath {
    let mode = item.mode.and_then(signed);
    k8s::KeyToPath { key: item.key.clone(), mode, path: item.path.clone() }
}

fn render_downward(item: &DownwardItem) -> k8s::DownwardAPIVolumeFile {
    let resource = match &item.field {
        DownwardField::Resource(field) => Some(downward::render_resource(field)),
        DownwardField::One(_) | DownwardField::Labels | DownwardField::Annotations => None,
    };
    k8s::DownwardAPIVolumeFile {
        field_ref: item.field.path().map(downward::render_field),
        mode: item.mode.and_then(signed),
        path: item.path.clone(),
        resource_field_ref: resource,
    }
}

fn signed(mode: u32) -> Option<i32> {
    i32::try_from(mode).ok()
}
