//! What callers want: the level, and a restart.

use std::time::Duration;

use super::state::State;
use super::{Action, Machine, Next, Wanted};
use crate::Now;
use crate::exit::{Cause, Operator, STOP};
use crate::restart::{self, Backoff};

impl Machine {
    pub(super) fn wanted(
        &mut self,
        wanted: Wanted,
        grace: Option<Duration>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
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
            (State::Created, Wanted::Running) if !self.memory.held => self.start(out),
            (State::Terminated, Wanted::Running)
                if (changed || self.memory.given_up) && !self.memory.held =>
            {
                if self.memory.given_up {
                    self.memory.backoff = Backoff::default();
                }
                self.anew(out);
            }
            (
                State::Waiting { .. } | State::Pulling { looking: false },
                Wanted::Stopped | Wanted::Removed,
            ) => {
                self.give_up_pull(out);
                self.memory.restart_at = None;
                self.state = State::Terminated;
                self.settle(out);
            }
            (State::Created | State::Terminated, Wanted::Removed) => self.settle(out),
            (State::Running(_), Wanted::Stopped | Wanted::Removed) => {
                let verb = if wanted == Wanted::Removed { "delete" } else { STOP };
                let message = format!("Stopping container {}", self.spec.name);
                let grace = restart::grace(grace, None, self.pod.termination_grace);
                let cause = Cause::Operator(Operator::new(verb, self.caller));
                self.stop(cause, message, grace, Next::Policy, now, out);
            }
            (State::Stopping { .. }, Wanted::Stopped | Wanted::Removed) => {
                self.hurry(grace, now);
                self.follow_with(Next::Policy);
            }
            (State::Stopping { .. }, Wanted::Running) if changed => self.follow_with(Next::Start),
            // A start under way is stopped when it has succeeded.
            _ => {}
        }
        if changed {
            out.push(Action::Persist);
        }
    }

    pub(super) fn restart(&mut self, grace: Option<Duration>, now: Now, out: &mut Vec<Action>) {
        // Who waits for his turn starts anyway, and not before it.
        let must_not = self.memory.expired || self.memory.held;
        if self.memory.wanted == Wanted::Removed || must_not {
            return;
        }
        if std::mem::replace(&mut self.memory.wanted, Wanted::Running) != Wanted::Running {
            out.push(Action::Persist);
        }
        // Whoever asks has looked at it: the ladder begins again.
        self.memory.backoff = Backoff::default();
        match &self.state {
            State::Created => self.start(out),
            State::Waiting { .. } if self.lacks_image() => self.look(out),
            State::Terminated => self.anew(out),
            State::Waiting { .. } => self.next_attempt(out),
            State::Stopping { .. } => {
                self.follow_with(Next::Start);
                out.push(Action::Persist);
            }
            State::Running(_) => {
                let message = format!("Container {} will be restarted", self.spec.name);
                let grace = restart::grace(grace, None, self.pod.termination_grace);
                let cause = Cause::Operator(Operator::new("restart", self.caller));
                self.stop(cause, message, grace, Next::Start, now, out);
            }
            State::Pulling { .. } | State::Starting => {}
        }
    }
}
