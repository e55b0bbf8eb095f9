//! Kubernetes' conditions in its order; each keeps the time of its last change.

use super::Pod;
use super::phase::has_run;
use crate::domain::Now;
use crate::domain::spec::Role;
use crate::domain::status::{Condition, ContainerStatus, Phase};

/// What a condition says beside its kind: nothing where it is true.
type Lack = (&'static str, String);

impl Pod {
    pub(super) fn judge(&self, now: Now) -> Vec<Condition> {
        let (init, regular) = self.statuses();
        let phase = self.phase(&init, &regular);
        let initialized = self.uninitialized(phase, &init, &regular);
        let unready = self.unready(phase, &init, &regular);
        let done = |lack: &Lack| lack.0 == "PodCompleted";
        [
            ("Initialized", initialized.0.is_empty() || done(&initialized), initialized),
            ("Ready", unready.0.is_empty(), unready.clone()),
            ("ContainersReady", unready.0.is_empty(), unready),
            ("PodScheduled", true, Lack::default()),
        ]
        .into_iter()
        .map(|(kind, is_true, (reason, message))| {
            let before = self.conditions.iter().find(|c| c.kind == kind);
            let since = before.filter(|c| c.is_true == is_true).map_or(now.wall, |c| c.since);
            Condition { kind, is_true, reason, message, since }
        })
        .collect()
    }

    fn uninitialized(
        &self,
        phase: Phase,
        init: &[ContainerStatus],
        regular: &[ContainerStatus],
    ) -> Lack {
        if phase == Phase::Succeeded {
            return ("PodCompleted", String::new());
        }
        let is_incomplete = |index: usize, status: &ContainerStatus| match self.spec.role_at(index)
        {
            Role::Sidecar => !status.started,
            Role::Init | Role::Regular => !status.ready,
        };
        let statuses = init.iter().enumerate();
        let names = statuses.filter(|(index, status)| is_incomplete(*index, status));
        let names: Vec<_> = names.map(|(_, status)| status.name.as_str()).collect();
        if names.is_empty() || regular.iter().any(has_run) {
            return Lack::default();
        }
        let message = format!("containers with incomplete status: [{}]", names.join(" "));
        ("ContainersNotInitialized", message)
    }

    fn unready(&self, phase: Phase, init: &[ContainerStatus], regular: &[ContainerStatus]) -> Lack {
        match phase {
            Phase::Succeeded => return ("PodCompleted", String::new()),
            Phase::Failed => return ("PodFailed", String::new()),
            Phase::Pending | Phase::Running | Phase::Unknown => {}
        }
        let sidecars = init.iter().enumerate();
        let sidecars = sidecars.filter(|(index, _)| self.spec.role_at(*index) == Role::Sidecar);
        let all = sidecars.map(|(_, status)| status).chain(regular);
        let unready: Vec<_> = all.filter(|c| !c.ready).map(|c| c.name.as_str()).collect();
        if unready.is_empty() {
            return Lack::default();
        }
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        ("ContainersNotReady", message)
    }
}
