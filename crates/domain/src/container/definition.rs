//! The definition of one container: its spec, and that of its pod.

use std::sync::Arc;

use crate::Incarnation;
use crate::spec::{ContainerSpec, Handler, OnFailure, PodSpec, ProbeKind, Role};
use crate::status::WaitingReason;

/// Spec of a container, with that of its pod.
#[derive(Debug, Clone)]
pub struct Definition {
    pub pod: Arc<PodSpec>,
    /// Copy of the container's spec: it is small, and a machine without a container cannot be
    /// built.
    pub spec: ContainerSpec,
}

impl Definition {
    pub fn subject(&self, attempt: Incarnation) -> Subject<'_> {
        Subject { definition: self, attempt }
    }

    pub fn role(&self) -> Role {
        self.pod.role_of(&self.spec.name)
    }

    /// Action that follows when a probe fails for good.
    pub fn on_failure(&self, kind: ProbeKind) -> OnFailure {
        self.spec.probes.get(kind).and_then(|probe| probe.on_failure).unwrap_or_default()
    }

    /// True if a failure of some probe ends the instance.
    pub fn may_end_by_probe(&self) -> bool {
        ProbeKind::ALL.into_iter().any(|kind| self.may_end_by(kind))
    }

    /// True if a failure of this probe ends the instance.
    pub fn may_end_by(&self, kind: ProbeKind) -> bool {
        kind != ProbeKind::Readiness
            && self.spec.probes.get(kind).is_some()
            && self.on_failure(kind) != OnFailure::Notify
    }

    pub fn has_exec_probes(&self) -> bool {
        let mut probes = ProbeKind::ALL.into_iter().filter_map(|kind| self.spec.probes.get(kind));
        probes.any(|probe| matches!(probe.handler, Handler::Exec(_)))
    }

    /// Reason of a container that does not run yet.
    pub fn creating(&self) -> WaitingReason {
        match self.pod.init_containers.is_empty() {
            true => WaitingReason::ContainerCreating,
            false => WaitingReason::PodInitializing,
        }
    }
}

/// The instance that a part of the machine works for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub definition: &'a Definition,
    pub attempt: Incarnation,
}

#[cfg(test)]
impl Definition {
    /// The definition of a pod of one container, with changes.
    pub fn of_test(change: impl FnOnce(&mut PodSpec)) -> Self {
        let mut pod = crate::spec::sample::pod();
        change(&mut pod);
        let spec = pod.containers[0].clone();
        Self { pod: Arc::new(pod), spec }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Exec, ProbeSpec, sample};

    #[test]
    fn readiness_and_notifying_probes_end_no_instance() {
        let probe = || Some(ProbeSpec::new(Handler::Exec(Exec { command: vec![] })));
        let with = |change: &dyn Fn(&mut ContainerSpec)| {
            Definition::of_test(|pod| change(&mut pod.containers[0]))
        };
        let may = |change: &dyn Fn(&mut ContainerSpec)| with(change).may_end_by_probe();
        assert!(!may(&|_| {}) && !may(&|spec| spec.probes.readiness = probe()));
        assert!(may(&|spec| spec.probes.startup = probe()));
        let notifies = |spec: &mut ContainerSpec| {
            spec.probes.liveness = probe();
            spec.probes.liveness.as_mut().unwrap().on_failure = Some(OnFailure::Notify);
        };
        assert!(!may(&notifies) && with(&notifies).has_exec_probes());
        assert_eq!(Definition::of_test(|_| {}).creating(), WaitingReason::ContainerCreating);
        let init = Definition::of_test(|pod| pod.init_containers = sample::pod().containers);
        assert_eq!(init.creating(), WaitingReason::PodInitializing);
    }
}
