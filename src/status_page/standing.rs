//! How a pod is, as far as the page's order and colours are concerned.

use crate::domain::pod::PodView;
use crate::domain::spec::ProbeKind;
use crate::domain::status::{ContainerState, ContainerStatus, Phase, WaitingReason};

/// How a pod is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It needs attention.
    Bad,
    /// It is on its way: it starts, or it is deleted.
    Pending,
    /// All of it is ready.
    Good,
    /// It has completed, or was stopped by an operator.
    Idle,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Bad, Self::Pending, Self::Good, Self::Idle];

    pub fn of(view: &PodView) -> Self {
        let status = &view.status;
        let is_bad = view.manifest_error.is_some() || status.all().any(is_in_trouble);
        if status.deletion.is_some() {
            return Self::Pending;
        }
        match status.phase {
            Phase::Failed | Phase::Unknown => Self::Bad,
            _ if is_bad => Self::Bad,
            Phase::Succeeded => Self::Idle,
            _ if status.is_ready() => Self::Good,
            _ if status.containers.iter().all(is_stopped) => Self::Idle,
            _ => Self::Pending,
        }
    }

    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Pending => "pending",
            Self::Good => "good",
            Self::Idle => "idle",
        }
    }

    /// A sign that differs in its shape, because not all readers can distinguish colours.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Bad => "▲",
            Self::Pending => "◐",
            Self::Good => "●",
            Self::Idle => "○",
        }
    }

    /// What is said of a number of such pods.
    pub fn words(self, count: usize) -> &'static str {
        match self {
            Self::Bad if count == 1 => "needs attention",
            Self::Bad => "need attention",
            Self::Pending => "starting or ending",
            Self::Good => "ready",
            Self::Idle => "completed or stopped",
        }
    }
}

/// True if a container does not run although it should, is not ready although its probes had their
/// time, or has a kill that waits.
pub fn is_in_trouble(status: &ContainerStatus) -> bool {
    let waits = match &status.state {
        ContainerState::Waiting { reason, message } => match reason {
            WaitingReason::Created | WaitingReason::Stopped => false,
            // The start of a container has a message if it has failed before.
            WaitingReason::ContainerCreating
            | WaitingReason::PodInitializing
            | WaitingReason::RestartingAllContainers => !message.is_empty(),
            _ => true,
        },
        ContainerState::Running { .. } => status.started && !status.ready && has_judged(status),
        ContainerState::Terminated(end) => end.exit_code != 0 && status.stage.goes_on(),
    };
    waits || status.given_up || status.kill_held.is_some()
}

/// True if the readiness probe has run. Until then a container that has just started is not ready.
fn has_judged(status: &ContainerStatus) -> bool {
    let readiness = status.probes.iter().find(|probe| probe.kind == ProbeKind::Readiness);
    readiness.is_some_and(|probe| probe.last.is_some())
}

fn is_stopped(status: &ContainerStatus) -> bool {
    let is_waiting = match &status.state {
        ContainerState::Waiting { reason, .. } => {
            matches!(reason, WaitingReason::Created | WaitingReason::Stopped)
        }
        ContainerState::Terminated(end) => end.reason == "Stopped",
        ContainerState::Running { .. } => false,
    };
    is_waiting && !status.stage.goes_on()
}
