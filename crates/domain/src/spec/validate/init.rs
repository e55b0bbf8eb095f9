//! Fields that an init container cannot have unless it is a sidecar.

use super::{Findings, SpecError};
use crate::spec::{ContainerSpec, Lifecycle, ProbeKind};

pub fn rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    let why = "may not be set for init containers without restartPolicy=Always";
    if container.lifecycle != Lifecycle::default() {
        found.add(SpecError::forbidden(format!("{at}.lifecycle"), why));
    }
    for kind in ProbeKind::ALL {
        if container.probes.get(kind).is_some() {
            found.add(SpecError::forbidden(format!("{at}.{}Probe", kind.lower()), why));
        }
    }
}
