//! The end of an instance: preStop hook, stop signal, grace, SIGKILL.

use std::time::{Duration, Instant, SystemTime};

use super::definition::{Definition, Subject};
use super::{InstanceAction, Turn};
use crate::Now;
use crate::exit::Cause;
use crate::notice::Notice;
use crate::spec::HookKind;
use crate::time::Later;

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// Interval at which SIGKILL is repeated.
const RETRY: Duration = Duration::from_secs(1);
/// Minimum time from the stop signal to SIGKILL after a hook, even if the hook used up the grace;
/// as in the kubelet.
pub const LEAST: Duration = Duration::from_secs(2);

/// Recorded state of a stop: its cause, its progress, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopping {
    /// Cause of the stop, which becomes the cause of the instance's end.
    pub cause: Cause,
    /// Action after the stop.
    pub next: Next,
    /// Time from the start of the stop to SIGKILL, the preStop hook included.
    pub grace: Duration,
    /// Time at which the grace is over.
    pub kill_at: SystemTime,
    /// True if the stop signal was sent. Before that, the preStop hook runs or the stop waits for
    /// the pod.
    pub signaled: bool,
    /// True if the preStop hook has ended, or there is none.
    pub hooked: bool,
    /// True if the signal waits until other containers of the pod have ended.
    pub waits: bool,
    /// True if SIGKILL was sent.
    pub killed: bool,
}

/// Step that follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The step that the restart policy and the wanted level decide.
    Policy,
    /// A new instance at once.
    Start,
}

/// A stop that is to begin.
#[derive(Debug)]
pub struct StopOrder {
    pub cause: Cause,
    /// Message of the event `Killing`.
    pub message: String,
    pub grace: Duration,
    pub next: Next,
}

/// A stop that is under way.
#[derive(Debug)]
pub struct Stop {
    record: Stopping,
    /// Time at which the next signal is due.
    kill_at: Instant,
    image_signal: Option<i32>,
}

impl Stop {
    /// Begins a stop. The stop signal `waits_for_pod` if the container ends after the others.
    pub fn begin(
        order: StopOrder,
        waits_for_pod: bool,
        image_signal: Option<i32>,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) -> Self {
        let StopOrder { cause, message, grace, next } = order;
        let killed = grace.is_zero();
        let hook = subject.definition.spec.lifecycle.pre_stop.is_some() && !killed;
        // A container that its own probe stops does not wait for the others.
        let waits = waits_for_pod && !matches!(cause, Cause::Probe { .. }) && !killed;
        let (hooked, signaled) = (!hook, !(hook || waits));
        let kill_at = turn.now.wall.later(grace);
        let record = Stopping { cause, next, grace, kill_at, signaled, hooked, waits, killed };
        let kill_at = turn.now.mono.later(if killed { RETRY } else { grace });
        let stop = Self { record, kill_at, image_signal };
        if signaled {
            let signal = if killed { SIGKILL } else { stop.signal(subject.definition) };
            turn.instance(subject.attempt, InstanceAction::Signal(signal));
        }
        turn.note(Notice::normal("Killing", message));
        if hook {
            turn.instance(subject.attempt, InstanceAction::RunHook(HookKind::PreStop, grace));
        }
        // Another daemon may have to finish the stop, and to report its cause.
        turn.persist();
        stop
    }

    /// Resumes a stop that an earlier daemon began. A clock that was set back does not lengthen it.
    pub fn resume(record: Stopping, image_signal: Option<i32>, now: Now) -> Self {
        let left = record.kill_at.duration_since(now.wall).unwrap_or_default();
        let kill_at = now.mono.later(left.min(record.grace.max(LEAST)));
        Self { record, kill_at, image_signal }
    }

    /// Continues a stop of an earlier daemon. A hook that was running counts as ended, because its
    /// progress is unknown.
    pub fn go_on(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        if self.is_in_pre_stop() {
            self.record.hooked = true;
            if !self.record.waits {
                self.send_signal(subject, turn);
            }
        }
    }

    pub fn record(&self) -> &Stopping {
        &self.record
    }

    pub fn record_mut(&mut self) -> &mut Stopping {
        &mut self.record
    }

    pub fn into_record(self) -> Stopping {
        self.record
    }

    pub fn deadline(&self) -> Instant {
        self.kill_at
    }

    /// True if the stop signal waits for other containers of the pod, whether or not the hook has
    /// ended.
    pub fn awaits_pod(&self) -> bool {
        self.is_in_pre_stop() && self.record.waits
    }

    pub fn follow_with(&mut self, next: Next) {
        self.record.next = next;
    }

    /// Shortens the grace to that of a later request, which never lengthens it. A grace of 0 does
    /// not wait for the hook either.
    pub fn hurry(&mut self, grace: Option<Duration>, now: Now) {
        let Some(grace) = grace else { return };
        self.kill_at = self.kill_at.min(now.mono.later(grace));
        self.record.kill_at = self.record.kill_at.min(now.wall.later(grace));
        self.record.signaled |= grace.is_zero();
        self.record.grace = self.record.grace.min(grace);
    }

