//! `env` and `envFrom`, both ways. A variable is read with its value.

use k8s_openapi::api::core::v1 as k8s;

use crate::downward;
use crate::object_refs::{ObjectScope, missing, no_key, not_found};
use crate::objects::{Found, Kind};
use crate::optional_fields::some;
use probelet_domain::spec::{EnvSource, EnvVar, SpecError};

type Given = (Option<Vec<k8s::EnvFromSource>>, Option<Vec<k8s::EnvVar>>);

/// As in Kubernetes, the variables of whole objects come first, so a single variable replaces them.
/// Names are checked here, because an index in the result is not the index in the manifest.
pub fn read(
    at: &str,
    (whole, single): Given,
    objects: ObjectScope<'_>,
    errors: &mut Vec<SpecError>,
) -> Vec<EnvVar> {
    let mut all = Vec::new();
    for (index, source) in whole.unwrap_or_default().into_iter().enumerate() {
        let at = format!("{at}.envFrom[{index}]");
        let prefix = source.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let wrong = prefix.map(|prefix| EnvVar::check_name(&format!("{at}.prefix"), prefix));
        let is_named = wrong.as_ref().is_none_or(Vec::is_empty);
        errors.extend(wrong.into_iter().flatten());
        match all_of(&at, source, objects) {
            Ok(variables) => all.extend(variables.into_iter().filter(|_| is_named)),
            Err(error) => errors.push(error),
        }
    }
    for (index, var) in single.unwrap_or_default().into_iter().enumerate() {
        let at = format!("{at}.env[{index}]");
        let wrong = EnvVar::check_name(&format!("{at}.name"), &var.name);
        let is_named = wrong.is_empty();
        errors.extend(wrong);
        match one(&at, var, objects) {
            Ok(variable) => all.extend(variable.filter(|_| is_named)),
            Err(error) => errors.push(error),
        }
    }
    all
}

fn all_of(
    at: &str,
    source: k8s::EnvFromSource,
    (objects, namespace): ObjectScope<'_>,
) -> Result<Vec<EnvVar>, SpecError> {
    let (at, kind, name, optional) = match (source.config_map_ref, source.secret_ref) {
        (Some(map), None) => {
            (format!("{at}.configMapRef"), Kind::ConfigMap, map.name, map.optional)
        }
        (None, Some(secret)) => {
            (format!("{at}.secretRef"), Kind::Secret, secret.name, secret.optional)
        }
        (None, None) => {
            return Err(SpecError::required(
                at,
                "must specify one of: `configMapRef` or `secretRef`",
            ));
        }
        (Some(_), Some(_)) => {
            let why = "may not have more than one field specified at a time";
            return Err(SpecError::forbidden(at, why));
        }
    };
    let data = match objects.get(kind, namespace, &name) {
        Found::Data(data) => data,
        Found::Missing if optional != Some(true) => {
            let error = missing(format!("{at}.name"), kind, &name);
            return objects.note(&at, not_found(kind, &name), error).map(|()| Vec::new());
        }
        Found::Missing | Found::Wrong => return Ok(Vec::new()),
    };
    let prefix = source.prefix.unwrap_or_default();
    let variable = |(key, bytes): (&String, &Vec<u8>)| {
        let value = text(&at, key, objects.copy(&at, bytes)?)?;
        let is_stored = objects.are_stored();
        Ok(EnvVar { is_stored, ..taken(format!("{prefix}{key}"), value, kind, &name, key) })
    };
    data.iter().map(variable).collect()
}

