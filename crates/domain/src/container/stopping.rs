//! Lifecycle hooks, and the end of an instance: preStop, stop signal, grace, SIGKILL.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::state::{PostStart, State};
use super::{InstanceAction, Machine, Turn};
use crate::Now;
use crate::exit::{Cause, Operator};
use crate::notice::Notice;
use crate::probe::Tracker;
use crate::spec::HookKind;
use crate::time::Later;

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// How soon SIGKILL is sent again.
const RETRY: Duration = Duration::from_secs(1);
/// What a process has left after a hook that took all of the grace; the kubelet's floor.
const LEAST: Duration = Duration::from_secs(2);

/// Why an instance is being ended, and what is to follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    pub cause: Cause,
    pub next: Next,
    pub grace: Duration,
    /// When the grace is over.
    pub kill_at: SystemTime,
    /// The stop signal was sent; before that the preStop hook runs.
    #[serde(default)]
    pub signaled: bool,
    /// The hook has ended, or there is none.
    #[serde(default)]
    pub hooked: bool,
    /// The signal comes when others of the pod have ended.
    #[serde(default)]
    pub waits: bool,
    /// SIGKILL was sent, too.
    #[serde(default)]
    pub killed: bool,
}

/// What follows an ending that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// What policy and wanted level say.
    Policy,
    /// A new instance at once.
    Start,
}

impl Machine {
    pub(super) fn kill(&mut self, signal: i32, turn: &mut Turn) {
        let operator = Operator::new(format!("kill -s {signal}"), self.caller);
        if let State::Running(running) | State::Stopping { running, .. } = &mut self.state {
            running.operator_signal = Some((signal, operator));
            turn.instance(self.memory.attempt, InstanceAction::Signal(signal));
        }
    }

