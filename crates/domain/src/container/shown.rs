//! How a container is shown. An instance is shown, and counted as a restart, once it has begun:
//! its process runs and its postStart hook is over, or its start has failed. Until then what was
//! shown before stays, as with the kubelet, which sees of a start only how it came out.

use super::state::{PostStart, Running, State};
use super::{Machine, Wanted};
use crate::Incarnation;
use crate::exit::{Cause, Terminated};
use crate::restart;
use crate::spec::{HookKind, Role};
use crate::status::{ContainerState, ContainerStatus, Stage, WaitingReason};

/// A state and the last state that goes with it.
pub(super) type Shown = (ContainerState, Option<Terminated>);

impl Machine {
    pub fn status(&self) -> ContainerStatus {
        let running = self.process().map(|(running, _)| running);
        let (state, last_state) = self.shown();
        let spec = self.container();
        ContainerStatus {
            name: spec.name.clone(),
            attempt: self.memory.attempt,
            instance: self.instance(),
            stage: self.stage(),
            ready: match self.role() {
                Role::Init => self.has_succeeded(),
                Role::Sidecar | Role::Regular => running.is_some_and(Running::is_ready),
            },
            started: running.is_some_and(Running::has_started),
            restart_count: self.memory.restart_count.saturating_sub(u32::from(!self.has_begun())),
            image: spec.image(),
            image_id: self.memory.image_id.clone(),
            container_id: self.container_id.clone(),
            user: self.memory.user.clone(),
            pid: running.and(self.pid),
            state,
            last_state,
            history: self.memory.history.clone(),
            probes: running
                .map(|r| r.trackers.iter().map(|t| t.status().clone()).collect())
                .unwrap_or_default(),
            next_try: self
                .memory
                .restart_at
                .filter(|_| matches!(self.state, State::Waiting { .. })),
            given_up: self.memory.given_up,
            paused_until: self.memory.paused_until,
            shim: running.and_then(|running| running.shim.memory),
            kill_held: running.and_then(|running| running.condemned.as_ref()?.shown()),
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let last = || self.memory.last_state.clone();
        match &self.state {
            State::Created if self.memory.held => self.held_state(),
            State::Created => (waiting(WaitingReason::Created, "not started yet"), None),
            State::Pulling { .. } | State::Starting => self.shown_before(),
            State::Waiting { reason, message, .. } => {
                let last = self.memory.ended.as_ref().or(self.memory.last_state.as_ref());
                (waiting(*reason, message), last.cloned())
            }
            State::Running(running) | State::Stopping { running, .. } => match running.post_start {
                PostStart::Over => {
                    (ContainerState::Running { started_at: running.started_at }, last())
                }
                PostStart::Running => self.shown_before(),
                PostStart::Failed => {
                    let cause = self.memory.stopping.as_ref().map(|stopping| &stopping.cause);
                    (hook_error(cause), last())
                }
            },
            State::Terminated => match &self.memory.ended {
                Some(ended) if self.is_stopped_before_restart(ended) => {
                    let message = "the container was stopped while it waited for its restart";
                    (waiting(WaitingReason::Stopped, message), Some(ended.clone()))
                }
                Some(ended) => (ContainerState::Terminated(ended.clone()), last()),
                None => (waiting(WaitingReason::Stopped, "not started"), last()),
            },
        }
    }

    /// Whether only an operator's stop of the container keeps a restart from following this end.
    /// The end itself has another cause, which `Terminated` alone would show.
    fn is_stopped_before_restart(&self, ended: &Terminated) -> bool {
        let is_forbidden = self.memory.given_up || self.memory.finished || self.memory.expired;
        let by_itself = !matches!(ended.cause, Cause::Operator(_) | Cause::AllRestart);
        self.memory.wanted == Wanted::Stopped
            && by_itself
            && !is_forbidden
            && !self.is_stopped_by_probe()
            && restart::follows(&self.pod, &self.spec, ended)
    }

    /// What an instance that has ended leaves to be shown until the next one has begun.
    pub(super) fn shown_while_it_starts(&self) -> Shown {
        match self.shown() {
            (ContainerState::Terminated(ended), last) => after(ended, last),
            other => other,
        }
    }

    fn shown_before(&self) -> Shown {
        match (&self.before, &self.memory.last_state) {
            (Some(before), _) => before.clone(),
            (None, None) => (waiting(self.creating(), ""), None),
            // Another daemon saw it.
            (None, Some(ended)) => {
                let mut older = self.memory.history.iter();
                let older = older.find(|older| older.attempt < ended.attempt).cloned();
                after(ended.clone(), older)
            }
        }
    }

    /// The newest attempt has, if only to fail.
    fn has_begun(&self) -> bool {
        let is_shown = self.process().is_none_or(|(running, _)| running.has_begun());
        self.memory.ended.is_some() || self.memory.started_at.is_some() && is_shown
    }

    fn instance(&self) -> Incarnation {
        let has_a_log = self.memory.ended.is_some() || self.memory.started_at.is_some();
        let last = self.memory.last_state.as_ref().filter(|_| !has_a_log);
        last.map_or(self.memory.attempt, |last| last.attempt)
    }

    fn stage(&self) -> Stage {
        match &self.state {
            State::Created if self.memory.held && self.memory.wanted == Wanted::Running => {
                Stage::Queued
            }
            State::Created => Stage::Idle,
            State::Pulling { .. } | State::Starting => Stage::Starting,
            // The kubelet counts the network as a part of a start.
            State::Waiting { reason: WaitingReason::ContainerCreating, .. } => Stage::Starting,
            State::Waiting { .. } => Stage::Waiting,
            State::Running(_) | State::Stopping { .. } => Stage::Running,
            State::Terminated if self.memory.ended.is_none() => Stage::Idle,
            State::Terminated => Stage::Over,
        }
    }

    /// Kubernetes' word for a container that does not run yet.
    pub(super) fn creating(&self) -> WaitingReason {
        match self.pod.init_containers.is_empty() {
            true => WaitingReason::ContainerCreating,
            false => WaitingReason::PodInitializing,
        }
    }
}

/// With the kubelet a failed hook is a failed start, and shown as why the container waits.
fn after(ended: Terminated, older: Option<Terminated>) -> Shown {
    match &ended.cause {
        cause @ Cause::Hook { kind: HookKind::PostStart, .. } => {
            (hook_error(Some(cause)), Some(ended))
        }
        _ => (ContainerState::Terminated(ended), older),
    }
}

fn hook_error(cause: Option<&Cause>) -> ContainerState {
    let message = cause.map(Cause::to_string).unwrap_or_default();
    waiting(WaitingReason::PostStartHookError, &message)
}

pub(super) fn waiting(reason: WaitingReason, message: &str) -> ContainerState {
    ContainerState::Waiting { reason, message: message.into() }
}
