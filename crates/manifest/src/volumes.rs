//! Volumes and their mounts → the domain; `volumes_out.rs` is the way back.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::convert::{filled, pull_policy};
use super::downward;
use super::env::{InReach, missing, no_key};
use super::fields::NOT_YET;
use super::objects::{Found, Kind};
use probelet_domain::quantity;
use probelet_domain::spec::{
    Content, DownwardField, DownwardItem, Files, HostPathType, Item, Medium, ObjectKind, Part,
    Propagation, RecursiveReadOnly, SpecError, SubPath, Volume, VolumeImage, VolumeMount,
    VolumeSource,
};

/// Kubernetes' default.
const MODE: u32 = 0o644;

type Errors = Vec<SpecError>;

pub(super) fn volumes(
    given: Option<Vec<k8s::Volume>>,
    objects: InReach<'_>,
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

fn source(at: &str, v: k8s::Volume, objects: InReach<'_>, errors: &mut Errors) -> VolumeSource {
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
        let its = Reference { kind: Kind::ConfigMap, name: map.name, optional: map.optional };
        let part = object(&format!("{at}.configMap"), its, map.items, objects, errors);
        return whole(map.default_mode, "configMap", vec![part], errors);
    }
    if let Some(secret) = v.secret {
        let name = secret.secret_name.unwrap_or_default();
        let its = Reference { kind: Kind::Secret, name, optional: secret.optional };
        let part = object(&format!("{at}.secret"), its, secret.items, objects, errors);
        return whole(secret.default_mode, "secret", vec![part], errors);
    }
    if let Some(downward) = v.downward_api {
        let part = downward_part(&format!("{at}.downwardAPI"), downward.items, errors);
        return whole(downward.default_mode, "downwardAPI", vec![part], errors);
    }
    if let Some(projected) = v.projected {
        let sources = projected.sources.unwrap_or_default().into_iter().enumerate();
        let parts = sources.filter_map(|(index, source)| {
            projection(&format!("{at}.projected.sources[{index}]"), source, objects, errors)
        });
        let parts = parts.collect();
        return whole(projected.default_mode, "projected", parts, errors);
    }
    if let Some(image) = v.image {
        let policy = image.pull_policy.as_deref();
        return VolumeSource::Image(VolumeImage {
            reference: image.reference.unwrap_or_default(),
            pull_policy: pull_policy(&format!("{at}.image.pullPolicy"), policy, errors),
        });
    }
    // Kubernetes' default where nothing is said; the table of fields refuses the others.
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
    // As in Kubernetes, 0 is no limit.
    VolumeSource::EmptyDir { medium, size_limit: size_limit.filter(|bytes| *bytes > 0) }
}

fn projection(
    at: &str,
    source: k8s::VolumeProjection,
    objects: InReach<'_>,
    errors: &mut Errors,
) -> Option<Part> {
    let own = [source.config_map.is_some(), source.secret.is_some(), source.downward_api.is_some()];
    let count = own.iter().filter(|given| **given).count();
    if count > 1 {
        errors.push(SpecError::forbidden(at, "may not specify more than 1 volume type"));
    }
    if let Some(map) = source.config_map {
        let its = Reference { kind: Kind::ConfigMap, name: map.name, optional: map.optional };
        return Some(object(&format!("{at}.configMap"), its, map.items, objects, errors));
    }
    if let Some(secret) = source.secret {
        let its = Reference { kind: Kind::Secret, name: secret.name, optional: secret.optional };
        return Some(object(&format!("{at}.secret"), its, secret.items, objects, errors));
    }
    let others = source.service_account_token.is_some()
        || source.cluster_trust_bundle.is_some()
        || source.pod_certificate.is_some();
    match source.downward_api {
        Some(downward) => Some(downward_part(&format!("{at}.downwardAPI"), downward.items, errors)),
        // The table of fields refuses them by name.
        None if others => None,
        None => {
            errors.push(SpecError::required(at, "must specify a projected volume source"));
            None
        }
    }
}

struct Reference {
    kind: Kind,
    name: String,
    optional: Option<bool>,
}

