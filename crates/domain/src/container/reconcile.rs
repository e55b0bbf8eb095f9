//! What the runtime holds, compared with what should be there: somebody else may have been at it,
//! or it was away.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::time::Instant;

use super::state::State;
use super::{Action, Machine, Turn, Wanted};
use crate::notice::Notice;
use crate::{Incarnation, Now};

/// What one look at the runtime found of a container: its attempts that have a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it began. What has changed since makes it worthless.
    pub at: Instant,
    pub attempts: BTreeMap<Incarnation, SeenTask>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenTask {
    None,
    Alive,
    Ended,
}

impl Machine {
    /// Keeps when the container was last somewhere else, `before` being where.
    pub(super) fn has_moved(&mut self, before: Place, now: Now) {
        if before != self.place() {
            self.moved_at = Some(now.mono);
        }
    }

    pub(super) fn place(&self) -> Place {
        (self.memory.attempt, discriminant(&self.state), self.kept.len())
    }

    pub(super) fn found(&mut self, look: &Look, turn: &mut Turn) {
        let stale = self.moved_at.is_some_and(|moved| moved >= look.at);
        let in_flux = self.is_in_flux();
        // What is removed, or on its way, settles by itself.
        if stale || in_flux || self.memory.wanted == Wanted::Removed {
            return;
        }
        for (attempt, task) in &look.attempts {
            if *attempt == self.memory.attempt {
                self.found_current(*task, turn);
            } else if *attempt < self.memory.attempt && !self.clearing.contains(attempt) {
                self.kept.insert(*attempt);
                self.found_idle(*attempt, *task, turn);
            }
        }
        if !look.attempts.contains_key(&self.memory.attempt) {
            self.record_missing(self.memory.attempt, turn);
        }
        self.settle(turn);
    }

    /// Whoever runs is responsible for the record: without it nobody would know of the container
    /// after a restart of probelet, nor containerd of the task now.
    pub(super) fn record_missing(&mut self, attempt: Incarnation, turn: &mut Turn) {
        let settled = !self.is_in_flux() && attempt == self.memory.attempt;
        // What never came to be for the runtime's fault is made with the next try.
        let is_tried = self.troubles > 0 && matches!(self.state, State::Waiting { .. });
        if !settled || is_tried || self.memory.wanted == Wanted::Removed {
            return;
        }
        let message = format!("The containerd record of attempt {attempt} was gone: written anew");
        turn.note(Notice::warning("RecordMissing", message));
        turn.push(Action::Restore(attempt));
    }

    /// On its way to an instance, with or without a record of it yet.
    fn is_in_flux(&self) -> bool {
        matches!(self.state, State::Starting | State::Pulling { .. })
    }

    fn found_current(&mut self, task: SeenTask, turn: &mut Turn) {
        let pid = self.pid.unwrap_or_default();
        match (&mut self.state, task) {
            (State::Running(running) | State::Stopping { running, .. }, SeenTask::None) => {
                // It is held by its pidfd, and harms nobody: no reason to end it.
                if !std::mem::replace(&mut running.orphan, true) {
                    let message = format!(
                        "containerd does not know the task any more; process {pid} runs on, \
                         commands and logs of it do not work until it is restarted"
                    );
                    turn.note(Notice::warning("TaskLost", message));
                }
            }
            (State::Running(running) | State::Stopping { running, .. }, _) => {
                running.orphan = false;
            }
            (State::Created | State::Waiting { .. } | State::Terminated, task) => {
                self.found_idle(self.memory.attempt, task, turn);
            }
            (State::Starting | State::Pulling { .. }, _) => {}
        }
    }

    /// The task of an attempt that is over, or was never started.
    fn found_idle(&self, attempt: Incarnation, task: SeenTask, turn: &mut Turn) {
        match task {
            SeenTask::None => {}
            SeenTask::Ended => turn.push(Action::Reap(attempt)),
            SeenTask::Alive => {
                let message = format!(
                    "Ending a task of attempt {attempt} that probelet did not start; \
                     use probelet start or restart"
                );
                turn.note(Notice::warning("StrayTask", message));
                turn.push(Action::Clear(attempt));
            }
        }
    }

    /// The runtime is back: what waits for it is tried now.
    pub(super) fn runtime_back(&mut self, now: Now) {
        self.troubles = 0;
        if let State::Waiting { until, .. } = &mut self.state
            && self.memory.restart_at.is_none()
        {
            *until = now.mono;
        }
        if let Some(at) = &mut self.forget_at {
            *at = now.mono;
        }
    }

    pub(super) fn no_log(&self, attempt: Incarnation, why: &str, turn: &mut Turn) {
        let message = format!("Attempt {attempt} runs without a log: {why}");
        turn.note(Notice::warning("NoLog", message));
    }

    /// The record could not be written; told once until it can.
    pub(super) fn unwritten(&mut self, error: String, turn: &mut Turn) {
        if !std::mem::replace(&mut self.is_unwritten, true) {
            let message = format!("The container's record cannot be written: {error}");
            turn.note(Notice::warning("RecordNotWritten", message));
        }
    }

    pub(super) fn written(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut self.is_unwritten) {
            let message = "The container's record is written again";
            turn.note(Notice::normal("RecordWritten", message));
        }
    }
}

/// Where a container is, for comparing.
pub(super) type Place = (Incarnation, std::mem::Discriminant<State>, usize);
