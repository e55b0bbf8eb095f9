//! Hooks, stop signal and evidence collection of a container.

use std::time::Duration;

use super::{Exec, HttpGet};

/// Kubernetes' `lifecycle` of a container, and what is collected when a probe condemns it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lifecycle {
    /// Hook that runs when the process has started. Probes wait for it, and its failure ends the
    /// process.
    pub post_start: Option<HookHandler>,
    /// Hook that runs before the stop signal, within the grace.
    pub pre_stop: Option<HookHandler>,
    /// Number of the stop signal; the image's if unset, else SIGTERM.
    pub stop_signal: Option<i32>,
    /// Number of a signal that is sent to a condemned container before its evidence is captured. A
    /// Java process, for example, writes a thread dump into its log on SIGQUIT.
    pub evidence_signal: Option<i32>,
    /// Command that runs in a condemned container; its output becomes part of the evidence.
    pub evidence_exec: Option<Exec>,
}

/// Action of a lifecycle hook; Kubernetes' `LifecycleHandler`.
#[derive(Debug, Clone, PartialEq)]
pub enum HookHandler {
    /// Runs a command in the container.
    Exec(Exec),
    /// Sends an HTTP GET request.
    HttpGet(HttpGet),
    /// Waits; at most as long as the pod's termination grace.
    Sleep(Duration),
}

/// Time at which a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// After the process has started.
    PostStart,
    /// Before the stop signal.
    PreStop,
}

impl HookKind {
    /// Name of the hook's field in Kubernetes: `postStart` or `preStop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostStart => "postStart",
            Self::PreStop => "preStop",
        }
    }
}

impl Lifecycle {
    /// Returns the hook of this kind, if the container has one.
    pub fn get(&self, kind: HookKind) -> Option<&HookHandler> {
        match kind {
            HookKind::PostStart => self.post_start.as_ref(),
            HookKind::PreStop => self.pre_stop.as_ref(),
        }
    }
}
