//! The parts of volumes that hold files: ConfigMaps, Secrets and the downward API.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;

use crate::object_refs::{ObjectScope, missing, no_key, not_found};
use crate::objects::{Found, Kind};
use probelet_domain::spec::{
    AccountToken, Content, DownwardField, DownwardItem, Item, ObjectKind, Part, SpecError,
};

pub type Errors = Vec<SpecError>;

/// Seconds that a token is valid by default, as in Kubernetes.
pub const TOKEN: i64 = 3600;

pub fn projection(
    at: &str,
    source: k8s::VolumeProjection,
    objects: ObjectScope<'_>,
    errors: &mut Errors,
) -> Option<Part> {
    let given = [
        source.config_map.is_some(),
        source.secret.is_some(),
        source.downward_api.is_some(),
        source.service_account_token.is_some(),
    ];
    let count = given.iter().filter(|given| **given).count();
    if count > 1 {
        errors.push(SpecError::forbidden(at, "may not specify more than 1 volume type"));
    }
    if let Some(map) = source.config_map {
        let reference = Reference { kind: Kind::ConfigMap, name: map.name, optional: map.optional };
        return Some(object(&format!("{at}.configMap"), reference, map.items, objects, errors));
    }
    if let Some(secret) = source.secret {
        let reference =
            Reference { kind: Kind::Secret, name: secret.name, optional: secret.optional };
        return Some(object(&format!("{at}.secret"), reference, secret.items, objects, errors));
    }
    if let Some(token) = source.service_account_token {
        return token_part(&format!("{at}.serviceAccountToken"), token, objects, errors);
    }
    let others = source.cluster_trust_bundle.is_some() || source.pod_certificate.is_some();
    match source.downward_api {
        Some(given) => Some(downward(&format!("{at}.downwardAPI"), given.items, errors)),
        // The table of fields refuses these sources by name.
        None if others => None,
        None => {
            errors.push(SpecError::required(at, "must specify a projected volume source"));
            None
        }
    }
}

/// A token, which only the Kubernetes API can issue.
fn token_part(
    at: &str,
    token: k8s::ServiceAccountTokenProjection,
    (objects, _): ObjectScope<'_>,
    errors: &mut Errors,
) -> Option<Part> {
    if !objects.are_stored() {
        let why = "tokens are issued by the Kubernetes API: start the daemon with --kube-api, and \
                   create the pod with kubectl";
        errors.push(SpecError::new(at, why));
        return None;
    }
    Some(Part::ServiceAccountToken(AccountToken {
        path: token.path,
        audience: token.audience.filter(|audience| !audience.is_empty()),
        expiration_seconds: token.expiration_seconds.unwrap_or(TOKEN),
        issued: None,
    }))
}

/// A ConfigMap or Secret as a volume names it.
pub struct Reference {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) optional: Option<bool>,
}

pub fn object(
    at: &str,
    Reference { kind, name, optional }: Reference,
    items: Option<Vec<k8s::KeyToPath>>,
    (objects, namespace): ObjectScope<'_>,
    errors: &mut Errors,
) -> Part {
    let optional = optional == Some(true);
    let single = kind == Kind::Secret && !at.contains(".sources[");
    let name_at = format!("{at}.{}", if single { "secretName" } else { "name" });
    let found = objects.get(kind, namespace, &name);
    if name.is_empty() {
        errors.push(SpecError::required(name_at.clone(), ""));
    } else if matches!(found, Found::Missing) && !optional {
        let error = missing(name_at.clone(), kind, &name);
        errors.extend(objects.note(at, not_found(kind, &name), error).err());
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
            Some(None) if !optional => {
                let text = format!("references non-existent {} key: {}", config(kind), item.key);
                let error = no_key(&at, kind, &name, &item.key);
                errors.extend(objects.note(&at, text, error).err());
            }
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

/// The kind in the kubelet's text.
fn config(kind: Kind) -> &'static str {
    match kind {
        Kind::ConfigMap => "config",
        Kind::Secret => "secret",
    }
}

pub fn downward(
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
        (Some(field), None) => crate::downward::of_file(at, &field),
        // A file belongs to no container, so the field names one.
        (None, Some(resource)) if resource.container_name.as_ref().is_none_or(String::is_empty) => {
            Err(SpecError::required(format!("{at}.resourceFieldRef.containerName"), ""))
        }
        (None, Some(resource)) => {
            crate::downward::resource(at, resource).map(DownwardField::Resource)
        }
        (Some(_), Some(_)) => Err(SpecError::forbidden(
            at,
            "fieldRef and resourceFieldRef can not be specified simultaneously",
        )),
        (None, None) => {
            Err(SpecError::required(at, "one of fieldRef and resourceFieldRef is required"))
        }
    }
}

pub fn mode(field: &str, mode: Option<i32>, errors: &mut Errors) -> Option<u32> {
    let mode = mode?;
    let unsigned = u32::try_from(mode);
    if unsigned.is_err() {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(SpecError::invalid(field, mode, why));
    }
    unsigned.ok()
}
