//! A container among the others of its pod: it waits for its turn to start and to be stopped, and
//! runs in rounds, each from the first init container on.

use std::time::Duration;

use super::shown::{Shown, waiting};
use super::state::State;
use super::{Machine, Next, Turn, Wanted};
use crate::exit::{Cause, Terminated};
use crate::restart;
use crate::spec::{RestartAction, Role};
use crate::status::{ContainerState, WaitingReason};

/// What a pod says to one of its containers.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// A new round begins, which the container waits for; what runs of it is stopped.
    Round { round: u32, grace: Option<Duration> },
    /// Its turn to start.
    Go,
    /// The pod is over, and with it what only accompanied it.
    Finish,
    /// Its turn to get the stop signal.
    Turn,
    /// The container that it depends on is restarting.
    Follow { owner: String },
}

/// The kubelet's message.
const REMOVED: &str = "The container is removed because RestartAllContainers in place";

impl Machine {
    pub(super) fn told(&mut self, word: Word, turn: &mut Turn) {
        match word {
            Word::Round { round, grace } => self.wait_for(round, grace, turn),
            Word::Go => self.go(turn),
            Word::Finish => self.finish(turn),
            Word::Turn => self.take_turn(turn),
            Word::Follow { owner } => self.follow(owner, turn),
        }
    }

    pub fn round(&self) -> u32 {
        self.memory.round
    }

    /// It waits for its turn, or is on its way there.
    pub fn is_held(&self) -> bool {
        self.memory.held
    }

    pub fn is_finished(&self) -> bool {
        self.memory.finished
    }

