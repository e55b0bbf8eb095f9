//! From a probe's outcome to its consequences.

use std::time::Duration;

use super::state::{Next, State};
use super::{Action, Machine};
use crate::domain::exit::Cause;
use crate::domain::notice::Notice;
use crate::domain::probe::{Outcome, Verdict};
use crate::domain::spec::ProbeKind;
use crate::domain::{Now, restart};

impl Machine {
    pub(super) fn probed(
        &mut self,
        kind: ProbeKind,
        outcome: Outcome,
        latency: Duration,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let State::Running(running) = &mut self.state else { return };
        let Some(tracker) = running.trackers.iter_mut().find(|t| t.kind() == kind) else { return };
        let output = outcome.output().to_owned();
        out.extend(notice_of(kind, &outcome).map(Action::Note));
        let verdict = tracker.observe(outcome, latency);
        match (kind, verdict) {
            (ProbeKind::Liveness | ProbeKind::Startup, Some(Verdict::Failure)) => {
                self.condemn(kind, output, now, out);
            }
            (ProbeKind::Startup, Some(Verdict::Success)) => {
                for tracker in &mut running.trackers {
                    tracker.not_before(now.mono);
                }
                self.note_levels(out);
            }
            (ProbeKind::Readiness, Some(_)) => self.note_levels(out),
            _ => {}
        }
    }

    fn note_levels(&mut self, out: &mut Vec<Action>) {
        if let State::Running(running) = &self.state {
            self.memory.started = running.has_started();
            self.memory.ready = running.is_ready();
            out.push(Action::Persist);
        }
    }

    fn condemn(&mut self, kind: ProbeKind, output: String, now: Now, out: &mut Vec<Action>) {
        let own = self.spec.probes.get(kind).and_then(|probe| probe.termination_grace);
        let grace = restart::grace(None, own, self.pod.termination_grace);
        let policy = self.pod.policy_of(&self.spec);
        let suffix = if restart::restarts(policy, 137) { ", will be restarted" } else { "" };
        let message = format!("Container {} failed {} probe{suffix}", self.spec.name, kind.lower());
        self.stop(Cause::Probe { kind, output }, message, grace, Next::Policy, now, out);
    }
}

fn notice_of(kind: ProbeKind, outcome: &Outcome) -> Option<Notice> {
    let title = kind.title();
    match outcome {
        Outcome::Success(_) => None,
        Outcome::Warning(text) => {
            Some(Notice::warning("ProbeWarning", format!("{title} probe warning: {text}")))
        }
        Outcome::Failure(text) => {
            Some(Notice::warning("Unhealthy", format!("{title} probe failed: {text}")))
        }
        Outcome::Error(text) => Some(Notice::warning(
            "Unhealthy",
            format!("{title} probe errored and resulted in unknown state: {text}"),
        )),
    }
}
