//! Rules for the way in which the commands of probes run.

use super::{Findings, SpecError};
use crate::spec::{
    AppArmorProfile, ContainerSpec, EffectiveSecurity, ExecVia, Handler, PodSpec, ProbeKind,
    SeccompProfile,
};

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    for index in 0..pod.count() {
        let Some(container) = pod.at(index) else { continue };
        let at = pod.field_at(index);
        for kind in ProbeKind::ALL {
            let Some(probe) = container.probes.get(kind) else { continue };
            let Some(via) = probe.exec_via else { continue };
            let field = format!("{at}.{}Probe.execVia", kind.lower());
            if !matches!(probe.handler, Handler::Exec(_)) {
                found.add(SpecError::forbidden(field, "may only be set for exec probes"));
            } else if let (ExecVia::Direct, Some(profile)) = (via, profile(pod, container)) {
                let why = format!("a command under a {profile} runs only through containerd");
                found.add(SpecError::new(field, format!("Invalid value: \"direct\": {why}")));
            }
        }
    }
}

/// The profile of a container that only the runtime can give to a command.
fn profile(pod: &PodSpec, container: &ContainerSpec) -> Option<&'static str> {
    let security = EffectiveSecurity::of(pod, container);
    match (security.seccomp(), security.app_armor()) {
        (Some(SeccompProfile::RuntimeDefault | SeccompProfile::Localhost(_)), _) => {
            Some("seccompProfile")
        }
        (_, Some(AppArmorProfile::RuntimeDefault | AppArmorProfile::Localhost(_))) => {
            Some("appArmorProfile")
        }
        _ => None,
    }
}
