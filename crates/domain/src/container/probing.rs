//! Which probes run now, and what follows from their outcomes.

use std::time::{Duration, Instant};

use super::state::{Running, State};
use super::{Action, InstanceAction, Machine, Turn};
use crate::notice::Notice;
use crate::probe::{Launch, Outcome, Seen, Tracker, Verdict};
use crate::spec::ProbeKind;

impl Machine {
    pub(super) fn probing_deadline(&self) -> Option<Instant> {
        let (running, stopping) = self.process()?;
        if self.paused.is_some() {
            return None;
        }
        let open = running.trackers.iter().filter(|t| running.is_open(t.kind(), stopping));
        open.filter_map(Tracker::deadline).min()
    }

    pub(super) fn launch_probes(&mut self, turn: &mut Turn) {
        if self.paused.is_some() {
            return;
        }
        let (running, stopping) = match &mut self.state {
            State::Running(running) => (running, false),
            State::Stopping { running, .. } => (running, true),
            _ => return,
        };
        for kind in ProbeKind::ALL {
            let launch = Launch(self.launches);
            if running.is_open(kind, stopping)
                && running.tracker_mut(kind).is_some_and(|tracker| tracker.launch(launch, turn.now))
            {
                self.launches += 1;
                turn.instance(self.memory.attempt, InstanceAction::Probe(kind, launch));
            }
        }
    }

    pub(super) fn probed(
        &mut self,
        kind: ProbeKind,
        launch: Launch,
        outcome: Outcome,
        latency: Duration,
        turn: &mut Turn,
    ) {
        let Some(running) = self.process_mut() else { return };
        let Some(tracker) = running.tracker_mut(kind) else { return };
        let before = tracker.verdict();
        let seen = tracker.observe(launch, outcome.clone(), latency, turn.now);
        match seen {
            Seen::Stale | Seen::Early => {}
            Seen::Again => turn.instance(self.memory.attempt, InstanceAction::Probe(kind, launch)),
            Seen::Late => {
                turn.actions.extend([Action::Note(late(kind, &outcome)), Action::TellLate])
            }
            Seen::Error => turn.actions.extend(notice_of(kind, &outcome).map(Action::Note)),
            Seen::Counted(verdict) => {
                turn.actions.extend(notice_of(kind, &outcome).map(Action::Note));
                if verdict == Some(Verdict::Success) && before == Verdict::Failure {
                    self.recovered(kind, turn);
                }
                if let Some(verdict) = verdict {
                    self.established(kind, verdict, outcome, turn);
                }
            }
        }
    }

    fn established(
        &mut self,
        kind: ProbeKind,
        verdict: Verdict,
        outcome: Outcome,
        turn: &mut Turn,
    ) {
        match (kind, verdict) {
            (ProbeKind::Liveness | ProbeKind::Startup, Verdict::Failure) => {
                self.failed_for_good(kind, outcome.output().to_owned(), turn);
            }
            (ProbeKind::Startup, _) => {
                self.each_tracker(|tracker| tracker.not_before(turn.now.mono));
                self.note_levels(turn);
            }
            (ProbeKind::Readiness, _) => self.note_levels(turn),
            (ProbeKind::Liveness, _) => {}
        }
    }

    /// The instance that runs, and whether it is being stopped.
    pub(super) fn process(&self) -> Option<(&Running, bool)> {
        match &self.state {
            State::Running(running) => Some((running, false)),
            State::Stopping { running, .. } => Some((running, true)),
            _ => None,
        }
    }

    pub(super) fn process_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) | State::Stopping { running, .. } => Some(running),
            _ => None,
        }
    }

    pub(super) fn each_tracker(&mut self, act: impl FnMut(&mut Tracker)) {
        if let Some(running) = self.process_mut() {
            running.trackers.iter_mut().for_each(act);
        }
    }

    pub(super) fn note_levels(&mut self, turn: &mut Turn) {
        if let Some((running, _)) = self.process() {
            let (started, ready) = (running.has_started(), running.is_ready());
            (self.memory.started, self.memory.ready) = (started, ready);
            turn.persist();
        }
    }
}

fn late(kind: ProbeKind, outcome: &Outcome) -> Notice {
    let (title, output) = (kind.title(), outcome.output());
    let message =
        format!("{title} probe failed while probelet itself was late, not counted: {output}");
    Notice::warning("ProbeLate", message)
}

fn notice_of(kind: ProbeKind, outcome: &Outcome) -> Option<Notice> {
    let title = kind.title();
    match outcome {
        Outcome::Success(_) => None,
        Outcome::Warning(text) => {
            Some(Notice::warning("ProbeWarning", format!("{title} probe warning: {text}")))
        }
        Outcome::Failure(text) | Outcome::Exited(_, text) => {
            Some(Notice::warning("Unhealthy", format!("{title} probe failed: {text}")))
        }
        Outcome::Error(text) => Some(Notice::warning(
            "Unhealthy",
            format!("{title} probe errored and resulted in unknown state: {text}"),
        )),
    }
}
