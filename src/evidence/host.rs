//! The collector of this host. It captures in threads of its own, because reading `/proc` of a
//! process that hangs in the kernel, or writing to a disk that hangs, may never return.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::collector::{EvidenceCollector, EvidenceSource};
use super::release::Release;
use super::sample::Sample;
use super::{capture, command, store};
use crate::domain::evidence::{CAPTURE, Evidence, reading};
use crate::node::Task;
use crate::process::Process;

/// The most captures at a time.
const TURNS: usize = 4;
/// The longest wait for a disk, and for a running capture to end.
const DISK: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);

/// The folders of the containers that are being captured. Each has one capture at a time, so a
/// process that hangs takes one turn only.
type Busy = Arc<Mutex<HashSet<PathBuf>>>;

#[derive(Debug, Clone)]
pub struct HostEvidence {
    turns: Arc<Semaphore>,
    busy: Busy,
}

impl Default for HostEvidence {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), busy: Busy::default() }
    }
}

/// The right to capture. The thread gives it back when it ends, not when its caller gives up.
struct Turn {
    _permit: OwnedSemaphorePermit,
    busy: Busy,
    folder: PathBuf,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }
}

impl HostEvidence {
    fn is_busy(&self, folder: &Path) -> bool {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    async fn turn(&self, folder: &Path, bound: Duration) -> Result<Turn, String> {
        let permit = timeout(bound, self.turns.clone().acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok);
        let permit = permit.ok_or_else(|| format!("{TURNS} other captures are running"))?;
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !busy.insert(folder.to_owned()) {
            return Err("an earlier capture of this container is still running".to_owned());
        }
        Ok(Turn { _permit: permit, busy: self.busy.clone(), folder: folder.to_owned() })
    }
}

#[async_trait]
impl EvidenceCollector for HostEvidence {
    async fn capture(
        &self,
        evidence_source: EvidenceSource,
        task: Arc<dyn Task>,
        stop: oneshot::Sender<()>,
    ) -> Result<Vec<String>, String> {
        let process = task.process().ok_or("the task has no pidfd")?;
        let folder = evidence_source.log.parent().ok_or("the log file has no folder")?.to_owned();
        let turn = self.turn(&folder, evidence_source.bound).await?;
        let (exec, bound) = (evidence_source.command.clone(), evidence_source.bound);
        let (said, output) = sync_channel(1);
        let (tell, told) = oneshot::channel();
        let release = Release::new(stop, exec.is_some());
        let work = move || {
            let kept = capture_and_store(&evidence_source, &process, release, &output, &folder);
            if let Err(error) = &kept {
                tracing::warn!(id = %evidence_source.id, error, "the evidence of a condemned container is not stored");
            }
            // Before the result is sent: the caller may capture again at once.
            drop(turn);
            // The caller may have given up.
            let _ = tell.send(kept);
        };
        let spawned = thread::Builder::new().name("evidence".to_owned()).spawn(work);
        spawned.map_err(|error| format!("cannot start the capture thread: {error}"))?;
        if let Some(exec) = exec {
            // The thread may have given up meanwhile.
            let _ = said.send(command::run(&task, &exec, bound.saturating_sub(CAPTURE)).await);
        }
        told.await.map_err(|_| "the capture thread ended without a result".to_owned())?
    }

    async fn sample(&self, log: &Path, task: Arc<dyn Task>) -> Option<Sample> {
        let (process, folder) = (task.process()?, log.parent()?);
        let turn = self.turn(folder, CAPTURE).await.ok()?;
        let sampled = tokio::task::spawn_blocking(move || {
            let sample = capture::sample(&process);
            drop(turn);
            sample.ok()
        });
        sampled.await.ok()?
    }

    async fn stored(&self, folder: &Path, uid: &str) -> Vec<Evidence> {
        let (folder, uid) = (folder.to_owned(), uid.to_owned());
        let read = tokio::task::spawn_blocking(move || store::read(&folder, &uid));
        timeout(DISK, read).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn delete_all(&self, folder: &Path) {
        // A running capture would store its evidence after the removal.
        let over = async {
            while self.is_busy(folder) {
                sleep(STEP).await;
            }
        };
        let _ = timeout(DISK, over).await;
        let at = folder.to_owned();
        let removed = tokio::task::spawn_blocking(move || store::remove(&at));
        let removed = match timeout(DISK, removed).await {
            Ok(removed) => removed.map_err(io::Error::other).and_then(|removed| removed),
            Err(late) => Err(late.into()),
        };
        if let Err(error) = removed {
            tracing::warn!(folder = %folder.display(), %error, "evidence cannot be removed");
        }
    }
}

fn capture_and_store(
    evidence_source: &EvidenceSource,
    process: &Process,
    release: Release,
    output: &Receiver<String>,
    folder: &Path,
) -> Result<Vec<String>, String> {
    let captured = capture::capture(evidence_source, process, release);
    let mut captured = captured.map_err(|error| format!("not captured: {error}"))?;
    if evidence_source.command.is_some() {
        captured.command_output = output.recv_timeout(evidence_source.bound).ok();
        if captured.command_output.is_none() {
            captured.missing.push("the command's output: not available in time".to_owned());
        }
    }
    let said = reading(&captured);
    let evidence = Evidence { reading: said.clone(), captured, ..evidence_source.evidence() };
    store::write(folder, evidence)
        .map_err(|error| format!("{} (not stored: {error})", said.join("; ")))?;
    Ok(said)
}
