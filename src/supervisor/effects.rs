//! Runs actions concurrently with the actor. Every result, errors included, is returned to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use super::pulls::Pulls;
use crate::domain::container::{Event, Fault, InstanceEvent, Memory, Wanted};
use crate::domain::link::{Link, retry_after};
use crate::domain::probe::Launch;
use crate::domain::spec::{HookKind, PodSpec, ProbeKind};
use crate::domain::{
    Incarnation,
    exit::{Ending, ExitEvidence},
};
use crate::evidence::{Blind, EvidenceCollector};
use crate::prober::{Attempt, Prober};
use crate::runtime::{AttemptId, Runtime, RuntimeError, StartRequest, Task};

/// The result of an effect. The index is the container's position in the pod.
pub(super) enum Done {
    Event(usize, Event),
    Started(usize, Incarnation, Arc<dyn Task>),
    OomKilled(usize, Incarnation, u64),
    Ended(usize, Incarnation, Ending, ExitEvidence),
    Persisted(usize, Incarnation, Result<(), RuntimeError>),
    /// The record could not be written and is kept as a pending record.
    Kept(usize),
    /// A failed write is due for a retry.
    WriteDue(usize),
    Restored(usize, Incarnation),
    Reaped(usize, Incarnation),
    NetworkBroken(String),
    /// The result of connecting the network again, with the number of failures before it.
    Reconnected(u32, Result<(), String>),
    Nothing,
}

pub(super) struct Effects {
    pub(super) pod: Arc<PodSpec>,
    pub(super) runtime: Arc<dyn Runtime>,
    prober: Arc<dyn Prober>,
    pub(super) evidence_collector: Arc<dyn EvidenceCollector>,
    link: watch::Receiver<Link>,
    pub(super) pulls: Arc<Pulls>,
    pub(super) running: JoinSet<Done>,
}

impl Effects {
    pub(super) fn new(
        pod: Arc<PodSpec>,
        runtime: Arc<dyn Runtime>,
        prober: Arc<dyn Prober>,
        (link, pulls): (watch::Receiver<Link>, Arc<Pulls>),
    ) -> Self {
        let evidence_collector = Arc::new(Blind);
        Self { pod, runtime, prober, evidence_collector, link, pulls, running: JoinSet::new() }
    }

    pub(super) fn with_witness(mut self, evidence_collector: Arc<dyn EvidenceCollector>) -> Self {
        self.evidence_collector = evidence_collector;
        self
    }

    pub(super) fn log_path(&self, id: &AttemptId) -> PathBuf {
        self.runtime.log_path(id)
    }

