//! Between a probe's final word and the kill stands the brake.

use std::time::{Duration, Instant};

use super::state::State;
use super::{InstanceAction, Machine, Turn};
use crate::Now;
use crate::brake::{Condemnation, Hold};
use crate::notice::Notice;
use crate::probe::Tracker;
use crate::spec::{OnFailure, ProbeKind};
use crate::status::KillHeld;
use crate::time::Later;

/// How soon a brake that gave no answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Condemned {
    pub kind: ProbeKind,
    output: String,
    since: Now,
    ask_at: Instant,
    held: Option<Hold>,
}

impl Condemned {
    pub(super) fn shown(&self) -> Option<KillHeld> {
        let reason = self.held?.to_string();
        Some(KillHeld { probe: self.kind, since: self.since.wall, reason })
    }
}

impl Machine {
    /// Whether a probe may end the instance: of so many the brake takes a share.
    pub fn may_be_ended_by_probe(&self) -> bool {
        let ends =
            |kind| self.spec.probes.get(kind).is_some() && self.choice(kind) != OnFailure::Notify;
        self.is_alive()
            && self.paused.is_none()
            && [ProbeKind::Startup, ProbeKind::Liveness].into_iter().any(ends)
    }

    pub(super) fn ask_brake(&mut self, kind: ProbeKind, output: String, turn: &mut Turn) {
        if let State::Running(running) = &mut self.state
            && running.capturing.is_none()
        {
            let ask_at = turn.now.mono.later(RETRY);
            let by_timeout = running.failed_by_timeout(kind);
            running.condemned =
                Some(Condemned { kind, output, since: turn.now, ask_at, held: None });
            let condemned = Condemnation { since: turn.now.mono, by_timeout };
            turn.instance(self.memory.attempt, InstanceAction::AskBrake(condemned));
        }
    }

    pub(super) fn asking_deadline(&self) -> Option<Instant> {
        let State::Running(running) = &self.state else { return None };
        running.condemned.as_ref().map(|condemned| condemned.ask_at)
    }

    pub(super) fn ask_again(&mut self, turn: &mut Turn) {
        if let State::Running(running) = &mut self.state
            && let Some(condemned) = &mut running.condemned
            && condemned.ask_at <= turn.now.mono
        {
            condemned.ask_at = turn.now.mono.later(RETRY);
            let (kind, since) = (condemned.kind, condemned.since.mono);
            let by_timeout = running.failed_by_timeout(kind);
            let condemned = Condemnation { since, by_timeout };
            turn.instance(self.memory.attempt, InstanceAction::AskBrake(condemned));
        }
    }

    pub(super) fn granted(&mut self, turn: &mut Turn) {
        if let State::Running(running) = &mut self.state
            && let Some(Condemned { kind, output, .. }) = running.condemned.take()
        {
            self.kill_by_probe(kind, output, turn);
        }
    }

    /// It goes on being probed: what passes again is not killed.
    pub(super) fn held(&mut self, why: Hold, again: Instant, turn: &mut Turn) {
        let State::Running(running) = &mut self.state else { return };
        let Some(condemned) = &mut running.condemned else { return };
        condemned.ask_at = again;
        let before = condemned.held;
        if !before.is_some_and(|before| before.is_like(&why)) {
            condemned.held = Some(why);
        }
        if before.is_none() {
            let kind = condemned.kind;
            self.go_on(kind);
            let (container, kind) = (&self.spec.name, kind.lower());
            let message =
                format!("Container {container} failed {kind} probe, its kill is held: {why}");
            turn.note(Notice::warning("KillHeld", message));
        }
    }

    /// What was held is held no more, nor done.
    pub(super) fn pardon(&mut self) {
        if let State::Running(running) = &mut self.state
            && let Some(condemned) = running.condemned.take()
        {
            running.tracker_mut(condemned.kind).into_iter().for_each(Tracker::retract);
        }
    }
}
