//! `activeDeadlineSeconds`: a pod that is active for longer has failed.

use std::time::Instant;

use super::eviction::EVICTION_GRACE;
use super::state::State;
use super::{Machine, Next, Turn, Wanted};
use crate::Now;
use crate::exit::Cause;

impl Machine {
    pub(super) fn set_expiry(&mut self, now: Now) {
        let born = now.instant_of(self.memory.created_at);
        self.expires = self.pod.active_deadline.and_then(|length| born.checked_add(length));
    }

    /// None for what is over by itself, or wanted to be.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let is_over = matches!(self.state, State::Created | State::Terminated);
        let counts = !(is_over || self.memory.expired) && self.memory.wanted == Wanted::Running;
        self.expires.filter(|_| counts)
    }

    pub(super) fn expire(&mut self, turn: &mut Turn) {
        if self.expiry().is_none_or(|at| at > turn.now.mono) {
            return;
        }
        self.end_for_good(turn);
    }

    pub(super) fn end_for_good(&mut self, turn: &mut Turn) {
        self.memory.expired = true;
        match self.state {
            State::Running(_) => self.stop_expired(turn),
            State::Waiting { .. } | State::Pulling { looking: false } => {
                self.give_up_pull(turn);
                self.memory.restart_at = None;
                self.state = State::Terminated;
                self.settle(turn);
                turn.persist();
            }
            // A start under way is stopped when it has succeeded, a stop goes on.
            _ => turn.persist(),
        }
    }

    pub(super) fn stop_expired(&mut self, turn: &mut Turn) {
        let message = format!("Stopping container {}", self.spec.name);
        let (cause, grace) = match &self.memory.evicted {
            Some(why) => (Cause::Evicted { why: why.clone() }, EVICTION_GRACE),
            None => (Cause::Deadline, self.pod.termination_grace),
        };
        self.stop(cause, message, grace, Next::Policy, turn);
    }
}