fn object(
    at: &str,
    Reference { kind, name, optional }: Reference,
    items: Option<Vec<k8s::KeyToPath>>,
    (objects, namespace): InReach<'_>,
    errors: &mut Errors,
) -> Part {
    let optional = optional == Some(true);
    let single = kind == Kind::Secret && !at.contains(".sources[");
    let name_at = format!("{at}.{}", if single { "secretName" } else { "name" });
    let found = objects.get(kind, namespace, &name);
    if name.is_empty() {
        errors.push(SpecError::required(name_at.clone(), ""));
    } else if matches!(found, Found::Missing) && !optional {
        errors.push(missing(name_at.clone(), kind, &name));
    }
    let found = match found {
        Found::Data(data) => Some(data),
        Found::Wrong | Found::Missing => None,
    };
    let mut data = BTreeMap::new();
    let mut too_many = None;
    let mut keep = |key: &String, bytes: &Vec<u8>| match objects.copy(&name_at, bytes) {
        Ok(bytes) => drop(data.insert(key.clone(), Content(bytes))),
        Err(error) => too_many = Some(error),
    };
    let mut kept = Vec::new();
    for (index, item) in items.into_iter().flatten().enumerate() {
        let at = format!("{at}.items[{index}]");
        let mode = mode(&format!("{at}.mode"), item.mode, errors);
        match found.map(|data| data.get_key_value(&item.key)) {
            _ if item.key.is_empty() => {
                errors.push(SpecError::required(format!("{at}.key"), ""));
            }
            Some(Some((key, bytes))) => keep(key, bytes),
            Some(None) if !optional => errors.push(no_key(&at, kind, &name, &item.key)),
            Some(None) | None => {}
        }
        kept.push(Item { key: item.key, path: item.path, mode });
    }
    if kept.is_empty() {
        found.into_iter().flatten().for_each(|(key, bytes)| keep(key, bytes));
    }
    errors.extend(too_many);
    let kind = match kind {
        Kind::ConfigMap => ObjectKind::ConfigMap,
        Kind::Secret => ObjectKind::Secret,
    };
    Part::Object { kind, name, optional, items: kept, data }
}

fn downward_part(
    at: &str,
    items: Option<Vec<k8s::DownwardAPIVolumeFile>>,
    errors: &mut Errors,
) -> Part {
    let items = items.into_iter().flatten().enumerate().filter_map(|(index, item)| {
        let at = format!("{at}.items[{index}]");
        let mode = mode(&format!("{at}.mode"), item.mode, errors);
        let field = downward_field(&at, item.field_ref, item.resource_field_ref);
        let field = field.map_err(|error| errors.push(error)).ok()?;
        Some(DownwardItem { path: item.path, mode, field })
    });
    Part::DownwardApi(items.collect())
}

fn downward_field(
    at: &str,
    field: Option<k8s::ObjectFieldSelector>,
    resource: Option<k8s::ResourceFieldSelector>,
) -> Result<DownwardField, SpecError> {
    match (field, resource) {
        (Some(field), None) => downward::of_file(at, &field),
        // A file is no container's own.
        (None, Some(resource)) if resource.container_name.as_ref().is_none_or(String::is_empty) => {
            Err(SpecError::required(format!("{at}.resourceFieldRef.containerName"), ""))
        }
        (None, Some(resource)) => downward::resource(at, resource).map(DownwardField::Resource),
        (Some(_), Some(_)) => Err(SpecError::forbidden(
            at,
            "fieldRef and resourceFieldRef can not be specified simultaneously",
        )),
        (None, None) => {
            Err(SpecError::required(at, "one of fieldRef and resourceFieldRef is required"))
        }
    }
}

fn mode(field: &str, mode: Option<i32>, errors: &mut Errors) -> Option<u32> {
    let mode = mode?;
    let unsigned = u32::try_from(mode);
    if unsigned.is_err() {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(SpecError::invalid(field, mode, why));
    }
    unsigned.ok()
}

pub(super) fn mounts(
    at: &str,
    given: Option<Vec<k8s::VolumeMount>>,
    errors: &mut Errors,
) -> Vec<VolumeMount> {
    let given = given.unwrap_or_default().into_iter().enumerate();
    let convert = |(index, mount): (usize, k8s::VolumeMount)| {
        let at = format!("{at}.volumeMounts[{index}]");
        let sub_path = match (filled(mount.sub_path), filled(mount.sub_path_expr)) {
            (Some(path), None) => SubPath::Plain(path),
            (None, Some(text)) => SubPath::Expr(text),
            (None, None) => SubPath::None,
            (Some(_), Some(text)) => {
                let why = "subPathExpr and subPath are mutually exclusive";
                errors.push(SpecError::invalid(format!("{at}.subPathExpr"), &text, why));
                SubPath::Expr(text)
            }
        };
        let propagation = filled(mount.mount_propagation).map(|text| {
            let known = Propagation::ALL.into_iter().find(|one| one.as_str() == text);
            known.unwrap_or_else(|| {
                let names = Propagation::ALL.map(Propagation::as_str);
                let field = format!("{at}.mountPropagation");
                errors.push(SpecError::unsupported(field, &text, &names));
                Propagation::None
            })
        });
        let recursive = filled(mount.recursive_read_only).map(|text| {
            let known = RecursiveReadOnly::ALL.into_iter().find(|one| one.as_str() == text);
            known.unwrap_or_else(|| {
                let names = RecursiveReadOnly::ALL.map(RecursiveReadOnly::as_str);
                let field = format!("{at}.recursiveReadOnly");
                errors.push(SpecError::unsupported(field, &text, &names));
                RecursiveReadOnly::Disabled
            })
        });
        VolumeMount {
            name: mount.name,
            mount_path: mount.mount_path,
            sub_path,
            read_only: mount.read_only == Some(true),
            recursive_read_only: recursive.unwrap_or(RecursiveReadOnly::Disabled),
            propagation: propagation.unwrap_or(Propagation::None),
        }
    };
    given.map(convert).collect()
}
