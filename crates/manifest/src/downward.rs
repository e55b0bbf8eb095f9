//! `fieldRef` and `resourceFieldRef`, both ways.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::optional_fields::filled;
use probelet_domain::spec::{DownwardField, PodField, ResourceField, SpecError};

pub fn of_env(at: &str, given: &k8s::ObjectFieldSelector) -> Result<PodField, SpecError> {
    PodField::parse(&given.field_path).ok_or_else(|| unknown(at, given, &PodField::PATHS))
}

pub fn of_file(at: &str, given: &k8s::ObjectFieldSelector) -> Result<DownwardField, SpecError> {
    DownwardField::parse(&given.field_path).ok_or_else(|| unknown(at, given, &DownwardField::PATHS))
}

fn unknown(at: &str, given: &k8s::ObjectFieldSelector, supported: &[&str]) -> SpecError {
    let field = format!("{at}.fieldRef.fieldPath");
    match given.field_path.as_str() {
        "" => SpecError::required(field, ""),
        path => SpecError::unsupported(field, path, supported),
    }
}

pub fn resource(at: &str, given: k8s::ResourceFieldSelector) -> Result<ResourceField, SpecError> {
    let at = format!("{at}.resourceFieldRef");
    let divisor = given.divisor.map(|Quantity(text)| text);
    let container = filled(given.container_name);
    ResourceField::parse(&at, container, &given.resource, divisor.as_deref())
}

/// Checks that each `resourceFieldRef` names a container of the pod. The kubelet checks it only when
/// it starts a container.
pub fn check_names(spec: &k8s::PodSpec, errors: &mut Vec<SpecError>) {
    let init = spec.init_containers.iter().flatten();
    let names: Vec<_> = init.clone().chain(&spec.containers).map(|c| c.name.as_str()).collect();
    let mut check = |at: String, given: Option<&k8s::ResourceFieldSelector>| {
        let name = given.and_then(|given| given.container_name.as_deref()).unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            let why = format!("Not found: {name:?}: no such container in the pod");
            errors.push(SpecError::new(format!("{at}.resourceFieldRef.containerName"), why));
        }
    };
    let init = init.enumerate().map(|(index, one)| (format!("spec.initContainers[{index}]"), one));
    let others = spec.containers.iter().enumerate();
    let others = others.map(|(index, one)| (format!("spec.containers[{index}]"), one));
    for (at, container) in init.chain(others) {
        for (index, var) in container.env.iter().flatten().enumerate() {
            let given = var.value_from.as_ref().and_then(|from| from.resource_field_ref.as_ref());
            check(format!("{at}.env[{index}].valueFrom"), given);
        }
    }
    let mut check_files = |at: &str, items: Option<&Vec<k8s::DownwardAPIVolumeFile>>| {
        for (index, item) in items.into_iter().flatten().enumerate() {
            let at = format!("{at}.downwardAPI.items[{index}]");
            check(at, item.resource_field_ref.as_ref());
        }
    };
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = format!("spec.volumes[{index}]");
        check_files(&at, volume.downward_api.as_ref().and_then(|given| given.items.as_ref()));
        let sources = volume.projected.as_ref().and_then(|given| given.sources.as_ref());
        for (source, given) in sources.into_iter().flatten().enumerate() {
            let items = given.downward_api.as_ref().and_then(|given| given.items.as_ref());
            check_files(&format!("{at}.projected.sources[{source}]"), items);
        }
    }
}

pub fn render_field(field_path: String) -> k8s::ObjectFieldSelector {
    k8s::ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path }
}

pub fn render_resource(field: &ResourceField) -> k8s::ResourceFieldSelector {
    k8s::ResourceFieldSelector {
        container_name: field.container.clone(),
        divisor: field.divisor_text().map(|text| Quantity(text.to_owned())),
        resource: field.name(),
    }
}
