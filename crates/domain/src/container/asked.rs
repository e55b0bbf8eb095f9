//! What callers want: the level, and a restart.

use std::time::Duration;

use super::state::State;
use super::{Machine, Next, Turn, Wanted};
use crate::exit::{Cause, Operator, STOP};
use crate::restart::{self, Backoff};

impl Machine {
    pub(super) fn wanted(&mut self, wanted: Wanted, grace: Option<Duration>, turn: &mut Turn) {
        // Removal is final.
        if self.memory.wanted == Wanted::Removed && wanted != Wanted::Removed {
            return;
        }
        if self.memory.expired && wanted == Wanted::Running {
            return;
        }
        let changed = self.memory.wanted != wanted;
        self.memory.wanted = wanted;
        self.grace = grace;
        match (&mut self.state, wanted) {
            (State::Created, Wanted::Running) if !self.memory.held => self.start(turn),
            (State::Terminated, Wanted::Running)
                if (changed || self.memory.given_up) && !self.memory.held =>
            {
                if self.memory.given_up {
                    self.memory.backoff = Backoff::default();
                }
                self.anew(turn);
            }
            (
                State::Waiting { .. } | State::Pulling { looking: false },
                Wanted::Stopped | Wanted::Removed,
            ) => {
                self.give_up_pull(turn);
                self.memory.restart_at = None;
                self.state = State::Terminated;
                self.settle(turn);
            }
            (State::Created | State::Terminated, Wanted::Removed) => self.settle(turn),
            (State::Running(_), Wanted::Stopped | Wanted::Removed) => {
                let verb = if wanted == Wanted::Removed { "delete" } else { STOP };
                let message = format!("Stopping container {}", self.spec.name);
                let grace = restart::grace(grace, None, self.pod.termination_grace);
                let cause = Cause::Operator(Operator::new(verb, self.caller));
                self.stop(cause, message, grace, Next::Policy, turn);
            }
            (State::Stopping { .. }, Wanted::Stopped | Wanted::Removed) => {
                self.hurry(grace, turn.now);
                self.follow_with(Next::Policy);
            }
            (State::Stopping { .. }, Wanted::Running) if changed => self.follow_with(Next::Start),
            // A start under way is stopped when it has succeeded.
            _ => {}
        }
        if changed {
            turn.persist();
        }
    }

    pub(super) fn restart(&mut self, grace: Option<Duration>, turn: &mut Turn) {
        // Who waits for his turn starts anyway, and not before it.
        let must_not = self.memory.expired || self.memory.held;
        if self.memory.wanted == Wanted::Removed || must_not {
            return;
        }
        if std::mem::replace(&mut self.memory.wanted, Wanted::Running) != Wanted::Running {
            turn.persist();
        }
        // Whoever asks has looked at it: the ladder begins again.
        self.memory.backoff = Backoff::default();
        match &self.state {
            State::Created => self.start(turn),
            State::Waiting { .. } if self.lacks_image() => self.look(turn),
            State::Terminated => self.anew(turn),
            State::Waiting { .. } => self.next_attempt(turn),
            State::Stopping { .. } => {
                self.follow_with(Next::Start);
                turn.persist();
            }
            State::Running(_) => {
                let message = format!("Container {} will be restarted", self.spec.name);
                let grace = restart::grace(grace, None, self.pod.termination_grace);
                let cause = Cause::Operator(Operator::new("restart", self.caller));
                self.stop(cause, message, grace, Next::Start, turn);
            }
            State::Pulling { .. } | State::Starting => {}
        }
    }
}
