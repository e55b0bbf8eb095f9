//! The states and how each is shown.

use std::time::{Instant, SystemTime};

use super::Machine;
use super::capture::Capturing;
use super::condemned::Condemned;
use super::eviction::Measuring;
use super::shim::Shim;
use crate::domain::exit::Operator;
use crate::domain::probe::{Tracker, Verdict};
use crate::domain::spec::{ProbeKind, Role};
use crate::domain::status::{ContainerState, ContainerStatus};

#[derive(Debug)]
pub(super) enum State {
    /// Never started, and not wanted to.
    Created,
    Waiting {
        reason: &'static str,
        message: String,
        until: Instant,
    },
    /// The image is looked for, then pulled.
    Pulling {
        looking: bool,
    },
    Starting,
    Running(Running),
    /// The memory has the why.
    Stopping {
        running: Running,
        kill_at: Instant,
    },
    /// For good, or until wanted again.
    Terminated,
}

#[derive(Debug)]
pub(super) struct Running {
    pub since: Instant,
    pub started_at: SystemTime,
    pub trackers: Vec<Tracker>,
    /// Readiness as an earlier daemon or spec left it, until the probe has a word of its own.
    pub was_ready: bool,
    /// The runtime has lost its task.
    pub orphan: bool,
    /// The postStart hook has not ended yet.
    pub post_start: bool,
    pub shim: Shim,
    pub measuring: Measuring,
    /// A probe has condemned it, and the brake has not let its kill through yet.
    pub condemned: Option<Condemned>,
    /// Its kill is let through and waits for the evidence.
    pub capturing: Option<Capturing>,
    /// The signal that an operator sent last, to tell his kill from a stranger's.
    pub operator_signal: Option<(i32, Operator)>,
}

impl Running {
    pub(super) fn tracker(&self, kind: ProbeKind) -> Option<&Tracker> {
        self.trackers.iter().find(|t| t.kind() == kind)
    }

    /// Started: the postStart hook is over, and the startup probe has passed, or there is none.
    pub(super) fn has_started(&self) -> bool {
        !self.post_start
            && self.tracker(ProbeKind::Startup).is_none_or(|t| t.verdict() == Verdict::Success)
    }

    pub(super) fn failed_by_timeout(&self, kind: ProbeKind) -> bool {
        self.trackers.iter().any(|tracker| tracker.kind() == kind && tracker.failed_by_timeout())
    }

    pub(super) fn tracker_mut(&mut self, kind: ProbeKind) -> Option<&mut Tracker> {
        self.trackers.iter_mut().find(|t| t.kind() == kind)
    }

    pub(super) fn is_ready(&self) -> bool {
        let verdict = self.tracker(ProbeKind::Readiness).map(Tracker::verdict);
        self.has_started()
            && match verdict {
                None | Some(Verdict::Success) => true,
                Some(Verdict::Failure) => false,
                Some(Verdict::Unknown) => self.was_ready,
            }
    }

    /// Whether `kind` may run now: startup until it has decided, the others after it; of a
    /// stopping container only readiness.
    pub(super) fn is_open(&self, kind: ProbeKind, stopping: bool) -> bool {
        !self.post_start
            && (kind == ProbeKind::Startup) != self.has_started()
            && (!stopping || kind == ProbeKind::Readiness)
    }
}

impl Machine {
    pub fn status(&self) -> ContainerStatus {
        let running = self.process().map(|(running, _)| running);
        let (state, last_state) = match &self.state {
            State::Created if self.memory.held => self.held_state(),
            State::Created => (waiting("Created", "not started yet"), None),
            State::Pulling { .. } | State::Starting => {
                (waiting(self.creating(), ""), self.memory.last_state.clone())
            }
            State::Waiting { reason, message, .. } => {
                let last = self.memory.ended.as_ref().or(self.memory.last_state.as_ref());
                (waiting(reason, message), last.cloned())
            }
            State::Running(running) | State::Stopping { running, .. } => (
                ContainerState::Running { started_at: running.started_at },
                self.memory.last_state.clone(),
            ),
            State::Terminated => match &self.memory.ended {
                Some(ended) => {
                    (ContainerState::Terminated(ended.clone()), self.memory.last_state.clone())
                }
                None => (waiting("Stopped", "not started"), self.memory.last_state.clone()),
            },
        };
        let spec = self.container();
        ContainerStatus {
            name: spec.name.clone(),
            attempt: self.memory.attempt,
            ready: match self.role() {
                Role::Init => self.has_succeeded(),
                Role::Sidecar | Role::Regular => running.is_some_and(Running::is_ready),
            },
            started: running.is_some_and(Running::has_started),
            restart_count: self.memory.restart_count,
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
}

pub(super) fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.into(), message: message.into() }
}