    /// Returns the next result; pends while no effect runs.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            match self.running.join_next().await {
                Some(Ok(done)) => return done,
                // The actor would wait forever for an effect that panicked, so it panics too.
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                    // The effect was a pull that was aborted because nothing waits for it.
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Runs an effect in a span that names it, its container and the attempt.
    pub(super) fn spawn(
        &mut self,
        effect: &'static str,
        index: usize,
        attempt: Option<Incarnation>,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> AbortHandle {
        let container = self.pod.at(index).map_or("", |container| container.name.as_str());
        let attempt = attempt.map(|attempt| attempt.0);
        let span = tracing::info_span!("effect", effect, container, attempt);
        self.running.spawn(work.instrument(span))
    }

    /// Runs an effect of the pod as a whole.
    pub(super) fn spawn_for_pod(
        &mut self,
        effect: &'static str,
        work: impl Future<Output = Done> + Send + 'static,
    ) {
        self.running.spawn(work.instrument(tracing::info_span!("effect", effect)));
    }

    pub(super) fn id(&self, index: usize, attempt: Incarnation) -> AttemptId {
        let container = self.pod.at(index).map(|c| c.name.clone()).unwrap_or_default();
        AttemptId { pod: self.pod.name.clone(), container, attempt }
    }

    pub(super) fn start(&mut self, index: usize, attempt: Incarnation, memory: Memory) {
        let creation =
            StartRequest { id: self.id(index, attempt), pod: self.pod.clone(), index, memory };
        let runtime = self.runtime.clone();
        self.spawn("start", index, Some(attempt), async move {
            match runtime.start(&creation).await {
                Ok(task) => Done::Started(index, attempt, Arc::from(task)),
                Err(error) => Done::Event(index, failed(attempt, &error)),
            }
        });
    }

    pub(super) fn watch(&mut self, index: usize, incarnation: Incarnation, task: Arc<dyn Task>) {
        let (pod, runtime, id) =
            (self.pod.clone(), self.runtime.clone(), self.id(index, incarnation));
        self.spawn("watch", index, Some(incarnation), async move {
            let ending = task.ended().await;
            let with_log = pod.wants_log(&id.container, ending.exit_code());
            let words = runtime.exit_evidence(&id, with_log).await;
            // The count comes from the task, because the task's cgroup may be another one.
            let words = ExitEvidence { oom_kills: task.oom_kills(), ..words };
            Done::Ended(index, incarnation, ending, words)
        });
    }

    pub(super) fn watch_oom(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
        seen: u64,
    ) {
        self.spawn("watch_oom", index, Some(incarnation), async move {
            match task.oom_killed(seen).await {
                Some(kills) => Done::OomKilled(index, incarnation, kills),
                None => Done::Nothing,
            }
        });
    }

    pub(super) fn probe(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        (kind, launch): (ProbeKind, Launch),
        task: Arc<dyn Task>,
    ) {
        let attempt = self.attempt(index, kind, task);
        let work = async move {
            // A probe that was removed meanwhile has no result.
            let Some(Attempt { outcome, latency }) = attempt.await else { return Done::Nothing };
            Done::Event(
                index,
                InstanceEvent::Probed { kind, launch, outcome, latency }.of(incarnation),
            )
        };
        // Hundreds of probes run in a second, and a span formats its fields: they share the pod's.
        self.running.spawn(work.in_current_span());
    }

    /// Runs a probe once for a caller, which may have gone away by the time of the reply.
    pub(super) fn run_probe(
        &mut self,
        index: usize,
        kind: ProbeKind,
        task: Arc<dyn Task>,
        reply: oneshot::Sender<Attempt>,
    ) {
        let attempt = self.attempt(index, kind, task);
        self.spawn("run_probe", index, None, async move {
            if let Some(attempt) = attempt.await {
                let _ = reply.send(attempt);
            }
            Done::Nothing
        });
    }

    fn attempt(
        &self,
        index: usize,
        kind: ProbeKind,
        task: Arc<dyn Task>,
    ) -> impl Future<Output = Option<Attempt>> + use<> {
        let (pod, prober, ip) = (self.pod.clone(), self.prober.clone(), self.ip());
        async move {
            let container = pod.at(index)?;
            let probe = container.probes.get(kind)?.aimed_at(ip.as_deref());
            Some(prober.attempt(task, container, &probe).await)
        }
    }

    pub(super) fn run_hook(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        (kind, bound): (HookKind, Duration),
        task: Arc<dyn Task>,
    ) {
        let (pod, prober, ip) = (self.pod.clone(), self.prober.clone(), self.ip());
        self.spawn("run_hook", index, Some(incarnation), async move {
            let hook = pod.at(index).and_then(|c| Some((c, c.lifecycle.get(kind)?)));
            let result = match hook {
                Some((container, hook)) => {
                    let hook = hook.aimed_at(ip.as_deref());
                    prober.hook(task, container, &hook, bound).await
                }
                None => Ok(()),
            };
            if let Err(error) = &result {
                let hook = kind.as_str();
                tracing::warn!(hook, error, "a lifecycle hook failed");
            }
            Done::Event(index, InstanceEvent::Hooked { kind, result }.of(incarnation))
        });
    }

    fn ip(&self) -> Option<String> {
        self.runtime.network(&self.pod).probed_at(&self.pod).map(str::to_owned)
    }

    pub(super) fn measure_shim(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
    ) {
        self.spawn("measure_shim", index, Some(incarnation), async move {
            match task.shim_memory() {
                Ok(bytes) => {
                    Done::Event(index, InstanceEvent::ShimMeasured { bytes }.of(incarnation))
                }
                Err(error) => {
                    tracing::debug!(pid = task.pid(), %error, "the shim's memory is not known");
                    Done::Nothing
                }
            }
        });
    }

    pub(super) fn measure_volumes(&mut self, index: usize, incarnation: Incarnation) {
        let (pod, runtime) = (self.pod.clone(), self.runtime.clone());
        self.spawn("measure_volumes", index, Some(incarnation), async move {
            let used = runtime.volumes_used(&pod).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what volumes hold is not known");
                Default::default()
            });
            Done::Event(index, InstanceEvent::VolumesMeasured { used }.of(incarnation))
        });
    }

    pub(super) fn respec(&mut self, pod: Arc<PodSpec>) {
        self.pod = pod;
    }

    pub(super) fn destroy(&mut self, index: usize, incarnation: Incarnation) {
        let (id, runtime) = (self.id(index, incarnation), self.runtime.clone());
        self.spawn("destroy", index, Some(incarnation), async move {
            let mut failures = 0;
            while let Err(error) = runtime.clear(&id).await {
                tracing::warn!(%error, "not killed yet, trying again");
                failures += 1;
                tokio::time::sleep(retry_after(failures)).await;
            }
            Done::Event(index, InstanceEvent::Ended { ending: Ending::Lost }.of(incarnation))
        });
    }

    pub(super) fn reap(&mut self, index: usize, attempt: Incarnation) {
        let (id, runtime) = (self.id(index, attempt), self.runtime.clone());
        self.spawn("reap", index, Some(attempt), async move {
            // The task's shim, cgroups and mount remain until the deletion succeeds.
            let mut failures = 0;
            while let Err(error) = runtime.reap(&id).await {
                tracing::warn!(%error, "an ended task could not be deleted yet");
                failures += 1;
                tokio::time::sleep(retry_after(failures)).await;
            }
            Done::Reaped(index, attempt)
        });
    }

    /// Deletes an attempt. Its evidence stays until the container is removed.
    pub(super) fn forget(&mut self, index: usize, incarnation: Incarnation, removed: bool) {
        let (id, runtime) = (self.id(index, incarnation), self.runtime.clone());
        let evidence_collector = self.evidence_collector.clone();
        self.spawn("forget", index, Some(incarnation), async move {
            if let (true, Some(folder)) = (removed, runtime.log_path(&id).parent()) {
                evidence_collector.forget(folder).await;
            }
            match runtime.forget(&id).await {
                Ok(()) => Done::Event(index, Event::Forgotten { incarnation }),
                Err(error) => {
                    // The loss of the runtime is reported once, elsewhere.
                    if !error.is_loss() {
                        tracing::warn!(%error, "an attempt could not be cleared away yet");
                    }
                    Done::Event(index, Event::Leftovers { incarnation })
                }
            }
        });
    }

    /// Writes the record, or keeps it as a pending record if the write fails.
    pub(super) fn persist(&mut self, index: usize, memory: Memory) {
        let (id, runtime) = (self.id(index, memory.attempt), self.runtime.clone());
        let pod = self.pod.clone();
        self.spawn("persist", index, Some(memory.attempt), async move {
            let written = runtime.remember(&id, &pod, &memory).await;
            // A removed container needs no record.
            let needed = memory.wanted != Wanted::Removed
                || !matches!(written, Err(RuntimeError::NotFound(_)));
            if written.is_err() && needed {
                keep(&*runtime, &id, &pod, &memory).await;
            }
            Done::Persisted(index, memory.attempt, written)
        });
    }

    pub(super) fn keep(&mut self, index: usize, memory: Memory) {
        let (id, runtime) = (self.id(index, memory.attempt), self.runtime.clone());
        let pod = self.pod.clone();
        self.spawn("keep", index, Some(memory.attempt), async move {
            keep(&*runtime, &id, &pod, &memory).await;
            Done::Kept(index)
        });
    }

    pub(super) fn await_write(&mut self, index: usize, failures: u32) {
        let mut link = self.link.clone();
        self.spawn("await_write", index, None, async move {
            tokio::select! {
                () = tokio::time::sleep(retry_after(failures)) => {}
                () = returned(&mut link) => {}
            }
            Done::WriteDue(index)
        });
    }

    pub(super) fn is_runtime_here(&self) -> bool {
        self.link.borrow().up
    }

    pub(super) fn restore(&mut self, index: usize, attempt: Incarnation, memory: Memory) {
        let creation =
            StartRequest { id: self.id(index, attempt), pod: self.pod.clone(), index, memory };
        let runtime = self.runtime.clone();
        self.spawn("restore", index, Some(attempt), async move {
            match runtime.restore(&creation).await {
                Ok(()) => Done::Restored(index, attempt),
                // The next reconciliation finds the record missing again.
                Err(error) => {
                    tracing::warn!(%error, "a missing record could not be written yet");
                    Done::Nothing
                }
            }
        });
    }

    pub(super) fn clear(&mut self, index: usize, attempt: Incarnation) {
        let (id, runtime) = (self.id(index, attempt), self.runtime.clone());
        self.spawn("clear", index, Some(attempt), async move {
            if let Err(error) = runtime.clear(&id).await {
                tracing::warn!(%error, "a stray task could not be ended yet");
            }
            Done::Nothing
        });
    }
}

