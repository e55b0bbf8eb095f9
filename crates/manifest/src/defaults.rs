//! The defaults that Kubernetes' API server fills in, for a pod that is shown. A manifest that is
//! exported does not have them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::server_annotations::ServerMade;
use probelet_domain::image::PullPolicy;
use probelet_domain::spec::{DnsPolicy, PodSpec, Source, VolumeSource};

/// The defaults of fields that have no effect here. A manifest with these values gets no warning.
pub const SCHEDULER: &str = "default-scheduler";
pub const SERVICE_LINKS: &str = "true";

/// Adds to a rendered spec what an API server would add.
pub fn fill(spec: &PodSpec, mut out: k8s::PodSpec) -> k8s::PodSpec {
    out.dns_policy.get_or_insert_with(|| DnsPolicy::default().as_str().to_owned());
    out.enable_service_links.get_or_insert(true);
    out.scheduler_name.get_or_insert_with(|| SCHEDULER.to_owned());
    out.security_context.get_or_insert_default();
    // The older name of the same field.
    out.service_account.clone_from(&out.service_account_name);
    let containers = out.init_containers.iter_mut().flatten().chain(&mut out.containers);
    for (container, out) in spec.all().zip(containers) {
        out.resources.get_or_insert_default();
        let sources = out.env.iter_mut().flatten().filter_map(|var| var.value_from.as_mut());
        sources.filter_map(|from| from.resource_field_ref.as_mut()).for_each(set_divisor);
        if let Source::Image(name) = &container.source {
            out.image_pull_policy.get_or_insert_with(|| default_pull(name));
        }
    }
    for volume in out.volumes.iter_mut().flatten() {
        if let Some(image) = &mut volume.image {
            let reference = image.reference.as_deref().unwrap_or_default();
            image.pull_policy.get_or_insert_with(|| default_pull(reference));
        }
        let whole = volume.downward_api.iter_mut().filter_map(|source| source.items.as_mut());
        let parts = volume.projected.iter_mut().flat_map(|source| source.sources.iter_mut());
        let parts = parts.flatten().filter_map(|part| part.downward_api.as_mut());
        let items = whole.chain(parts.filter_map(|source| source.items.as_mut())).flatten();
        items.filter_map(|item| item.resource_field_ref.as_mut()).for_each(set_divisor);
    }
    out
}

/// Kubernetes writes 0 if no divisor is set.
fn set_divisor(resource: &mut k8s::ResourceFieldSelector) {
    resource.divisor.get_or_insert_with(|| Quantity("0".to_owned()));
}

fn default_pull(image: &str) -> String {
    PullPolicy::default_for(image).as_str().to_owned()
}

/// The annotations that mark a pull policy as filled in, for those where it makes a difference.
pub fn annotations(spec: &PodSpec) -> BTreeMap<String, String> {
    let differs = |image: &str, policy: Option<PullPolicy>| {
        policy.is_none() && PullPolicy::default_for(image) == PullPolicy::Always
    };
    let containers = spec.all().filter_map(|container| match &container.source {
        Source::Image(image) if differs(image, container.pull_policy) => {
            Some(ServerMade::DefaultPull.key(&container.name))
        }
        _ => None,
    });
    let volumes = spec.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Image(image) if differs(&image.reference, image.pull_policy) => {
            Some(ServerMade::DefaultVolumePull.key(&volume.name))
        }
        _ => None,
    });
    let value = PullPolicy::Always.as_str();
    containers.chain(volumes).map(|key| (key, value.to_owned())).collect()
}

/// Reads such an annotation, and removes the policy that was filled in. False if it is another
/// annotation, or if the manifest has been edited to ask for another policy.
pub fn unset_pull(spec: &mut PodSpec, made: ServerMade, name: &str) -> bool {
    let policy = match made {
        ServerMade::DefaultPull => {
            let index = spec.place_of(name);
            index.and_then(|index| spec.at_mut(index)).map(|container| &mut container.pull_policy)
        }
        ServerMade::DefaultVolumePull => {
            let volume = spec.volumes.iter_mut().find(|volume| volume.name == name);
            volume.and_then(|volume| match &mut volume.source {
                VolumeSource::Image(image) => Some(&mut image.pull_policy),
                _ => None,
            })
        }
        _ => None,
    };
    let policy = policy.filter(|policy| **policy == Some(PullPolicy::Always));
    policy.map(Option::take).is_some()
}
