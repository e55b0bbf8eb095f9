//! Sees and keeps what a condemned container is doing. It reads and writes; what it means is
//! judged in the domain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::domain::evidence::{Evidence, ProbeWord};
use crate::domain::spec::Exec;
use crate::runtime::{AttemptId, Task};

mod cgroup;
mod command;
mod descriptors;
mod host;
mod log;
mod look;
mod network;
mod pressure;
mod sockets;
mod store;
mod syscalls;
#[cfg(test)]
mod tests;
mod text;
mod usage;

pub use host::HostWitness;
pub use usage::{Usage, usage};

/// Who was condemned, and what is to be kept beside what is seen.
#[derive(Debug, Clone)]
pub struct EvidenceSource {
    pub id: AttemptId,
    /// The pod's, to tell its evidence from that of an earlier pod of the name.
    pub uid: String,
    pub at: SystemTime,
    pub cause: String,
    pub probes: Vec<ProbeWord>,
    /// A signal was sent to make it write into its log: it gets a moment longer.
    pub signaled: bool,
    pub command: Option<Exec>,
    /// The attempt's; the evidence lies beside it.
    pub log: PathBuf,
    /// After this nobody waits any longer.
    pub bound: Duration,
}

impl EvidenceSource {
    fn evidence(&self) -> Evidence {
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Evidence {
            pod: self.id.pod.clone(),
            uid: self.uid.clone(),
            container: self.id.container.clone(),
            attempt: self.id.attempt,
            at: u64::try_from(at).unwrap_or(u64::MAX),
            cause: self.cause.clone(),
            probes: self.probes.clone(),
            ..Evidence::default()
        }
    }
}

/// Each call is bounded; what goes wrong costs the evidence, never the kill.
#[async_trait]
pub trait EvidenceCollector: Send + Sync + 'static {
    /// Sees what the task is doing and keeps it; the reading, or why there is none. What comes
    /// too late for the caller is kept all the same.
    async fn capture(
        &self,
        evidence_source: EvidenceSource,
        task: Arc<dyn Task>,
    ) -> Result<Vec<String>, String>;
    /// What is kept in the folder of a container of this pod, the newest first.
    async fn kept(&self, folder: &Path, uid: &str) -> Vec<Evidence>;
    /// Removes what is kept in the folder.
    async fn forget(&self, folder: &Path);
}

/// Sees nothing, at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blind;

#[async_trait]
impl EvidenceCollector for Blind {
    async fn capture(&self, _: EvidenceSource, _: Arc<dyn Task>) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    async fn kept(&self, _: &Path, _: &str) -> Vec<Evidence> {
        Vec::new()
    }

    async fn forget(&self, _: &Path) {}
}