/// Keeps a pending record. If that fails too, the state is lost when the daemon ends.
async fn keep(runtime: &dyn Runtime, id: &AttemptId, pod: &PodSpec, memory: &Memory) {
    if let Err(error) = runtime.keep(id, pod, memory).await {
        tracing::warn!(%id, %error, "what could not be written cannot be kept either");
    }
}

/// Completes when the runtime was lost and answers again.
async fn returned(link: &mut watch::Receiver<Link>) {
    let lost = link.wait_for(|link| !link.up).await.is_ok();
    if !lost || link.wait_for(|link| link.up).await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(super) fn failed(incarnation: Incarnation, error: &RuntimeError) -> Event {
    InstanceEvent::Failed { fault: fault_of(error), message: error.to_string() }.of(incarnation)
}

/// Classifies the error of a start. A failure of containerd is no failed attempt of the container.
fn fault_of(error: &RuntimeError) -> Fault {
    match error {
        // A refusal of the container itself is `StartFailed`.
        RuntimeError::Unavailable(_)
        | RuntimeError::Timeout { .. }
        | RuntimeError::AlreadyExists(_)
        | RuntimeError::Refused { .. }
        | RuntimeError::Internal(_) => Fault::Runtime,
        RuntimeError::Config(_) => Fault::Config,
        RuntimeError::NoImage(_) => Fault::Image,
        RuntimeError::Network(_) => Fault::Network,
        RuntimeError::NotFound(_)
        | RuntimeError::Invalid { .. }
        | RuntimeError::InUse(_)
        | RuntimeError::StartFailed(_) => Fault::Container,
    }
}
