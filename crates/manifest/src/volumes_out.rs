//! Volumes and their mounts as a manifest has them.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::downward;
use super::spec_out::list;
use probelet_domain::quantity::show_whole;
use probelet_domain::spec::{
    DownwardField, DownwardItem, Files, Item, Medium, ObjectKind, Part, Propagation,
    RecursiveReadOnly, SubPath, Volume, VolumeMount, VolumeSource,
};

pub(super) fn out(volume: &Volume) -> k8s::Volume {
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
        VolumeSource::Files(files) => files_out(files, &mut out),
        VolumeSource::Image(image) => {
            out.image = Some(k8s::ImageVolumeSource {
                pull_policy: image.pull_policy.map(|policy| policy.as_str().to_owned()),
                reference: Some(image.reference.clone()),
            });
        }
    }
    out
}

fn files_out(files: &Files, out: &mut k8s::Volume) {
    let default_mode = signed(files.default_mode);
    if files.projected {
        let sources = list(&files.parts, projection_out);
        out.projected = Some(k8s::ProjectedVolumeSource { default_mode, sources });
        return;
    }
    match files.parts.first() {
        Some(Part::Object { kind: ObjectKind::ConfigMap, name, optional, items, .. }) => {
            out.config_map = Some(k8s::ConfigMapVolumeSource {
                default_mode,
                items: list(items, item_out),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Some(Part::Object { kind: ObjectKind::Secret, name, optional, items, .. }) => {
            out.secret = Some(k8s::SecretVolumeSource {
                default_mode,
                items: list(items, item_out),
                secret_name: Some(name.clone()),
                optional: optional.then_some(true),
            });
        }
        Some(Part::DownwardApi(items)) => {
            let items = list(items, downward_out);
            out.downward_api = Some(k8s::DownwardAPIVolumeSource { default_mode, items });
        }
        None => {}
    }
}

fn projection_out(part: &Part) -> k8s::VolumeProjection {
    let mut out = k8s::VolumeProjection::default();
    match part {
        Part::Object { kind: ObjectKind::ConfigMap, name, optional, items, .. } => {
            out.config_map = Some(k8s::ConfigMapProjection {
                items: list(items, item_out),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Part::Object { kind: ObjectKind::Secret, name, optional, items, .. } => {
            out.secret = Some(k8s::SecretProjection {
                items: list(items, item_out),
                name: name.clone(),
                optional: optional.then_some(true),
            });
        }
        Part::DownwardApi(items) => {
            let items = list(items, downward_out);
            out.downward_api = Some(k8s::DownwardAPIProjection { items });
        }
    }
    out
}

fn item_out(item: &Item) -> k8s::KeyToPath {
    let mode = item.mode.and_then(signed);
    k8s::KeyToPath { key: item.key.clone(), mode, path: item.path.clone() }
}

fn downward_out(item: &DownwardItem) -> k8s::DownwardAPIVolumeFile {
    let resource = match &item.field {
        DownwardField::Resource(field) => Some(downward::resource_out(field)),
        DownwardField::One(_) | DownwardField::Labels | DownwardField::Annotations => None,
    };
    k8s::DownwardAPIVolumeFile {
        field_ref: item.field.path().map(downward::field_out),
        mode: item.mode.and_then(signed),
        path: item.path.clone(),
        resource_field_ref: resource,
    }
}

fn signed(mode: u32) -> Option<i32> {
    i32::try_from(mode).ok()
}

pub(super) fn mount_out(mount: &VolumeMount) -> k8s::VolumeMount {
    let (sub_path, sub_path_expr) = match &mount.sub_path {
        SubPath::None => (None, None),
        SubPath::Plain(path) => (Some(path.clone()), None),
        SubPath::Expr(text) => (None, Some(text.clone())),
    };
    let propagation = (mount.propagation != Propagation::None).then(|| mount.propagation.as_str());
    let recursive = mount.recursive_read_only;
    let recursive = (recursive != RecursiveReadOnly::Disabled).then(|| recursive.as_str());
    k8s::VolumeMount {
        mount_path: mount.mount_path.clone(),
        mount_propagation: propagation.map(str::to_owned),
        name: mount.name.clone(),
        read_only: mount.read_only.then_some(true),
        recursive_read_only: recursive.map(str::to_owned),
        sub_path,
        sub_path_expr,
    }
}
