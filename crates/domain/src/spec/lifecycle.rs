//! What happens beside the process at its beginning and its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Exec, HttpGet};

/// What happens beside the process at its beginning and its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Runs when the process has started; probes wait for it, and its failure ends the process.
    pub post_start: Option<HookHandler>,
    /// Runs before the stop signal, within the grace.
    pub pre_stop: Option<HookHandler>,
    /// In place of the image's, which is in place of SIGTERM.
    pub stop_signal: Option<i32>,
    /// Sent to a container that a probe has condemned, before it is seen what it does: a Java
    /// process writes its threads into its log on SIGQUIT.
    #[serde(default)]
    pub evidence_signal: Option<i32>,
    /// Run in it then; its output is kept with the evidence.
    #[serde(default)]
    pub evidence_exec: Option<Exec>,
}

/// What a lifecycle hook does; Kubernetes' `LifecycleHandler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HookHandler {
    /// Runs a command in the container.
    Exec(Exec),
    /// Sends an HTTP GET request.
    HttpGet(HttpGet),
    /// Waits; at most as long as the pod's termination grace.
    Sleep(Duration),
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookKind {
    /// After the process has started.
    PostStart,
    /// Before the stop signal.
    PreStop,
}

impl HookKind {
    /// As Kubernetes' fields are called.
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
