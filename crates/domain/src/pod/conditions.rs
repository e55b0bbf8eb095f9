//! Kubernetes' conditions in its order; each keeps the time of its last change.

use super::Pod;
use super::phase::has_run;
use crate::Now;
use crate::container::Member;
use crate::spec::{RestartAction, Role};
use crate::status::{Condition, ContainerStatus, Phase};

/// What a condition says beside its kind; mostly nothing where it is true.
type Lack = (&'static str, String);

impl Pod {
    pub(super) fn judge(&self, now: Now) -> Vec<Condition> {
        let (init, regular) = self.statuses();
        let phase = self.phase(&init, &regular);
        let initialized = self.uninitialized(phase, &init, &regular);
        let unready = self.unready(phase, &init, &regular);
        let gated = self.gated(&unready);
        let done = |lack: &Lack| lack.0 == "PodCompleted";
        let may_start = self.may_start_containers(phase, &init, &regular);
        let conditions = [
            ("PodReadyToStartContainers", may_start, Lack::default()),
            ("Initialized", initialized.0.is_empty() || done(&initialized), initialized),
            ("Ready", gated.0.is_empty(), gated),
            ("ContainersReady", unready.0.is_empty(), unready),
            ("PodScheduled", true, Lack::default()),
        ];
        let conditions = conditions.into_iter().chain(self.restarting(phase));
        let conditions = conditions.map(|(kind, is_true, (reason, message))| {
            let before = self.conditions.iter().find(|c| c.kind == kind);
            let since = before.filter(|c| c.is_true == is_true).map_or(now.wall, |c| c.since);
            Condition { kind, is_true, reason, message, since }
        });
        conditions.collect()
    }

    /// The network, the namespaces and the files of the pod are made before its first container
    /// starts, and last as long as it does.
    fn may_start_containers(
        &self,
        phase: Phase,
        init: &[ContainerStatus],
        regular: &[ContainerStatus],
    ) -> bool {
        let is_over = matches!(phase, Phase::Succeeded | Phase::Failed);
        let was_made = init.iter().chain(regular).any(has_run);
        was_made && !is_over && !self.members().any(Member::lacks_network)
    }

    /// Only of a pod that has such a rule. True from the exit that asks for it until all are down.
    fn restarting(&self, phase: Phase) -> Option<(&'static str, bool, Lack)> {
        let mut rules = self.spec.all().flat_map(|container| &container.restart_policy_rules);
        rules.find(|rule| rule.action == RestartAction::RestartAllContainers)?;
        let is_asked_for = self.members().any(Member::asks_for_all);
        let is_cleared = !self.members().any(|one| one.is_held() && one.is_alive());
        let lack = match phase {
            Phase::Succeeded => ("PodCompleted", String::new()),
            Phase::Failed => ("PodFailed", String::new()),
            _ if is_asked_for && !is_cleared => {
                ("RestartAllContainersStarted", "container exited with restart policy rule".into())
            }
            _ => Lack::default(),
        };
        Some(("AllContainersRestarting", lack.0 == "RestartAllContainersStarted", lack))
    }

    /// What the pod lacks to be ready: what its containers lack, or gates that are not passed.
    fn gated(&self, unready: &Lack) -> Lack {
        let closed = self.spec.gates.closed();
        if unready.0.is_empty() && !closed.is_empty() {
            return ("ReadinessGatesNotReady", closed);
        }
        unready.clone()
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
