//! Probes of an instance: which of them may run now, and the verdicts that follow from their
//! outcomes.

use std::hash::Hash;
use std::time::{Duration, Instant};

use super::definition::{Definition, Subject};
use super::{Action, InstanceAction, Turn};
use crate::Now;
use crate::notice::Notice;
use crate::probe::{Launch, Outcome, ProbeStatus, Seen, Tracker, Verdict};
use crate::spec::{ProbeKind, Probes};

/// Set of the probes that may run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// None: the postStart hook runs, or the instance is being stopped before it has started.
    Closed,
    /// Only the startup probe, which has not passed yet.
    Startup,
    /// Liveness and readiness probes.
    Steady,
    /// Only the readiness probe: the instance is being stopped.
    Readiness,
}

impl Gate {
    fn lets(self, kind: ProbeKind) -> bool {
        match self {
            Self::Closed => false,
            Self::Startup => kind == ProbeKind::Startup,
            Self::Steady => kind != ProbeKind::Startup,
            Self::Readiness => kind == ProbeKind::Readiness,
        }
    }
}

/// Levels of an instance that its record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// True if the startup probe has passed.
    pub started: bool,
    /// True if the readiness probe passes.
    pub ready: bool,
}

/// Verdict of a probe that has just changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub verdict: Verdict,
    /// True for a success after a failure.
    pub is_recovery: bool,
}

/// Probes of one instance.
#[derive(Debug)]
pub struct Probing {
    trackers: Vec<Tracker>,
    /// Readiness that an earlier daemon or spec established, until the probe has a verdict.
    was_ready: bool,
    /// Number of attempts that were launched; the id of the next one.
    launches: u64,
}

impl Probing {
    /// Probes of a new instance, whose initial delays begin at `since`.
    pub fn new(definition: &Definition, since: Instant) -> Self {
        let probes = &definition.spec.probes;
        let tracker = |kind| Some(Tracker::new(kind, probes.get(kind)?, since));
        let trackers = ProbeKind::ALL.into_iter().filter_map(tracker).collect();
        Self { trackers, was_ready: false, launches: 0 }
    }

    /// Probes of an instance that an earlier daemon probed. Its `levels` stay, and the counters
    /// begin at zero.
    pub fn taking_over(definition: &Definition, since: Instant, levels: Levels, now: Now) -> Self {
        let tracker = |kind: ProbeKind| {
            let probe = definition.spec.probes.get(kind)?;
            let passed = kind.is_passed(levels.started, levels.ready);
            Some(Tracker::taking_over(kind, probe, since, passed, now.mono))
        };
        let trackers = ProbeKind::ALL.into_iter().filter_map(tracker).collect();
        Self { trackers, was_ready: levels.ready, launches: 0 }
    }

    /// Replaces the `changed` probes, whose counters begin at zero. Unchanged ones keep theirs.
    pub fn renew(
        &mut self,
        probes: &Probes,
        changed: &[ProbeKind],
        since: Instant,
        levels: Levels,
        now: Now,
    ) {
        self.was_ready = levels.ready;
        self.trackers.retain(|tracker| !changed.contains(&tracker.kind()));
        for kind in changed {
            let Some(probe) = probes.get(*kind) else { continue };
            let passed = kind.is_passed(levels.started, levels.ready);
            self.trackers.push(Tracker::taking_over(*kind, probe, since, passed, now.mono));
        }
    }

    pub fn tracker(&self, kind: ProbeKind) -> Option<&Tracker> {
        self.trackers.iter().find(|tracker| tracker.kind() == kind)
    }

    pub fn statuses(&self) -> Vec<ProbeStatus> {
        self.trackers.iter().map(|tracker| tracker.status().clone()).collect()
    }

    /// True if the startup probe has passed, or there is none.
    pub fn has_passed_startup(&self) -> bool {
        self.verdict(ProbeKind::Startup).is_none_or(|verdict| verdict == Verdict::Success)
    }

    /// True if the readiness probe passes, or there is none.
    pub fn passes_readiness(&self) -> bool {
        match self.verdict(ProbeKind::Readiness) {
            None | Some(Verdict::Success) => true,
            Some(Verdict::Failure) => false,
            Some(Verdict::Unknown) => self.was_ready,
        }
    }

    /// True if the probe's failures that were answers would not have sufficed for the verdict.
    pub fn failed_by_timeout(&self, kind: ProbeKind) -> bool {
        self.tracker(kind).is_some_and(Tracker::failed_by_timeout)
    }

    pub fn deadline(&self, gate: Gate) -> Option<Instant> {
        let open = self.trackers.iter().filter(|tracker| gate.lets(tracker.kind()));
        open.filter_map(Tracker::deadline).min()
    }

