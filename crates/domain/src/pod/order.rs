//! Which container starts and stops when. Nothing of it is stored: it follows from where the
//! containers are, so a daemon that takes them up again comes to the same.

use super::Pod;
use crate::Now;
use crate::container::{Action, Member, PodSignal, Wanted};
use crate::spec::Role;
use std::time::Duration;

/// Signals to one container after which the order must be settled.
const STEPS: usize = 8;

impl Pod {
    /// Signals one container after the other, until none has to be signalled.
    pub(super) fn advance(&mut self, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        if !self.spec.is_several() {
            return actions;
        }
        for _ in 0..STEPS * self.machines.len() {
            let Some((index, signal)) = self.next_signal() else { break };
            actions.append(&mut self.tell(index, signal.into(), now));
        }
        actions
    }

    /// From the first init container on, for all of them.
    pub(super) fn begin_round(&mut self, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        // Before anything has run, all wait for the first round anyway.
        let has_run = self.members().any(|one| !one.is_held());
        if self.spec.is_several() && has_run && !self.is_expired() {
            let round = self.round().saturating_add(1);
            for index in 0..self.machines.len() {
                let signal = PodSignal::Hold { round, grace: None };
                actions.append(&mut self.tell(index, signal.into(), now));
            }
        }
        actions
    }

    fn round(&self) -> u32 {
        self.members().map(Member::round).max().unwrap_or_default()
    }

    fn next_signal(&self) -> Option<(usize, PodSignal)> {
        if self.wanted != Wanted::Running || self.is_expired() {
            return self.stops_next();
        }
        let round = self.round();
        if let Some(index) = self.members().position(|one| one.round() < round) {
            return Some((index, PodSignal::Hold { round, grace: Some(Duration::ZERO) }));
        }
        // All of the round before has to be down.
        if self.members().any(|one| one.is_held() && one.is_alive()) {
            return self.stops_next();
        }
        if self.is_over() {
            let finish = self.accompanies(false).map(|index| (index, PodSignal::Finish));
            return finish.or_else(|| self.stops_next());
        }
        if let Some(index) = self.accompanies(true) {
            return Some((index, PodSignal::Hold { round, grace: None }));
        }
        self.starts_next().map(|index| (index, PodSignal::Start))
    }

    /// The work is done, or cannot be begun.
    fn is_over(&self) -> bool {
        let mut init = self.with_roles().filter(|(_, role, _)| *role == Role::Init);
        if !self.has_initialized() && init.any(|(.., m)| m.is_over() && !m.has_succeeded()) {
            return true;
        }
        let mut regular = self.with_roles().filter(|(_, role, _)| *role == Role::Regular);
        regular.all(|(.., machine)| machine.is_over())
    }

    /// Once a regular container had its turn there is no way back within the round.
    pub(super) fn has_initialized(&self) -> bool {
        self.with_roles().any(|(_, role, m)| role == Role::Regular && !m.is_held())
    }

    fn accompanies(&self, finished: bool) -> Option<usize> {
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

    /// Sidecars, the last one first, when all that they accompany has ended.
    fn stops_next(&self) -> Option<(usize, PodSignal)> {
        if self.with_roles().any(|(_, role, m)| role != Role::Sidecar && m.is_alive()) {
            return None;
        }
        let mut sidecars = self.with_roles().rev().filter(|(_, role, _)| *role == Role::Sidecar);
        let (index, _, next) = sidecars.find(|(.., machine)| machine.is_alive())?;
        next.awaits_stop().then_some((index, PodSignal::StopNow))
    }
}
