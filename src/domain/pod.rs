//! The pod over its containers: one wanted level, one deadline, phase and conditions.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Now;
use super::container::{Action, Event, Machine, Wanted};
use super::spec::{PodSpec, RestartPolicy};
use super::status::{Condition, ContainerState, ContainerStatus, Phase, PodStatus};

/// All containers of a pod. An index is a container's place in the spec.
#[derive(Debug)]
pub struct Pod {
    spec: Arc<PodSpec>,
    machines: Vec<Machine>,
    created_at: SystemTime,
    deletion: Option<(SystemTime, Duration)>,
    conditions: Vec<Condition>,
}

impl Pod {
    pub fn new(spec: Arc<PodSpec>, machines: Vec<Machine>, now: Now) -> Self {
        let created_at = machines.iter().map(|m| m.memory().created_at).min().unwrap_or(now.wall);
        let mut pod = Self { spec, machines, created_at, deletion: None, conditions: Vec::new() };
        pod.conditions = pod.judge(now);
        pod
    }

    pub fn machine(&self, index: usize) -> Option<&Machine> {
        self.machines.get(index)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.machines.iter().filter_map(Machine::deadline).min()
    }

    /// How many of its containers a probe may end now.
    pub fn ended_by_probes(&self) -> usize {
        self.machines.iter().filter(|machine| machine.may_be_ended_by_probe()).count()
    }

    pub fn is_gone(&self) -> bool {
        self.machines.iter().all(Machine::is_gone)
    }

    /// One event for one container.
    pub fn handle(&mut self, index: usize, event: Event, now: Now) -> Vec<(usize, Action)> {
        let actions = match self.machines.get_mut(index) {
            Some(machine) => machine.handle(event, now),
            None => Vec::new(),
        };
        self.conditions = self.judge(now);
        actions.into_iter().map(|action| (index, action)).collect()
    }

    /// One event for each container.
    pub fn handle_all(&mut self, event: &Event, now: Now) -> Vec<(usize, Action)> {
        if let Event::Wanted { wanted: Wanted::Removed, grace } = event {
            let grace = grace.unwrap_or(self.spec.termination_grace);
            self.deletion.get_or_insert((now.wall, grace));
        }
        (0..self.machines.len()).flat_map(|index| self.handle(index, event.clone(), now)).collect()
    }

    /// Another spec for the same containers.
    pub fn respec(&mut self, spec: Arc<PodSpec>, now: Now) -> Vec<(usize, Action)> {
        self.spec = spec.clone();
        self.handle_all(&Event::Respec(spec), now)
    }

    pub fn status(&self) -> PodStatus {
        let containers: Vec<_> = self.machines.iter().map(Machine::status).collect();
        PodStatus {
            phase: self.phase(&containers),
            expired: self.is_expired(),
            conditions: self.conditions.clone(),
            created_at: self.created_at,
            deletion: self.deletion,
            containers,
        }
    }

    fn is_expired(&self) -> bool {
        self.machines.iter().any(|machine| machine.memory().expired)
    }

    fn phase(&self, containers: &[ContainerStatus]) -> Phase {
        let over = |c: &ContainerStatus| !matches!(c.state, ContainerState::Running { .. });
        if self.is_expired() && containers.iter().all(over) {
            return Phase::Failed;
        }
        phase(&self.policies(), containers)
    }

    fn policies(&self) -> Vec<RestartPolicy> {
        self.machines.iter().map(|m| self.spec.policy_of(m.container())).collect()
    }

    /// Kubernetes' conditions in its order; each keeps the time of its last change.
    fn judge(&self, now: Now) -> Vec<Condition> {
        let containers: Vec<_> = self.machines.iter().map(Machine::status).collect();
        let unready: Vec<_> =
            containers.iter().filter(|c| !c.ready).map(|c| c.name.as_str()).collect();
        let (reason, message) = match self.phase(&containers) {
            Phase::Succeeded => ("PodCompleted", String::new()),
            Phase::Failed => ("PodFailed", String::new()),
            _ if unready.is_empty() => ("", String::new()),
            _ => (
                "ContainersNotReady",
                format!("containers with unready status: [{}]", unready.join(" ")),
            ),
        };
        let ready = reason.is_empty();
        [
            ("Initialized", true, "", String::new()),
            ("Ready", ready, reason, message.clone()),
            ("ContainersReady", ready, reason, message),
            ("PodScheduled", true, "", String::new()),
        ]
        .into_iter()
        .map(|(kind, is_true, reason, message)| {
            let before = self.conditions.iter().find(|c| c.kind == kind);
            let since = before.filter(|c| c.is_true == is_true).map_or(now.wall, |c| c.since);
            Condition { kind, is_true, reason, message, since }
        })
        .collect()
    }
}

/// Kubernetes' `getPhase` for a pod without init containers. `policies` go with `containers`.
pub fn phase(policies: &[RestartPolicy], containers: &[ContainerStatus]) -> Phase {
    let mut running = false;
    let mut restartable = false;
    let mut failed = false;
    for (policy, container) in policies.iter().zip(containers) {
        let ended = match &container.state {
            ContainerState::Running { .. } => {
                running = true;
                continue;
            }
            ContainerState::Terminated(ended) => ended,
            ContainerState::Waiting { .. } => match &container.last_state {
                Some(ended) => ended,
                None => return Phase::Pending,
            },
        };
        failed |= ended.exit_code != 0;
        restartable |= super::restart::restarts(*policy, ended.exit_code);
    }
    match (running, restartable, failed) {
        (true, _, _) | (_, true, _) => Phase::Running,
        (_, _, false) => Phase::Succeeded,
        (_, _, true) => Phase::Failed,
    }
}

#[cfg(test)]
mod tests;