    /// Ends the hook or the grace when its time is over.
    pub fn tick(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        if self.kill_at > turn.now.mono {
            return;
        }
        if self.is_in_pre_stop() {
            if !self.record.hooked {
                note_failed_hook(HookKind::PreStop, turn);
            }
            self.send_signal(subject, turn);
        } else {
            self.kill_at = turn.now.mono.later(RETRY);
            self.record.killed = true;
            turn.instance(subject.attempt, InstanceAction::Signal(SIGKILL));
        }
    }

    /// Handles the end of the preStop hook: sends the stop signal, unless it waits for the pod.
    pub fn hooked(&mut self, is_failed: bool, subject: Subject<'_>, turn: &mut Turn) {
        if !self.is_in_pre_stop() {
            return;
        }
        if is_failed {
            note_failed_hook(HookKind::PreStop, turn);
        }
        self.record.hooked = true;
        if self.record.waits {
            turn.persist();
        } else {
            self.send_signal(subject, turn);
        }
    }

    /// Handles the end of the containers that end before this one: sends the stop signal once the
    /// hook has ended, too.
    pub fn pod_allows(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        if !self.awaits_pod() {
            return;
        }
        self.record.waits = false;
        if self.record.hooked {
            self.send_signal(subject, turn);
        } else {
            turn.persist();
        }
    }

    fn is_in_pre_stop(&self) -> bool {
        !self.record.signaled
    }

    /// Sends the stop signal after the hook. The process has the rest of the grace, and at least
    /// [`LEAST`].
    fn send_signal(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        let signal = self.signal(subject.definition);
        turn.instance(subject.attempt, InstanceAction::Signal(signal));
        self.kill_at = self.kill_at.max(turn.now.mono.later(LEAST));
        self.record.kill_at = self.record.kill_at.max(turn.now.wall.later(LEAST));
        self.record.signaled = true;
        turn.persist();
    }

    fn signal(&self, definition: &Definition) -> i32 {
        definition.spec.lifecycle.stop_signal.or(self.image_signal).unwrap_or(SIGTERM)
    }
}

/// Publishes that a hook failed, without its output, which may have secrets.
pub fn note_failed_hook(kind: HookKind, turn: &mut Turn) {
    let (reason, message) = match kind {
        HookKind::PostStart => ("FailedPostStartHook", "PostStartHook failed"),
        HookKind::PreStop => ("FailedPreStopHook", "PreStopHook failed"),
    };
    turn.note(Notice::warning(reason, message));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;
    use crate::container::Action;
    use crate::spec::HookHandler;

    fn order(grace: u64) -> StopOrder {
        StopOrder {
            cause: Cause::Deadline,
            message: String::new(),
            grace: Duration::from_secs(grace),
            next: Next::Policy,
        }
    }

    fn signals(turn: &mut Turn) -> Vec<i32> {
        let signal = |action| match action {
            Action::Instance(_, InstanceAction::Signal(signal)) => Some(signal),
            _ => None,
        };
        turn.take().into_iter().filter_map(signal).collect()
    }

    #[test]
    fn signal_then_sigkill_until_it_ends() {
        let (definition, mut turn) = (Definition::of_test(|_| {}), Turn::of_test());
        let subject = definition.subject(Incarnation(0));
        let mut stop = Stop::begin(order(5), false, Some(3), subject, &mut turn);
        assert_eq!(signals(&mut turn), [3], "the image's signal");
        let killed = [4, 1, 0, 1].map(|seconds| {
            turn.pass(seconds);
            stop.tick(subject, &mut turn);
            signals(&mut turn)
        });
        assert_eq!(killed, [vec![], vec![SIGKILL], vec![], vec![SIGKILL]]);
        assert!(stop.record().killed);
    }

    #[test]
    fn a_hook_comes_before_the_signal_and_leaves_two_seconds() {
        let hooked = Definition::of_test(|pod| {
            let sleep = HookHandler::Sleep(Duration::from_secs(9));
            pod.containers[0].lifecycle.pre_stop = Some(sleep);
        });
        let (subject, mut turn) = (hooked.subject(Incarnation(0)), Turn::of_test());
        let mut stop = Stop::begin(order(5), false, None, subject, &mut turn);
        assert!(signals(&mut turn).is_empty());
        turn.pass(5);
        stop.tick(subject, &mut turn);
        assert_eq!(signals(&mut turn), [SIGTERM]);
        assert_eq!(stop.deadline(), turn.now.mono.later(LEAST));
        stop.hooked(false, subject, &mut turn);
        assert!(signals(&mut turn).is_empty(), "it is over already");
    }

    #[test]
    fn a_sidecar_waits_for_the_other_containers() {
        let (definition, mut turn) = (Definition::of_test(|_| {}), Turn::of_test());
        let subject = definition.subject(Incarnation(0));
        let mut stop = Stop::begin(order(5), true, None, subject, &mut turn);
        assert!(stop.awaits_pod());
        assert!(signals(&mut turn).is_empty());
        stop.pod_allows(subject, &mut turn);
        assert_eq!((signals(&mut turn), stop.awaits_pod()), (vec![SIGTERM], false));
    }
}
