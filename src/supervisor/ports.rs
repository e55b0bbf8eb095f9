//! A host port belongs to one pod. A pod's ports are claimed before anything of it is created, so
//! only one of two concurrent creations gets a port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::replace::Successor;
use super::{Entry, Supervisor, lock};
use crate::domain::spec::{PodSpec, SpecErrors};

/// The pods that are being created, by uid.
pub(super) type Claims = Arc<Mutex<BTreeMap<String, Arc<PodSpec>>>>;

/// A claim to a pod's ports, released when the pod is in the registry or its creation failed.
pub(super) struct Claim {
    claims: Claims,
    uid: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.uid);
    }
}

impl Supervisor {
    /// Claims the pod's host ports if they are free.
    pub(super) fn claim_ports(&self, spec: &Arc<PodSpec>) -> Result<Claim, SpecErrors> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let made = claims.values().filter(|other| other.name != spec.name);
        let mut clashes: Vec<_> = made.flat_map(|other| spec.port_clashes(other)).collect();
        clashes.extend(self.check_ports(spec).err().into_iter().flat_map(|errors| errors.0));
        if !clashes.is_empty() {
            return Err(SpecErrors(clashes));
        }
        claims.insert(spec.uid.clone(), spec.clone());
        Ok(Claim { claims: self.claims.clone(), uid: spec.uid.clone() })
    }

    /// Checks the ports against those of existing pods and of the pods that will replace them.
    pub(super) fn check_ports(&self, spec: &PodSpec) -> Result<(), SpecErrors> {
        let mut others: Vec<_> = self.list().into_iter().map(|view| view.spec).collect();
        others.extend(lock(&self.registry).values().filter_map(|entry| match entry {
            Entry::Pod(handle) => handle.successor.as_deref().map(Successor::spec),
            Entry::LeftAlone(..) | Entry::Reserved => None,
        }));
        others.retain(|other| other.name != spec.name);
        let clashes: Vec<_> = others.iter().flat_map(|other| spec.port_clashes(other)).collect();
        if clashes.is_empty() { Ok(()) } else { Err(SpecErrors(clashes)) }
    }
}
