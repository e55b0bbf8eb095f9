//! Values of `fieldRef` and `resourceFieldRef` for a pod on its node.

use super::node::NodeAddresses;
use super::spec::{Bound, ContainerSpec, EnvSource, EnvVar, PodField, PodSpec, ResourceField};

#[cfg(test)]
mod tests;

/// Values of a pod's own fields and resources, on a node.
#[derive(Debug, Clone, Copy)]
pub struct DownwardValues<'a> {
    pod: &'a PodSpec,
    node: &'a NodeAddresses,
}

impl<'a> DownwardValues<'a> {
    /// Values of `pod` on `node`.
    pub fn new(pod: &'a PodSpec, node: &'a NodeAddresses) -> Self {
        Self { pod, node }
    }

    /// Returns the value of a pod's field. As in Kubernetes, it is empty for a label that does not
    /// exist and for the address of a pod without one.
    pub fn field(&self, field: &PodField) -> String {
        let Self { pod, node } = self;
        let of_pod =
            if pod.host_namespaces.network { &node.node_addresses } else { &node.pod_addresses };
        let first = |all: &[core::net::IpAddr]| all.first().map(ToString::to_string);
        let list = |all: &[core::net::IpAddr]| {
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        match field {
            PodField::Name => pod.name.clone(),
            PodField::Namespace => pod.namespace.clone(),
            PodField::Uid => pod.uid.clone(),
            PodField::NodeName => node.node_name.clone(),
            PodField::ServiceAccountName => {
                pod.service_account.clone().unwrap_or_else(|| "default".to_owned())
            }
            PodField::HostIp => first(&node.node_addresses).unwrap_or_default(),
            PodField::HostIps => list(&node.node_addresses),
            PodField::PodIp => first(of_pod).unwrap_or_default(),
            PodField::PodIps => list(of_pod),
            PodField::Label(key) => pod.labels.get(key).cloned().unwrap_or_default(),
            PodField::Annotation(key) => pod.annotations.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Returns the amount of a resource in units of its divisor, rounded up. Without a limit a
    /// container may use what the node has; without a request it is promised nothing. `own` is the
    /// container that has the reference.
    pub fn resource(&self, field: &ResourceField, own: Option<&ContainerSpec>) -> String {
        let Self { pod, node } = self;
        let named = |name: &String| pod.all().find(|container| container.name == *name);
        let container = field.container.as_ref().map_or(own, named);
        let amount = container.and_then(|container| match field.bound {
            Bound::Limit => {
                let limit = field.resource.of(&container.resources.limits);
                limit.filter(|limit| *limit > 0).or_else(|| field.resource.of(&node.allocatable))
            }
            Bound::Request => field.resource.of(&container.resources.requests),
        });
        amount.unwrap_or_default().div_ceil(field.divisor.max(1)).to_string()
    }

    /// Value of a variable of the container `own`: a `fieldRef` or `resourceFieldRef` resolved for
    /// the pod and its node, else the value in the spec.
    pub fn variable(&self, own: &ContainerSpec, var: &EnvVar) -> String {
        match &var.from {
            Some(EnvSource::Field(field)) => self.field(field),
            Some(EnvSource::Resource(field)) => self.resource(field, Some(own)),
            None | Some(EnvSource::ConfigMap { .. } | EnvSource::Secret { .. }) => {
                var.value.clone()
            }
        }
    }
}
