//! The interface of the collector, and the one that collects nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::sample::Sample;
use crate::domain::evidence::{Evidence, ProbeRecord};
use crate::domain::spec::Exec;
use crate::node::{AttemptId, Task};

/// The condemned container, how it is captured, and what is stored beside the capture.
#[derive(Debug, Clone)]
pub struct EvidenceSource {
    pub id: AttemptId,
    /// The pod's uid, which distinguishes its evidence from that of an earlier pod of the same
    /// name.
    pub uid: String,
    /// When the probe reached its failure threshold.
    pub at: SystemTime,
    pub cause: String,
    pub probes: Vec<ProbeRecord>,
    /// Whether the evidence signal was sent. The capture then takes 180 ms, so that the process can
    /// write into its log.
    pub signaled: bool,
    /// The user's command whose output is stored; none if unset.
    pub command: Option<Exec>,
    /// The log file of the attempt. The evidence is stored in the same folder.
    pub log: PathBuf,
    /// The time after which the caller no longer waits.
    pub bound: Duration,
    /// The sample of an earlier failure of the probe. Without one, the capture takes two, and the
    /// stop waits for 100 ms.
    pub sample: Option<Sample>,
}

impl EvidenceSource {
    pub fn evidence(&self) -> Evidence {
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Evidence {
            namespace: self.id.pod.namespace().to_owned(),
            pod: self.id.pod.name().to_owned(),
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

/// An error costs the evidence, never the kill.
#[async_trait]
pub trait EvidenceCollector: Send + Sync + 'static {
    /// Captures what the task is doing, stores it, and returns its interpretation. A message on
    /// `stop`, or its drop, says that the task may be stopped. The call may take longer than
    /// `EvidenceSource::bound`, so the caller has a timeout of its own; the capture goes on without
    /// the caller and is stored.
    async fn capture(
        &self,
        evidence_source: EvidenceSource,
        task: Arc<dyn Task>,
        stop: oneshot::Sender<()>,
    ) -> Result<Vec<String>, String>;
    /// Samples the CPU times of the task's threads, for a later capture; `None` if they cannot be
    /// read now. `log` is the log file of the attempt.
    async fn sample(&self, log: &Path, task: Arc<dyn Task>) -> Option<Sample>;
    /// Reads the evidence in a container's folder that is of the pod `uid`, the newest first.
    async fn stored(&self, folder: &Path, uid: &str) -> Vec<Evidence>;
    /// Removes all evidence in the folder.
    async fn delete_all(&self, folder: &Path);
}

/// Captures and stores nothing; for tests and as the default of the supervisor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blind;

#[async_trait]
impl EvidenceCollector for Blind {
    async fn capture(
        &self,
        _: EvidenceSource,
        _: Arc<dyn Task>,
        _: oneshot::Sender<()>,
    ) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    async fn sample(&self, _: &Path, _: Arc<dyn Task>) -> Option<Sample> {
        None
    }

    async fn stored(&self, _: &Path, _: &str) -> Vec<Evidence> {
        Vec::new()
    }

    async fn delete_all(&self, _: &Path) {}
}
