//! Index, role and restart policy of the containers of a pod.

use super::{ContainerSpec, PodSpec, RestartPolicy};

/// Role of a container in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An init container, which ends before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`, which runs as long as the pod does.
    Sidecar,
    /// An entry of `containers`, which starts after the init containers.
    Regular,
}

impl PodSpec {
    /// Returns all containers, init containers first. Indices refer to this order.
    pub fn all(&self) -> impl Iterator<Item = &ContainerSpec> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Number of containers, init containers included.
    pub fn count(&self) -> usize {
        self.init_containers.len() + self.containers.len()
    }

    /// Returns whether the pod has several containers, so that it needs shared namespaces and an
    /// order of starts.
    pub fn is_several(&self) -> bool {
        self.count() > 1
    }

    /// Returns the container at an index of [`Self::all`].
    pub fn at(&self, index: usize) -> Option<&ContainerSpec> {
        self.all().nth(index)
    }

    /// Returns the container at an index of [`Self::all`], for changes.
    pub fn at_mut(&mut self, index: usize) -> Option<&mut ContainerSpec> {
        self.init_containers.iter_mut().chain(&mut self.containers).nth(index)
    }

    /// Returns the index in [`Self::all`] of the container with this name.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.all().position(|container| container.name == name)
    }

    /// Returns the role of the container at an index; `Regular` if there is none.
    pub fn role_at(&self, index: usize) -> Role {
        match self.init_containers.get(index) {
            None => Role::Regular,
            Some(init) if init.restart_policy == Some(RestartPolicy::Always) => Role::Sidecar,
            Some(_) => Role::Init,
        }
    }

    /// Returns the role of the container with this name; `Regular` if there is none.
    pub fn role_of(&self, name: &str) -> Role {
        self.place_of(name).map_or(Role::Regular, |index| self.role_at(index))
    }

    /// Returns the field path of the container at an index, such as `spec.initContainers[0]`.
    pub fn field_at(&self, index: usize) -> String {
        match index.checked_sub(self.init_containers.len()) {
            None => format!("spec.initContainers[{index}]"),
            Some(index) => format!("spec.containers[{index}]"),
        }
    }

    /// Returns the index of the container with this field path, the reverse of [`Self::field_at`];
    /// `None` if there is none.
    pub fn place_at(&self, field: &str) -> Option<usize> {
        let (list, index) = field.strip_suffix(']')?.rsplit_once('[')?;
        let index: usize = index.parse().ok()?;
        let place = match list {
            "spec.initContainers" => index,
            _ => index.checked_add(self.init_containers.len())?,
        };
        (self.at(place).is_some() && self.field_at(place) == field).then_some(place)
    }

    /// Returns the restart policy of `container`, else that of the pod. For an init container that
    /// is not a sidecar `Always` becomes `OnFailure`, because it is complete once it has succeeded.
    pub fn policy_of(&self, container: &ContainerSpec) -> RestartPolicy {
        let policy = container.restart_policy.unwrap_or(self.restart_policy);
        match (policy, self.role_of(&container.name)) {
            (RestartPolicy::Always, Role::Init) => RestartPolicy::OnFailure,
            _ => policy,
        }
    }

    /// Returns the indices of the containers that restart with `owner`.
    pub fn dependents_of(&self, owner: &str) -> impl Iterator<Item = usize> {
        let names = self.dependents.get(owner).into_iter().flatten();
        names.filter_map(|name| self.place_of(name))
    }
}