    /// Nothing runs, and nothing will by itself.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub fn has_not_begun(&self) -> bool {
        matches!(self.state, State::Created)
    }

    pub fn has_succeeded(&self) -> bool {
        self.is_over() && self.memory.ended.as_ref().is_some_and(|ended| ended.exit_code == 0)
    }

    pub fn has_started(&self) -> bool {
        self.process().is_some_and(|(running, _)| running.has_started())
    }

    /// Its own probe has it stopped, whatever is wanted of the pod.
    pub fn is_stopped_by_probe(&self) -> bool {
        let stopping = self.memory.stopping.as_ref().map(|stopping| &stopping.cause);
        let cause = stopping.or(self.memory.ended.as_ref().map(|ended| &ended.cause));
        self.memory.wanted == Wanted::Stopped && matches!(cause, Some(Cause::Probe { .. }))
    }

    /// Asked to end, with a signal that the pod has yet to allow.
    pub fn awaits_turn(&self) -> bool {
        self.is_in_pre_stop() && self.memory.stopping.as_ref().is_some_and(|s| s.waits)
    }

    pub(super) fn role(&self) -> Role {
        self.pod.role_of(&self.spec.name)
    }

    /// Whether its end is that of the pod, in which sidecars come last.
    pub(super) fn is_last_to_stop(&self) -> bool {
        let is_over = self.memory.finished || self.memory.expired;
        (is_over || self.memory.wanted != Wanted::Running) && self.role() == Role::Sidecar
    }

    fn wait_for(&mut self, round: u32, grace: Option<Duration>, turn: &mut Turn) {
        // Only a rule's restart sets a grace.
        if let (Some(_), Some(ended)) = (grace, &mut self.memory.ended) {
            name_restart_of_all(ended);
        }
        self.memory.round = round;
        self.memory.held = true;
        self.memory.finished = false;
        match &self.state {
            State::Waiting { .. } | State::Pulling { looking: false } | State::Terminated => {
                self.give_up_pull(turn);
                self.memory.restart_at = None;
                self.state = State::Created;
            }
            // A start under way is stopped when it has succeeded.
            State::Created | State::Pulling { .. } | State::Starting => {}
            State::Running(_) => self.make_way(grace, turn),
            State::Stopping { .. } => self.hurry(grace, turn.now),
        }
        turn.persist();
    }

    /// For a new round.
    pub(super) fn make_way(&mut self, grace: Option<Duration>, turn: &mut Turn) {
        let message = format!("Container {} makes way for a restart of all", self.spec.name);
        let grace = grace.unwrap_or(self.pod.termination_grace);
        self.stop(Cause::AllRestart, message, grace, Next::Policy, turn);
    }

    fn go(&mut self, turn: &mut Turn) {
        let before = self.shown();
        self.memory.held = false;
        match self.state {
            State::Created | State::Terminated if self.memory.wanted == Wanted::Running => {
                self.anew(turn);
                self.before = Some(before);
            }
            _ => turn.persist(),
        }
    }

    fn finish(&mut self, turn: &mut Turn) {
        self.memory.finished = true;
        match &self.state {
            State::Waiting { .. } | State::Pulling { looking: false } => {
                self.give_up_pull(turn);
                self.memory.restart_at = None;
                self.state = State::Terminated;
                self.settle(turn);
            }
            State::Running(_) => self.end_with_the_pod(turn),
            _ => {}
        }
        turn.persist();
    }

    pub(super) fn end_with_the_pod(&mut self, turn: &mut Turn) {
        let message = format!("Stopping container {}", self.spec.name);
        self.stop(Cause::PodOver, message, self.pod.termination_grace, Next::Policy, turn);
    }

    fn take_turn(&mut self, turn: &mut Turn) {
        if !self.awaits_turn() {
            return;
        }
        let Some(stopping) = &mut self.memory.stopping else { return };
        stopping.waits = false;
        if stopping.hooked {
            self.signal_after_hook(turn);
        } else {
            turn.persist();
        }
    }

    fn follow(&mut self, owner: String, turn: &mut Turn) {
        if self.memory.held || self.memory.finished || self.memory.wanted != Wanted::Running {
            return;
        }
        let message = format!("Container {} will be restarted with {owner}", self.spec.name);
        let grace = self.pod.termination_grace;
        self.stop(Cause::Dependency { owner }, message, grace, Next::Start, turn);
    }

    /// The next attempt after an ending that a rule may have called a restart of all for.
    pub(super) fn again(&mut self, turn: &mut Turn) {
        if self.calls_for_all() {
            if let Some(ended) = &mut self.memory.ended {
                name_restart_of_all(ended);
            }
            self.memory.round = self.memory.round.saturating_add(1);
            self.memory.held = true;
            self.memory.restart_at = None;
            self.state = State::Created;
            turn.persist();
        } else {
            self.next_attempt(turn);
        }
    }

    /// Its exit has asked for a restart of all containers, which waits for the others to be down.
    pub fn asks_for_all(&self) -> bool {
        self.memory.held && self.calls_for_all()
    }

    fn calls_for_all(&self) -> bool {
        let Some(ended) = &self.memory.ended else { return false };
        let action = restart::deciding_rule(&self.pod, &self.spec, ended);
        self.pod.is_several() && action == Some(RestartAction::RestartAllContainers)
    }

    /// Before its turn; what it did in an earlier round is its last state.
    pub(super) fn held_state(&self) -> Shown {
        if self.memory.wanted != Wanted::Running {
            let state = match &self.memory.ended {
                Some(ended) => ContainerState::Terminated(ended.clone()),
                None => waiting(WaitingReason::Created, "not started yet"),
            };
            return (state, self.memory.last_state.clone());
        }
        let last = self.memory.ended.as_ref().or(self.memory.last_state.as_ref());
        let restarts = last.is_some_and(|last| last.cause == Cause::AllRestart);
        let restarts = restarts || self.calls_for_all();
        let (reason, message) = if restarts {
            (WaitingReason::RestartingAllContainers, REMOVED)
        } else {
            (self.creating(), "")
        };
        (waiting(reason, message), last.cloned())
    }
}

/// The last state of each container of such a pod names the restart, whether it was ended by it, had
/// ended before, or asked for it by its exit. The exit code stays what it was.
pub(super) fn name_restart_of_all(ended: &mut Terminated) {
    ended.reason = WaitingReason::RestartingAllContainers.to_string();
    if ended.message.is_empty() {
        ended.message = REMOVED.to_owned();
    }
}
