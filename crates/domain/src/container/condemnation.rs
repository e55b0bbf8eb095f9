//! From a probe's final failure to the stop of its instance.
//!
//! 1. Condemned: a liveness or startup probe has failed as often as its threshold says. The
//!    machine asks the host's brake ([`Condemnation::new`]).
//! 2. Braked: the brake may hold the kill. The container goes on being probed, and is not killed
//!    if the probe passes again. The brake is asked again later ([`Condemnation::held`]).
//! 3. Captured: the brake allowed the kill. What the processes do is captured first, for a bounded
//!    time ([`Condemnation::granted`]); the rest of the evidence is read beside the stop. The
//!    record has the cause by then, since a
//!    signal may be sent for the evidence: if the process ends from it while the daemon is down, its
//!    probe has ended it. If the process survives, the probes of the next daemon judge it again.
//! 4. Stopped: [`Condemnation::captured`] and [`Condemnation::capture_over`] return the stop.

use std::time::{Duration, Instant};

use super::definition::{Definition, Subject};
use super::stop::StopOrder;
use super::{InstanceAction, Next, Turn};
use crate::brake::{self, Hold};
use crate::evidence::{CAPTURE, CAPTURE_WITH_COMMAND};
use crate::exit::Cause;
use crate::notice::Notice;
use crate::spec::{OnFailure, ProbeKind, Role};
use crate::status::KillHeld;
use crate::time::Later;
use crate::{Now, restart};

/// Time after which a brake that gave no answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// The end of an instance that one of its probes has decided.
#[derive(Debug)]
pub enum Condemnation {
    /// The brake is asked for the kill, and may hold it.
    Asking(Asking),
    /// The kill is allowed; the stop waits until the processes are captured, or until `until`.
    Capturing { order: StopOrder, until: Instant },
    /// An earlier daemon was about to stop the instance, which has ended since.
    Inherited(Cause),
}

#[derive(Debug)]
pub struct Asking {
    kind: ProbeKind,
    output: String,
    since: Now,
    ask_at: Instant,
    hold: Option<Hold>,
}

impl Condemnation {
    /// Condemns the instance and asks the brake.
    pub fn new(
        kind: ProbeKind,
        output: String,
        by_timeout: bool,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) -> Self {
        let now = turn.now;
        let ask_at = now.mono.later(RETRY);
        ask_brake(now.mono, by_timeout, subject, turn);
        Self::Asking(Asking { kind, output, since: now, ask_at, hold: None })
    }

    /// Probe whose failure the brake is asked about.
    pub fn asks_about(&self) -> Option<ProbeKind> {
        match self {
            Self::Asking(asking) => Some(asking.kind),
            Self::Capturing { .. } | Self::Inherited(_) => None,
        }
    }

    /// Cause that the record names: the kill is allowed, and not begun yet.
    pub fn recorded_cause(&self) -> Option<&Cause> {
        match self {
            Self::Asking(_) => None,
            Self::Capturing { order, .. } => Some(&order.cause),
            Self::Inherited(cause) => Some(cause),
        }
    }

    /// Cause for which evidence is being stored.
    pub fn captures_for(&self) -> Option<&Cause> {
        match self {
            Self::Capturing { order, .. } => Some(&order.cause),
            Self::Asking(_) | Self::Inherited(_) => None,
        }
    }

    pub fn kill_held(&self) -> Option<KillHeld> {
        let Self::Asking(asking) = self else { return None };
        let reason = asking.hold?.to_string();
        Some(KillHeld { probe: asking.kind, since: asking.since.wall, reason })
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asking(asking) => Some(asking.ask_at),
            Self::Capturing { until, .. } => Some(*until),
            Self::Inherited(_) => None,
        }
    }

    /// Asks the brake again if that is due.
    pub fn ask_again(
        &mut self,
        by_timeout: impl Fn(ProbeKind) -> bool,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) {
        if let Self::Asking(asking) = self
            && asking.ask_at <= turn.now.mono
        {
            asking.ask_at = turn.now.mono.later(RETRY);
            ask_brake(asking.since.mono, by_timeout(asking.kind), subject, turn);
        }
    }

    /// The brake holds the kill. Returns the probe if this is its first hold: the probe goes on.
    pub fn held(
        &mut self,
        why: Hold,
        again: Instant,
        definition: &Definition,
        turn: &mut Turn,
    ) -> Option<ProbeKind> {
        let Self::Asking(asking) = self else { return None };
        asking.ask_at = again;
        let before = asking.hold;
        if !before.is_some_and(|before| before.is_like(&why)) {
            asking.hold = Some(why);
        }
        if before.is_some() {
            return None;
        }
        let (container, kind) = (&definition.spec.name, asking.kind.lower());
        let message = format!("Container {container} failed {kind} probe, its kill is held: {why}");
        turn.note(Notice::warning("KillHeld", message));
        Some(asking.kind)
    }

    /// The brake allows the kill: the processes are captured first.
    pub fn granted(self, subject: Subject<'_>, turn: &mut Turn) -> Self {
        let Self::Asking(Asking { kind, output, .. }) = self else { return self };
        let order = stop_order(kind, output, subject.definition);
        let lifecycle = &subject.definition.spec.lifecycle;
        let bound = if lifecycle.evidence_exec.is_some() { CAPTURE_WITH_COMMAND } else { CAPTURE };
        turn.persist();
        if let Some(signal) = lifecycle.evidence_signal {
            turn.instance(subject.attempt, InstanceAction::Signal(signal));
        }
        turn.instance(subject.attempt, InstanceAction::Capture);
        Self::Capturing { order, until: turn.now.mono.later(bound) }
    }

    /// The processes are captured, or have ended: the stop that is due now.
    pub fn captured(condemnation: &mut Option<Self>) -> Option<StopOrder> {
        match condemnation.take() {
            Some(Self::Capturing { order, .. }) => Some(order),
            other => {
                *condemnation = other;
                None
            }
        }
    }

    /// The stop that is due because the capture takes too long.
    pub fn capture_over(condemnation: &mut Option<Self>, now: Now) -> Option<StopOrder> {
        match condemnation {
            Some(Self::Capturing { until, .. }) if *until <= now.mono => {
                Self::captured(condemnation)
            }
            _ => None,
        }
    }
}

