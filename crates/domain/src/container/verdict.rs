//! What follows from a probe's final word: a kill, a stop, or a note.

use super::state::State;
use super::{Machine, Turn, Wanted};
use crate::exit::Cause;
use crate::notice::Notice;
use crate::restart;
use crate::spec::{OnFailure, ProbeKind, Role};

impl Machine {
    /// A liveness or startup probe has failed as often as its threshold says.
    pub(super) fn failed_for_good(&mut self, kind: ProbeKind, output: String, turn: &mut Turn) {
        match self.choice(kind) {
            OnFailure::Restart | OnFailure::Stop => self.ask_brake(kind, output, turn),
            OnFailure::Notify => {
                self.go_on(kind);
                let (container, kind) = (&self.spec.name, kind.lower());
                let message =
                    format!("Container {container} failed {kind} probe, action notify: {output}");
                turn.note(Notice::warning("ProbeFailed", message));
            }
        }
    }

    /// The instance that failed for good lives, and passes again.
    pub(super) fn recovered(&mut self, kind: ProbeKind, turn: &mut Turn) {
        if kind != ProbeKind::Readiness {
            if let State::Running(running) = &mut self.state {
                running.condemned.take_if(|condemned| condemned.kind == kind);
            }
            let message =
                format!("Container {} passed {} probe again", self.spec.name, kind.lower());
            turn.note(Notice::normal("ProbeRecovered", message));
        }
    }

    pub(super) fn choice(&self, kind: ProbeKind) -> OnFailure {
        self.spec.probes.get(kind).and_then(|probe| probe.on_failure).unwrap_or_default()
    }

    /// A probe may say that none follows the instance that it ends.
    pub(super) fn sentence(&mut self, cause: &Cause) {
        if let Cause::Probe { kind, .. } = cause
            && self.choice(*kind) == OnFailure::Stop
        {
            self.memory.wanted = Wanted::Stopped;
        }
    }

    pub(super) fn go_on(&mut self, kind: ProbeKind) {
        if let Some(tracker) = self.process_mut().and_then(|running| running.tracker_mut(kind)) {
            tracker.go_on();
        }
    }

    pub(super) fn kill_by_probe(&mut self, kind: ProbeKind, output: String, turn: &mut Turn) {
        let own = self.spec.probes.get(kind).and_then(|probe| probe.termination_grace);
        let grace = restart::grace(None, own, self.pod.termination_grace);
        let policy = self.pod.policy_of(&self.spec);
        let suffix = match self.choice(kind) {
            OnFailure::Stop => ", will be stopped",
            _ if restart::follows_probe_kill(policy) => ", will be restarted",
            _ => "",
        };
        // As in Kubernetes, which does not say that a sidecar will be restarted.
        let (title, suffix) = match self.role() {
            Role::Sidecar if suffix == ", will be restarted" => ("Init container", ""),
            Role::Sidecar => ("Init container", suffix),
            Role::Init | Role::Regular => ("Container", suffix),
        };
        let (name, kind_name) = (&self.spec.name, kind.lower());
        let message = format!("{title} {name} failed {kind_name} probe{suffix}");
        self.capture_then_stop(Cause::Probe { kind, output }, message, grace, turn);
    }
}
