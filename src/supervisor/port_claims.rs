//! A host port belongs to one pod. A pod's ports are claimed before anything of it is created, so
//! only one of two concurrent creations gets a port.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lock::Lock;
use super::pod_handle::PodHandle;
use super::pod_views::PodViews;
use super::registry::{Entry, Registry};
use crate::domain::spec::{PodSpec, SpecErrors};

/// The pods that are being created, by uid.
type Claims = Arc<Lock<BTreeMap<String, Arc<PodSpec>>>>;

pub struct PortClaims {
    claims: Claims,
    registry: Arc<Registry>,
    views: Arc<PodViews>,
}

/// A claim to a pod's ports, released when the pod is in the registry or its creation failed.
pub struct PortClaim {
    claims: Claims,
    uid: String,
}

impl Drop for PortClaim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.uid);
    }
}

impl PortClaims {
    pub fn new(registry: Arc<Registry>, views: Arc<PodViews>) -> Self {
        Self { claims: Claims::default(), registry, views }
    }

    /// Claims the pod's host ports if they are free.
    pub fn claim(&self, spec: &Arc<PodSpec>) -> Result<PortClaim, SpecErrors> {
        let mut claims = self.claims.lock();
        let made = claims.values().filter(|other| other.key() != spec.key());
        let mut clashes: Vec<_> = made.flat_map(|other| spec.port_clashes(other)).collect();
        clashes.extend(self.check(spec).err().into_iter().flat_map(|errors| errors.0));
        if !clashes.is_empty() {
            return Err(SpecErrors(clashes));
        }
        claims.insert(spec.uid.clone(), spec.clone());
        Ok(PortClaim { claims: self.claims.clone(), uid: spec.uid.clone() })
    }

    /// Checks the ports against those of existing pods and of the pods that will replace them.
    pub fn check(&self, spec: &PodSpec) -> Result<(), SpecErrors> {
        let mut others: Vec<_> = self.views.list().into_iter().map(|view| view.spec).collect();
        self.registry.for_each(|_, entry: &Entry| {
            others.extend(entry.pod().and_then(PodHandle::successor_spec));
        });
        others.retain(|other| other.key() != spec.key());
        let clashes: Vec<_> = others.iter().flat_map(|other| spec.port_clashes(other)).collect();
        if clashes.is_empty() { Ok(()) } else { Err(SpecErrors(clashes)) }
    }
}
