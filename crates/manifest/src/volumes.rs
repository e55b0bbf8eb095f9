//! Kubernetes' volumes → the domain; `render/volume_sources.rs` is the way back.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::fields::NOT_YET;
use crate::object_refs::ObjectScope;
use crate::objects::Kind;
use crate::pull_policy;
use crate::volume_parts::{self, Errors, Reference, mode};
use probelet_domain::quantity;
use probelet_domain::spec::{
    Files, HostPathType, Medium, SpecError, Volume, VolumeImage, VolumeSource,
};

/// The mode of a file, as in Kubernetes.
const MODE: u32 = 0o644;

pub fn read(
    given: Option<Vec<k8s::Volume>>,
    objects: ObjectScope<'_>,
    errors: &mut Errors,
) -> Vec<Volume> {
    let given = given.unwrap_or_default().into_iter().enumerate();
    let convert = |(index, mut volume): (usize, k8s::Volume)| {
        let name = std::mem::take(&mut volume.name);
        let source = source(&format!("spec.volumes[{index}]"), volume, objects, errors);
        Volume { name, source }
    };
    given.map(convert).collect()
}

fn source(at: &str, v: k8s::Volume, objects: ObjectScope<'_>, errors: &mut Errors) -> VolumeSource {
    let given = [
        v.empty_dir.is_some(),
        v.host_path.is_some(),
        v.config_map.is_some(),
        v.secret.is_some(),
        v.downward_api.is_some(),
        v.projected.is_some(),
        v.image.is_some(),
    ];
    if given.iter().filter(|given| **given).count() > 1 {
        errors.push(SpecError::forbidden(at, "may not specify more than one volume type"));
    }
    let whole = |default_mode: Option<i32>, field: &str, parts, errors: &mut Errors| {
        let default_mode = mode(&format!("{at}.{field}.defaultMode"), default_mode, errors);
        let default_mode = default_mode.unwrap_or(MODE);
        VolumeSource::Files(Files { projected: field == "projected", default_mode, parts })
    };
    if let Some(host) = v.host_path {
        let text = host.type_.unwrap_or_default();
        let kind = HostPathType::ALL.into_iter().find(|kind| kind.as_str() == text);
        if kind.is_none() {
            let names = HostPathType::ALL.map(HostPathType::as_str);
            errors.push(SpecError::unsupported(format!("{at}.hostPath.type"), &text, &names));
        }
        let kind = kind.unwrap_or(HostPathType::Unset);
        return VolumeSource::HostPath { path: host.path, kind };
    }
    if let Some(map) = v.config_map {
        let reference = Reference { kind: Kind::ConfigMap, name: map.name, optional: map.optional };
        let part =
            volume_parts::object(&format!("{at}.configMap"), reference, map.items, objects, errors);
        return whole(map.default_mode, "configMap", vec![part], errors);
    }
    if let Some(secret) = v.secret {
        let name = secret.secret_name.unwrap_or_default();
        let reference = Reference { kind: Kind::Secret, name, optional: secret.optional };
        let part =
            volume_parts::object(&format!("{at}.secret"), reference, secret.items, objects, errors);
        return whole(secret.default_mode, "secret", vec![part], errors);
    }
    if let Some(downward) = v.downward_api {
        let part = volume_parts::downward(&format!("{at}.downwardAPI"), downward.items, errors);
        return whole(downward.default_mode, "downwardAPI", vec![part], errors);
    }
    if let Some(projected) = v.projected {
        let sources = projected.sources.unwrap_or_default().into_iter().enumerate();
        let parts = sources.filter_map(|(index, source)| {
            volume_parts::projection(
                &format!("{at}.projected.sources[{index}]"),
                source,
                objects,
                errors,
            )
        });
        let parts = parts.collect();
        return whole(projected.default_mode, "projected", parts, errors);
    }
    if let Some(image) = v.image {
        let policy = image.pull_policy.as_deref();
        return VolumeSource::Image(VolumeImage {
            reference: image.reference.unwrap_or_default(),
            pull_policy: pull_policy::read(&format!("{at}.image.pullPolicy"), policy, errors),
        });
    }
    // Kubernetes' default, if no source is set. The table of fields refuses the other sources.
    let dir = v.empty_dir.unwrap_or_default();
    let at = format!("{at}.emptyDir");
    let medium = match dir.medium.as_deref() {
        None | Some("") => Medium::Disk,
        Some("Memory") => Medium::Memory,
        Some(pages) if pages.starts_with("HugePages") => {
            errors.push(SpecError::new(format!("{at}.medium"), format!("{pages}: {NOT_YET}")));
            Medium::Memory
        }
        Some(other) => {
            errors.push(SpecError::unsupported(format!("{at}.medium"), other, &["", "Memory"]));
            Medium::Memory
        }
    };
    let size_limit = dir.size_limit.map(|Quantity(text)| {
        quantity::whole(&text).unwrap_or_else(|why| {
            errors.push(SpecError::invalid(format!("{at}.sizeLimit"), &text, why));
            0
        })
    });
    // As in Kubernetes, 0 means no limit.
    VolumeSource::EmptyDir { medium, size_limit: size_limit.filter(|bytes| *bytes > 0) }
}