    /// Launches the attempts that are due.
    pub fn tick(&mut self, gate: Gate, subject: Subject<'_>, turn: &mut Turn) {
        for kind in ProbeKind::ALL {
            let launch = Launch(self.launches);
            let now = turn.now;
            if gate.lets(kind)
                && self.tracker_mut(kind).is_some_and(|tracker| tracker.launch(launch, now))
            {
                self.launches = self.launches.saturating_add(1);
                turn.instance(subject.attempt, InstanceAction::Probe(kind, launch));
            }
        }
    }

    /// Handles an outcome, and returns the verdict if it has changed.
    pub fn observe(
        &mut self,
        (kind, launch): (ProbeKind, Launch),
        outcome: &Outcome,
        latency: Duration,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) -> Option<Change> {
        let tracker = self.tracker_mut(kind)?;
        let before = tracker.verdict();
        match tracker.observe(launch, outcome.clone(), latency, turn.now) {
            Seen::Stale | Seen::Early => None,
            Seen::Again => {
                turn.instance(subject.attempt, InstanceAction::Probe(kind, launch));
                None
            }
            Seen::Late => {
                turn.note(late(kind, outcome));
                turn.push(Action::ReportLate);
                None
            }
            Seen::Error => {
                turn.actions.extend(notice_of(kind, outcome).map(Action::Note));
                None
            }
            Seen::Counted(verdict) => {
                turn.actions.extend(notice_of(kind, outcome).map(Action::Note));
                let Some(verdict) = verdict else {
                    if !outcome.is_success() && subject.definition.may_end_by(kind) {
                        turn.instance(subject.attempt, InstanceAction::Sample);
                    }
                    return None;
                };
                let is_recovery = verdict == Verdict::Success && before == Verdict::Failure;
                Some(Change { verdict, is_recovery })
            }
        }
    }

    /// Moves the probes that are due already to `now`, so that the time before does not count as
    /// lateness.
    pub fn not_before(&mut self, now: Instant) {
        self.trackers.iter_mut().for_each(|tracker| tracker.not_before(now));
    }

    /// Spreads the probes that are due over the next second at most, so that a daemon that recovers
    /// many containers does not run all of their probes at once.
    pub fn stagger(&mut self, seed: &impl Hash, now: Instant) {
        self.trackers.iter_mut().for_each(|tracker| tracker.stagger(seed, now));
    }

    /// Drops the attempts that are under way and the counters; verdicts stay.
    pub fn drop_evidence(&mut self) {
        self.trackers.iter_mut().for_each(Tracker::drop_evidence);
    }

    /// Resumes the attempts of a probe after a final verdict.
    pub fn go_on(&mut self, kind: ProbeKind) {
        self.tracker_mut(kind).into_iter().for_each(Tracker::go_on);
    }

    /// Resets a final verdict that had no effect, and resumes the attempts.
    pub fn retract(&mut self, kind: ProbeKind) {
        self.tracker_mut(kind).into_iter().for_each(Tracker::retract);
    }

    fn verdict(&self, kind: ProbeKind) -> Option<Verdict> {
        self.tracker(kind).map(Tracker::verdict)
    }

    fn tracker_mut(&mut self, kind: ProbeKind) -> Option<&mut Tracker> {
        self.trackers.iter_mut().find(|tracker| tracker.kind() == kind)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;
    use crate::spec::{Exec, Handler, ProbeSpec};

    #[test]
    fn each_gate_lets_its_probes_through() {
        let definition = Definition::of_test(|pod| {
            let probe = || Some(ProbeSpec::new(Handler::Exec(Exec { command: vec![] })));
            let probes = &mut pod.containers[0].probes;
            (probes.startup, probes.liveness, probes.readiness) = (probe(), probe(), probe());
        });
        for (gate, launched) in [
            (Gate::Closed, vec![]),
            (Gate::Startup, vec![ProbeKind::Startup]),
            (Gate::Steady, vec![ProbeKind::Liveness, ProbeKind::Readiness]),
            (Gate::Readiness, vec![ProbeKind::Readiness]),
        ] {
            let mut turn = Turn::of_test();
            let mut probing = Probing::new(&definition, turn.now.mono);
            assert_eq!(probing.deadline(gate).is_some(), !launched.is_empty(), "{gate:?}");
            probing.tick(gate, definition.subject(Incarnation(0)), &mut turn);
            let kinds = turn.take().into_iter().filter_map(|action| match action {
                Action::Instance(_, InstanceAction::Probe(kind, _)) => Some(kind),
                _ => None,
            });
            let (mut kinds, mut launched): (Vec<_>, _) = (kinds.collect(), launched);
            kinds.sort_by_key(|kind| kind.lower());
            launched.sort_by_key(|kind| kind.lower());
            assert_eq!(kinds, launched, "{gate:?}");
        }
    }
}