fn one(
    at: &str,
    var: k8s::EnvVar,
    (objects, namespace): ObjectScope<'_>,
) -> Result<Option<EnvVar>, SpecError> {
    let Some(from) = var.value_from else {
        return Ok(Some(EnvVar::new(var.name, var.value.unwrap_or_default())));
    };
    let at = format!("{at}.valueFrom");
    if var.value.is_some_and(|value| !value.is_empty()) {
        return Err(SpecError::forbidden(at, "may not be specified when `value` is not empty"));
    }
    let given = [
        from.field_ref.is_some(),
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.resource_field_ref.is_some(),
        from.file_key_ref.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(SpecError::forbidden(
            at,
            "may not have more than one field specified at a time",
        ));
    }
    if let Some(field) = from.field_ref {
        let from = Some(EnvSource::Field(downward::of_env(&at, &field)?));
        return Ok(Some(EnvVar { from, ..EnvVar::new(var.name, "") }));
    }
    if let Some(resource) = from.resource_field_ref {
        let from = Some(EnvSource::Resource(downward::resource(&at, resource)?));
        return Ok(Some(EnvVar { from, ..EnvVar::new(var.name, "") }));
    }
    let (at, kind, name, key, optional) = match (from.config_map_key_ref, from.secret_key_ref) {
        (Some(map), _) => {
            (format!("{at}.configMapKeyRef"), Kind::ConfigMap, map.name, map.key, map.optional)
        }
        (_, Some(secret)) => {
            (format!("{at}.secretKeyRef"), Kind::Secret, secret.name, secret.key, secret.optional)
        }
        // The table of fields refuses the other sources by name.
        (None, None) if given.contains(&true) => return Ok(None),
        (None, None) => {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or \
                       `secretKeyRef`";
            return Err(SpecError::required(at, why));
        }
    };
    let optional = optional == Some(true);
    let data = match objects.get(kind, namespace, &name) {
        Found::Data(data) => data,
        Found::Missing if !optional => {
            let error = missing(format!("{at}.name"), kind, &name);
            return objects.note(&at, not_found(kind, &name), error).map(|()| None);
        }
        Found::Missing | Found::Wrong => return Ok(None),
    };
    match data.get(&key) {
        Some(bytes) => {
            let value = text(&at, &key, objects.copy(&at, bytes)?)?;
            let is_stored = objects.are_stored();
            Ok(Some(EnvVar { is_stored, ..taken(var.name, value, kind, &name, &key) }))
        }
        None if optional => Ok(None),
        None => {
            let of = match kind {
                Kind::ConfigMap => "ConfigMap",
                Kind::Secret => "Secret",
            };
            let text = format!("couldn't find key {key} in {of} {namespace}/{name}");
            objects.note(&at, text, no_key(&at, kind, &name, &key)).map(|()| None)
        }
    }
}

fn taken(variable: String, value: String, kind: Kind, name: &str, key: &str) -> EnvVar {
    let (name, key) = (name.to_owned(), key.to_owned());
    let from = match kind {
        Kind::ConfigMap => EnvSource::ConfigMap { name, key },
        Kind::Secret => EnvSource::Secret { name, key },
    };
    EnvVar { from: Some(from), ..EnvVar::new(variable, value) }
}

/// The value as text. An error never shows the value, which may be a secret.
fn text(at: &str, key: &str, bytes: Vec<u8>) -> Result<String, SpecError> {
    let why = |why: &str| SpecError::new(at, format!("the value of the key {key:?} {why}"));
    let text = String::from_utf8(bytes).map_err(|_| why("is no UTF-8 text"))?;
    if text.contains('\0') {
        return Err(why("has a zero byte"));
    }
    Ok(text)
}

pub fn render(var: &EnvVar) -> k8s::EnvVar {
    let mut source = k8s::EnvVarSource::default();
    let plain = k8s::EnvVar { name: var.name.clone(), ..k8s::EnvVar::default() };
    match &var.from {
        None => return k8s::EnvVar { value: some(&var.value), ..plain },
        Some(EnvSource::Field(field)) => {
            source.field_ref = Some(downward::render_field(field.path()));
        }
        Some(EnvSource::Resource(field)) => {
            source.resource_field_ref = Some(downward::render_resource(field));
        }
        Some(EnvSource::ConfigMap { name, key }) => {
            source.config_map_key_ref = Some(k8s::ConfigMapKeySelector {
                name: name.clone(),
                key: key.clone(),
                optional: None,
            });
        }
        Some(EnvSource::Secret { name, key }) => {
            source.secret_key_ref = Some(k8s::SecretKeySelector {
                name: name.clone(),
                key: key.clone(),
                optional: None,
            });
        }
    }
    k8s::EnvVar { value_from: Some(source), ..plain }
}
