//! Order in which the containers of a pod start and stop. Nothing of it is stored: it is derived
//! from the containers' states, so that a daemon that recovers a pod continues in the same order.

use std::time::Duration;

use super::Pod;
use crate::Now;
use crate::container::{Action, Machine, Member, PodSignal, Wanted};
use crate::spec::{PodSpec, Role};

/// Maximum number of signals for each container in one event, so that the loop ends.
const STEPS: usize = 8;

impl Pod {
    /// Signals one container after the other, until none has to be signalled.
    pub fn advance(&mut self, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        if !self.spec.is_several() {
            return actions;
        }
        for _ in 0..STEPS * self.machines.len() {
            let Some((index, signal)) = self.schedule().next_signal() else { break };
            actions.append(&mut self.tell(index, signal.into(), now));
        }
        actions
    }

    /// Begins a round for all containers, from the first init container on.
    pub fn begin_round(&mut self, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        // Before any container has started, all of them wait for the first round already.
        let has_run = self.members().any(|one| !one.is_held());
        if self.spec.is_several() && has_run && !self.is_expired() {
            let round = self.schedule().round().saturating_add(1);
            for index in 0..self.machines.len() {
                let signal = PodSignal::Hold { round, grace: None };
                actions.append(&mut self.tell(index, signal.into(), now));
            }
        }
        actions
    }

    fn schedule(&self) -> Schedule<'_> {
        let is_wanted = self.wanted == Wanted::Running && !self.is_expired();
        Schedule { spec: &self.spec, machines: &self.machines, is_wanted }
    }
}

/// Decides which container of a pod is signalled next.
struct Schedule<'a> {
    spec: &'a PodSpec,
    machines: &'a [Machine],
    /// True if the pod is wanted and has not expired.
    is_wanted: bool,
}

impl Schedule<'_> {
    fn next_signal(&self) -> Option<(usize, PodSignal)> {
        if !self.is_wanted {
            return self.stops_next();
        }
        let round = self.round();
        if let Some(index) = self.members().position(|one| one.round() < round) {
            return Some((index, PodSignal::Hold { round, grace: Some(Duration::ZERO) }));
        }
        // The instances of the previous round have to end first.
        if self.members().any(|one| one.is_held() && one.is_alive()) {
            return self.stops_next();
        }
        if self.is_over() {
            let finish = self.sidecar_that_is_finished(false);
            let finish = finish.map(|index| (index, PodSignal::Finish));
            return finish.or_else(|| self.stops_next());
        }
        if let Some(index) = self.sidecar_that_is_finished(true) {
            return Some((index, PodSignal::Hold { round, grace: None }));
        }
        self.starts_next().map(|index| (index, PodSignal::Start))
    }

    fn round(&self) -> u32 {
        self.members().map(Member::round).max().unwrap_or_default()
    }

    /// True if all regular containers are over, or if an init container has failed for good.
    fn is_over(&self) -> bool {
        let mut init = self.with_roles().filter(|(_, role, _)| *role == Role::Init);
        if !self.has_initialized() && init.any(|(.., m)| m.is_over() && !m.has_succeeded()) {
            return true;
        }
        let mut regular = self.with_roles().filter(|(_, role, _)| *role == Role::Regular);
        regular.all(|(.., machine)| machine.is_over())
    }

    /// True once a regular container was ordered to start. From then on the round is not held back
    /// by init containers or sidecars.
    fn has_initialized(&self) -> bool {
        self.with_roles().any(|(_, role, m)| role == Role::Regular && !m.is_held())
    }

    fn sidecar_that_is_finished(&self, finished: bool) -> Option<usize> {
        let mut sidecars = self.with_roles().filter(|(_, role, _)| *role == Role::Sidecar);
        let found = sidecars.find(|(.., machine)| machine.is_finished() == finished);
        found.map(|(index, ..)| index)
    }

    fn starts_next(&self) -> Option<usize> {
        let initialized = self.has_initialized();
        for (index, role, machine) in self.with_roles() {
            if machine.is_held() {
                return Some(index);
            }
            let passed = match role {
                Role::Init => machine.has_succeeded(),
                Role::Sidecar => machine.has_started(),
                Role::Regular => true,
            };
            if !(passed || initialized) {
                return None;
            }
        }
        None
    }

    /// Next sidecar to stop, the last one first, once all other containers have ended.
    fn stops_next(&self) -> Option<(usize, PodSignal)> {
        if self.with_roles().any(|(_, role, m)| role != Role::Sidecar && m.is_alive()) {
            return None;
        }
        let mut sidecars = self.with_roles().rev().filter(|(_, role, _)| *role == Role::Sidecar);
        let (index, _, next) = sidecars.find(|(.., machine)| machine.is_alive())?;
        next.awaits_stop().then_some((index, PodSignal::StopNow))
    }

    fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.machines.iter().map(Machine::member)
    }

    fn with_roles(&self) -> impl DoubleEndedIterator<Item = (usize, Role, Member<'_>)> {
        let all = (0..self.machines.len()).zip(self.machines);
        all.map(|(index, machine)| (index, self.spec.role_at(index), machine.member()))
    }
}
