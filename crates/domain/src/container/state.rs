//! The states.

use std::time::{Instant, SystemTime};

use super::capture::Capturing;
use super::condemned::Condemned;
use super::eviction::Measuring;
use super::shim::Shim;
use crate::exit::Operator;
use crate::probe::{Tracker, Verdict};
use crate::spec::ProbeKind;
use crate::status::WaitingReason;

#[derive(Debug)]
pub(super) enum State {
    /// Never started, and not wanted to.
    Created,
    Waiting {
        reason: WaitingReason,
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
    pub post_start: PostStart,
    pub shim: Shim,
    pub measuring: Measuring,
    /// A probe has condemned it, and the brake has not let its kill through yet.
    pub condemned: Option<Condemned>,
    /// Its kill is let through and waits for the evidence.
    pub capturing: Option<Capturing>,
    /// The signal that an operator sent last, to tell his kill from a stranger's.
    pub operator_signal: Option<(i32, Operator)>,
}

/// The hook that comes before an instance counts as begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostStart {
    Running,
    /// Its instance is being ended for that.
    Failed,
    /// It has succeeded, or there is none.
    Over,
}

impl Running {
    /// The postStart hook is over: only then an instance is shown.
    pub(super) fn has_begun(&self) -> bool {
        self.post_start == PostStart::Over
    }

    pub(super) fn tracker(&self, kind: ProbeKind) -> Option<&Tracker> {
        self.trackers.iter().find(|t| t.kind() == kind)
    }

    /// Started: the postStart hook is over, and the startup probe has passed, or there is none.
    pub(super) fn has_started(&self) -> bool {
        self.has_begun()
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
        self.has_begun()
            && (kind == ProbeKind::Startup) != self.has_started()
            && (!stopping || kind == ProbeKind::Readiness)
    }
}
