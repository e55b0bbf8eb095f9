//! Between a kill that a probe decided and the brake let through, and the stop: a moment in which
//! it is seen what the process does.
//!
//! The container runs on until then. The record has the reason first, since the evidence may be
//! asked for by a signal, and the stop comes soon: a process that ends of it while the daemon is
//! dead was ended by its probe. One that lives on is for the next daemon's probes to judge again.

use std::time::{Duration, Instant};

use super::state::State;
use super::{Action, InstanceAction, Machine, Next, Turn};
use crate::evidence::{CAPTURE, CAPTURE_WITH_COMMAND};
use crate::exit::Cause;
use crate::notice::Notice;
use crate::time::Later;

/// The stop that waits for the evidence.
#[derive(Debug)]
pub(super) struct Capturing {
    cause: Cause,
    message: String,
    grace: Duration,
    /// When it waits no longer.
    until: Instant,
}

impl Machine {
    pub(super) fn capture_then_stop(
        &mut self,
        cause: Cause,
        message: String,
        grace: Duration,
        turn: &mut Turn,
    ) {
        let State::Running(running) = &mut self.state else { return };
        if running.capturing.is_some() {
            return;
        }
        let lifecycle = &self.spec.lifecycle;
        let bound = if lifecycle.evidence_exec.is_some() { CAPTURE_WITH_COMMAND } else { CAPTURE };
        self.memory.condemned = Some(cause.clone());
        turn.persist();
        running.capturing =
            Some(Capturing { cause, message, grace, until: turn.now.mono.later(bound) });
        if let Some(signal) = lifecycle.evidence_signal {
            turn.instance(self.memory.attempt, InstanceAction::Signal(signal));
        }
        turn.instance(self.memory.attempt, InstanceAction::Capture);
    }

    /// Why the container is about to be stopped.
    pub fn condemned_for(&self) -> Option<&Cause> {
        match &self.state {
            State::Running(running) => running.capturing.as_ref().map(|one| &one.cause),
            _ => None,
        }
    }

    pub(super) fn capture_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(running) => running.capturing.as_ref().map(|capturing| capturing.until),
            _ => None,
        }
    }

    /// A reading is told however late it comes.
    pub(super) fn captured(&mut self, reading: String, turn: &mut Turn) {
        if !reading.is_empty() {
            turn.note(Notice::normal("Evidence", reading));
        }
        self.stop_condemned(turn);
    }

    pub(super) fn capture_over(&mut self, turn: &mut Turn) {
        if self.capture_deadline().is_some_and(|until| until <= turn.now.mono) {
            self.stop_condemned(turn);
        }
    }

    /// The process ended before it was stopped; it was condemned all the same.
    pub(super) fn ended_condemned(&mut self, turn: &mut Turn) {
        let mut stop = Turn::new(turn.now);
        self.stop_condemned(&mut stop);
        // For a process that is gone only what is told of it has a sense.
        turn.actions
            .extend(stop.actions.into_iter().filter(|action| matches!(action, Action::Note(_))));
    }

    fn stop_condemned(&mut self, turn: &mut Turn) {
        let State::Running(running) = &mut self.state else { return };
        if let Some(Capturing { cause, message, grace, .. }) = running.capturing.take() {
            self.sentence(&cause);
            self.stop(cause, message, grace, Next::Policy, turn);
        }
    }
}
