//! The views of all pods: those with an actor, those left alone, unmanaged containers, and problems
//! of the manifest directory.

use std::sync::Arc;

use super::error::SupervisorError;
use super::manifest_status::ManifestDirStatus;
use super::registry::Registry;
use super::unmanaged::UnmanagedContainers;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{SpecError, SpecErrors};

pub struct PodViews {
    registry: Arc<Registry>,
    unmanaged: Arc<UnmanagedContainers>,
    manifests: Arc<ManifestDirStatus>,
}

impl PodViews {
    pub fn new(
        registry: Arc<Registry>,
        unmanaged: Arc<UnmanagedContainers>,
        manifests: Arc<ManifestDirStatus>,
    ) -> Self {
        Self { registry, unmanaged, manifests }
    }

    pub fn get(&self, name: &PodKey) -> Result<PodView, SupervisorError> {
        let found = self.registry.view(name);
        let found = found.or_else(|error| self.unmanaged.view(name).ok_or(error));
        match found {
            Ok(view) => {
                let manifest_error = self.manifests.problem(&view.spec.key());
                Ok(PodView { manifest_error, ..view })
            }
            Err(error) => self.manifests.row(name).ok_or(error),
        }
    }

    /// Finds the pod of a request. Without a namespace it is the only pod of that name.
    pub fn find(&self, namespace: &str, name: &str) -> Result<PodKey, SpecErrors> {
        let wanted = PodKey::named(namespace, name);
        if !namespace.is_empty() || wanted.is_adopted() {
            return Ok(wanted);
        }
        let mut pods = self.registry.with_name(name);
        if pods.is_empty() {
            pods = self.list().iter().map(|view| view.spec.key()).collect();
            pods.retain(|pod| pod.name() == name);
        }
        match &*pods {
            [] => Ok(wanted),
            [pod] => Ok(pod.clone()),
            pods => {
                let of: Vec<_> = pods.iter().map(PodKey::namespace).collect();
                let all = of.join(", ");
                let reason = format!("Required value: pods {name:?} are in the namespaces {all}");
                Err(SpecErrors(vec![SpecError { field: "namespace".to_owned(), reason }]))
            }
        }
    }

    pub fn list(&self) -> Vec<PodView> {
        let mut views = self.registry.views();
        views.extend(self.unmanaged.views().values().cloned());
        self.manifests.add_problems(&mut views);
        views
    }
}