fn ask_brake(since: Instant, by_timeout: bool, subject: Subject<'_>, turn: &mut Turn) {
    let request = brake::KillRequest { since, by_timeout };
    turn.instance(subject.attempt, InstanceAction::AskBrake(request));
}

fn stop_order(kind: ProbeKind, output: String, definition: &Definition) -> StopOrder {
    let Definition { pod, spec } = definition;
    let own = spec.probes.get(kind).and_then(|probe| probe.termination_grace);
    let grace = restart::grace(None, own, pod.termination_grace);
    let is_sidecar = definition.role() == Role::Sidecar;
    let restarts = restart::follows_probe_kill(pod.policy_of(spec));
    let suffix = match definition.on_failure(kind) {
        OnFailure::Stop => ", will be stopped",
        // As in Kubernetes, which does not say that a sidecar will be restarted.
        _ if restarts && !is_sidecar => ", will be restarted",
        _ => "",
    };
    let title = if is_sidecar { "Init container" } else { "Container" };
    let message = format!("{title} {} failed {} probe{suffix}", spec.name, kind.lower());
    StopOrder { cause: Cause::Probe { kind, output }, message, grace, next: Next::Policy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;
    use crate::container::Action;

    fn condemned(definition: &Definition, turn: &mut Turn) -> Condemnation {
        let subject = definition.subject(Incarnation(0));
        Condemnation::new(ProbeKind::Liveness, "500".into(), false, subject, turn)
    }

    #[test]
    fn condemned_braked_captured_stopped() {
        let (definition, mut turn) = (Definition::of_test(|_| {}), Turn::of_test());
        let subject = definition.subject(Incarnation(0));
        let mut condemnation = condemned(&definition, &mut turn);
        let [Action::Instance(_, InstanceAction::AskBrake(asked))] = turn.take()[..] else {
            panic!("the brake is not asked")
        };
        assert!(condemnation.kill_held().is_none());
        let again = turn.now.mono.later(RETRY * 5);
        let why = Hold::Late { containers: 2 };
        let first = condemnation.held(why, again, &definition, &mut turn);
        assert_eq!(first, Some(ProbeKind::Liveness), "the probe goes on");
        assert_eq!(condemnation.held(why, again, &definition, &mut turn), None);
        assert_eq!(turn.take().len(), 1, "the hold is published once");
        assert!(condemnation.kill_held().is_some() && condemnation.recorded_cause().is_none());
        turn.pass(5);
        condemnation.ask_again(|_| false, subject, &mut turn);
        let asks = Action::Instance(Incarnation(0), InstanceAction::AskBrake(asked));
        assert_eq!(turn.take(), [asks], "for the same condemnation");
        let condemnation = condemnation.granted(subject, &mut turn);
        let capture = Action::Instance(Incarnation(0), InstanceAction::Capture);
        assert_eq!(turn.take(), [Action::Persist, capture]);
        assert!(matches!(condemnation.recorded_cause(), Some(Cause::Probe { .. })));
        let mut condemnation = Some(condemnation);
        let order = Condemnation::captured(&mut condemnation).unwrap();
        assert_eq!(order.message, "Container app failed liveness probe, will be restarted");
        assert!(condemnation.is_none());
    }

    #[test]
    fn the_evidence_is_waited_for_with_a_bound() {
        let (definition, mut turn) = (Definition::of_test(|_| {}), Turn::of_test());
        let condemnation = condemned(&definition, &mut turn);
        let mut condemnation =
            Some(condemnation.granted(definition.subject(Incarnation(0)), &mut turn));
        assert!(Condemnation::capture_over(&mut condemnation, turn.now).is_none());
        assert_eq!(
            condemnation.as_ref().and_then(Condemnation::deadline),
            Some(turn.now.mono.later(CAPTURE))
        );
        turn.pass(CAPTURE.as_secs() + 1);
        assert!(Condemnation::capture_over(&mut condemnation, turn.now).is_some());
    }
}