    pub(super) fn stop(
        &mut self,
        cause: Cause,
        message: String,
        grace: Duration,
        next: Next,
        turn: &mut Turn,
    ) {
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Terminated)
        else {
            return;
        };
        // What was launched before must not speak about a stopping container.
        running.trackers.iter_mut().for_each(Tracker::drop_evidence);
        running.condemned = None;
        self.memory.condemned = None;
        let hook = self.spec.lifecycle.pre_stop.is_some() && !grace.is_zero();
        let kill_at = turn.now.mono.later(if grace.is_zero() { RETRY } else { grace });
        self.state = State::Stopping { running, kill_at };
        let kill_at = turn.now.wall.later(grace);
        // A container that its own probe stops does not wait for the others.
        let with_the_pod = self.is_last_to_stop() && !matches!(cause, Cause::Probe { .. });
        let waits = with_the_pod && !grace.is_zero();
        let (hooked, signaled, killed) = (!hook, !(hook || waits), grace.is_zero());
        let stopping = Stopping { cause, next, grace, kill_at, signaled, hooked, waits, killed };
        self.memory.stopping = Some(stopping);
        if signaled {
            let signal = if grace.is_zero() { SIGKILL } else { self.stop_signal() };
            turn.instance(self.memory.attempt, InstanceAction::Signal(signal));
        }
        turn.note(Notice::normal("Killing", message));
        if hook {
            turn.instance(self.memory.attempt, InstanceAction::RunHook(HookKind::PreStop, grace));
        }
        // Another daemon may have to finish it, and to tell why.
        turn.persist();
    }

    fn stop_signal(&self) -> i32 {
        self.spec.lifecycle.stop_signal.or(self.memory.stop_signal).unwrap_or(SIGTERM)
    }

    pub(super) fn follow_with(&mut self, next: Next) {
        if let Some(stopping) = &mut self.memory.stopping {
            stopping.next = next;
        }
    }

    /// A later request may shorten a grace, never lengthen it; without any the hook is not
    /// waited for either.
    pub(super) fn hurry(&mut self, grace: Option<Duration>, now: Now) {
        if let (State::Stopping { kill_at, .. }, Some(stopping), Some(grace)) =
            (&mut self.state, &mut self.memory.stopping, grace)
        {
            *kill_at = (*kill_at).min(now.mono.later(grace));
            stopping.kill_at = stopping.kill_at.min(now.wall.later(grace));
            stopping.signaled |= grace.is_zero();
            stopping.grace = stopping.grace.min(grace);
        }
    }

    pub(super) fn grace_over(&mut self, turn: &mut Turn) {
        if self.is_in_pre_stop() {
            if !self.memory.stopping.as_ref().is_some_and(|stopping| stopping.hooked) {
                self.told_of_failure(HookKind::PreStop, turn);
            }
            self.signal_after_hook(turn);
        } else if let State::Stopping { kill_at, .. } = &mut self.state {
            *kill_at = turn.now.mono.later(RETRY);
            if let Some(stopping) = &mut self.memory.stopping {
                stopping.killed = true;
            }
            turn.instance(self.memory.attempt, InstanceAction::Signal(SIGKILL));
        }
    }

    pub(super) fn is_in_pre_stop(&self) -> bool {
        matches!(self.state, State::Stopping { .. })
            && self.memory.stopping.as_ref().is_some_and(|stopping| !stopping.signaled)
    }

    /// The hook is over; whether the signal waits for the others of the pod.
    pub(super) fn has_hooked_and_waits(&mut self) -> bool {
        self.memory.stopping.as_mut().is_some_and(|stopping| {
            stopping.hooked = true;
            stopping.waits
        })
    }

    /// The signal that the hook came before, with what is left of the grace.
    pub(super) fn signal_after_hook(&mut self, turn: &mut Turn) {
        turn.instance(self.memory.attempt, InstanceAction::Signal(self.stop_signal()));
        if let (State::Stopping { kill_at, .. }, Some(stopping)) =
            (&mut self.state, &mut self.memory.stopping)
        {
            *kill_at = (*kill_at).max(turn.now.mono.later(LEAST));
            stopping.kill_at = stopping.kill_at.max(turn.now.wall.later(LEAST));
            stopping.signaled = true;
        }
        turn.persist();
    }

    /// Bounded by the pod's grace, as an end of this instance is.
    pub(super) fn run_post_start(&mut self, turn: &mut Turn) {
        if let (State::Running(running), Some(_)) =
            (&mut self.state, &self.spec.lifecycle.post_start)
        {
            running.post_start = PostStart::Running;
            let bound = self.pod.termination_grace.max(LEAST);
            turn.instance(self.memory.attempt, InstanceAction::RunHook(HookKind::PostStart, bound));
        }
    }

    pub(super) fn hooked(&mut self, kind: HookKind, result: Result<(), String>, turn: &mut Turn) {
        match kind {
            HookKind::PostStart => self.post_started(result, turn),
            HookKind::PreStop if self.is_in_pre_stop() => {
                if result.is_err() {
                    self.told_of_failure(kind, turn);
                }
                if self.has_hooked_and_waits() {
                    turn.persist();
                } else {
                    self.signal_after_hook(turn);
                }
            }
            HookKind::PreStop => {}
        }
    }

    fn post_started(&mut self, result: Result<(), String>, turn: &mut Turn) {
        let State::Running(running) = &mut self.state else { return };
        if running.post_start != PostStart::Running {
            return;
        }
        let Err(output) = result else {
            running.post_start = PostStart::Over;
            running.trackers.iter_mut().for_each(|tracker| tracker.not_before(turn.now.mono));
            return self.note_levels(turn);
        };
        running.post_start = PostStart::Failed;
        let kind = HookKind::PostStart;
        self.told_of_failure(kind, turn);
        let (grace, cause) = (self.pod.termination_grace, Cause::Hook { kind, output });
        self.stop(cause, "FailedPostStartHook".into(), grace, Next::Policy, turn);
    }

    /// Without its output, which may hold secrets.
    fn told_of_failure(&self, kind: HookKind, turn: &mut Turn) {
        let (reason, message) = match kind {
            HookKind::PostStart => ("FailedPostStartHook", "PostStartHook failed"),
            HookKind::PreStop => ("FailedPreStopHook", "PreStopHook failed"),
        };
        turn.note(Notice::warning(reason, message));
    }

    /// What is left of a grace after the daemon was away. A clock that was set back must not
    /// lengthen it.
    pub(super) fn kill_deadline(stopping: &Stopping, now: Now) -> Instant {
        let left = stopping.kill_at.duration_since(now.wall).unwrap_or_default();
        now.mono.later(left.min(stopping.grace.max(LEAST)))
    }
}
