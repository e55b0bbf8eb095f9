//! Conditions of a pod, in Kubernetes' order.

use super::Pod;
use super::phase::has_run;
use crate::Now;
use crate::container::Member;
use crate::spec::{RestartAction, Role};
use crate::status::{Condition, ContainerStatus, Phase};

/// Reason and message of a condition; mostly empty if the condition is true.
type Lack = (&'static str, String);

/// Judges the conditions of a pod.
struct Judge<'a> {
    pod: &'a Pod,
    phase: Phase,
    init: &'a [ContainerStatus],
    regular: &'a [ContainerStatus],
}

/// Returns the conditions of a pod in this phase, with these statuses of its init and regular
/// containers. A condition that has not changed keeps the time of its last change.
pub fn judge(
    pod: &Pod,
    phase: Phase,
    (init, regular): (&[ContainerStatus], &[ContainerStatus]),
    now: Now,
) -> Vec<Condition> {
    let judge = Judge { pod, phase, init, regular };
    let initialized = judge.uninitialized();
    let unready = judge.unready();
    let gated = judge.gated(&unready);
    let is_initialized = initialized.0.is_empty() || phase == Phase::Succeeded;
    let conditions = [
        ("PodReadyToStartContainers", judge.may_start_containers(), Lack::default()),
        ("Initialized", is_initialized, initialized),
        ("Ready", gated.0.is_empty(), gated),
        ("ContainersReady", unready.0.is_empty(), unready),
        ("PodScheduled", true, Lack::default()),
    ];
    let conditions = conditions.into_iter().chain(judge.restarting());
    let conditions = conditions.map(|(kind, is_true, (reason, message))| {
        let before = pod.status.conditions.iter().find(|c| c.kind == kind);
        let since = before.filter(|c| c.is_true == is_true).map_or(now.wall, |c| c.since);
        Condition { kind, is_true, reason, message, since }
    });
    conditions.collect()
}

impl Judge<'_> {
    /// True once a container has run and while the network is there: network, namespaces and files
    /// of the pod are made before its first container starts, and last until the pod is over.
    fn may_start_containers(&self) -> bool {
        let is_over = matches!(self.phase, Phase::Succeeded | Phase::Failed);
        let was_made = self.init.iter().chain(self.regular).any(has_run);
        was_made && !is_over && !self.pod.members().any(Member::lacks_network)
    }

    /// Condition of a pod with a rule that restarts all containers. It is true from the exit that
    /// matches the rule until all containers have ended.
    fn restarting(&self) -> Option<(&'static str, bool, Lack)> {
        let mut rules = self.pod.spec.all().flat_map(|container| &container.restart_policy_rules);
        rules.find(|rule| rule.action == RestartAction::RestartAllContainers)?;
        let is_asked_for = self.pod.members().any(Member::asks_for_all);
        let is_cleared = !self.pod.members().any(|one| one.is_held() && one.is_alive());
        let lack = match self.phase {
            Phase::Succeeded => ("PodCompleted", String::new()),
            Phase::Failed => ("PodFailed", String::new()),
            _ if is_asked_for && !is_cleared => {
                ("RestartAllContainersStarted", "container exited with restart policy rule".into())
            }
            _ => Lack::default(),
        };
        let is_over = matches!(self.phase, Phase::Succeeded | Phase::Failed);
        let is_true = is_asked_for && !is_cleared && !is_over;
        Some(("AllContainersRestarting", is_true, lack))
    }

    /// Reason why the pod is not ready: containers that are not ready, or gates that are not
    /// passed.
    fn gated(&self, unready: &Lack) -> Lack {
        let closed = self.pod.spec.gates.closed();
        if unready.0.is_empty() && !closed.is_empty() {
            return ("ReadinessGatesNotReady", closed);
        }
        unready.clone()
    }

    fn uninitialized(&self) -> Lack {
        if self.phase == Phase::Succeeded {
            return ("PodCompleted", String::new());
        }
        let is_incomplete =
            |index: usize, status: &ContainerStatus| match self.pod.spec.role_at(index) {
                Role::Sidecar => !status.started,
                Role::Init | Role::Regular => !status.ready,
            };
        let statuses = self.init.iter().enumerate();
        let names = statuses.filter(|(index, status)| is_incomplete(*index, status));
        let names: Vec<_> = names.map(|(_, status)| status.name.as_str()).collect();
        if names.is_empty() || self.regular.iter().any(has_run) {
            return Lack::default();
        }
        let message = format!("containers with incomplete status: [{}]", names.join(" "));
        ("ContainersNotInitialized", message)
    }

    fn unready(&self) -> Lack {
        match self.phase {
            Phase::Succeeded => return ("PodCompleted", String::new()),
            Phase::Failed => return ("PodFailed", String::new()),
            Phase::Pending | Phase::Running | Phase::Unknown => {}
        }
        let sidecars = self.init.iter().enumerate();
        let sidecars = sidecars.filter(|(index, _)| self.pod.spec.role_at(*index) == Role::Sidecar);
        let all = sidecars.map(|(_, status)| status).chain(self.regular);
        let unready: Vec<_> = all.filter(|c| !c.ready).map(|c| c.name.as_str()).collect();
        if unready.is_empty() {
            return Lack::default();
        }
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        ("ContainersNotReady", message)
    }
}
