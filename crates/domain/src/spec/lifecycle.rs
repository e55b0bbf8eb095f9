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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HookHandler {
    Exec(Exec),
    HttpGet(HttpGet),
    Sleep(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookKind {
    PostStart,
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
    pub fn get(&self, kind: HookKind) -> Option<&HookHandler> {
        match kind {
            HookKind::PostStart => self.post_start.as_ref(),
            HookKind::PreStop => self.pre_stop.as_ref(),
        }
    }
}
