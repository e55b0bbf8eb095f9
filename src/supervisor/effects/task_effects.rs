//! Effects on the tasks of a pod: start, watch, measure, delete.

use std::sync::Arc;

use super::{EffectResult, Effects, failed};
use crate::domain::Incarnation;
use crate::domain::container::{Event, InstanceEvent, Memory};
use crate::domain::exit::{Ending, ExitEvidence};
use crate::domain::link::retry_after;
use crate::evidence::EvidenceCollector;
use crate::node::{Node, Task};

pub struct TaskEffects {
    runtime: Arc<dyn Node>,
    evidence_collector: Arc<dyn EvidenceCollector>,
}

impl TaskEffects {
    pub fn new(runtime: Arc<dyn Node>, evidence_collector: Arc<dyn EvidenceCollector>) -> Self {
        Self { runtime, evidence_collector }
    }

    pub fn start(&self, effects: &mut Effects, index: usize, attempt: Incarnation, memory: Memory) {
        let request = effects.start_request(index, attempt, memory);
        let runtime = self.runtime.clone();
        effects.spawn("start", index, Some(attempt), async move {
            match runtime.start(&request).await {
                Ok(task) => EffectResult::Started(index, attempt, Arc::from(task)),
                Err(error) => EffectResult::Event(index, failed(attempt, &error)),
            }
        });
    }

    /// Reports the end of the task, with what it left.
    pub fn watch(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
    ) {
        let (spec, runtime) = (effects.spec().clone(), self.runtime.clone());
        let id = effects.id(index, incarnation);
        effects.spawn("watch", index, Some(incarnation), async move {
            let ending = task.ended().await;
            let with_log = spec.wants_log(&id.container, ending.exit_code());
            let evidence = runtime.exit_evidence(&id, with_log).await;
            // The count comes from the task, because the task's cgroup may be another one.
            let evidence = ExitEvidence { oom_kills: task.oom_kills(), ..evidence };
            EffectResult::Ended(index, incarnation, ending, evidence)
        });
    }

    /// Reports when the count of OOM kills in the task's cgroup exceeds `seen`.
    pub fn watch_oom(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
        seen: u64,
    ) {
        effects.spawn("watch_oom", index, Some(incarnation), async move {
            match task.oom_killed(seen).await {
                Some(kills) => EffectResult::OomKilled(index, incarnation, kills),
                None => EffectResult::Nothing,
            }
        });
    }

    pub fn measure_shim(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
    ) {
        effects.spawn("measure_shim", index, Some(incarnation), async move {
            match task.shim_memory() {
                Ok(bytes) => {
                    let event = InstanceEvent::ShimMeasured { bytes }.of(incarnation);
                    EffectResult::Event(index, event)
                }
                Err(error) => {
                    tracing::debug!(pid = task.pid(), %error, "the shim's memory was not read");
                    EffectResult::Nothing
                }
            }
        });
    }

    pub fn measure_volumes(&self, effects: &mut Effects, index: usize, incarnation: Incarnation) {
        let (spec, runtime) = (effects.spec().clone(), self.runtime.clone());
        effects.spawn("measure_volumes", index, Some(incarnation), async move {
            let used = runtime.volumes_used(&spec).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the usage of the volumes was not read");
                Default::default()
            });
            let event = InstanceEvent::VolumesMeasured { used }.of(incarnation);
            EffectResult::Event(index, event)
        });
    }

    /// Kills and deletes a task, however often that has to be retried.
    pub fn destroy(&self, effects: &mut Effects, index: usize, incarnation: Incarnation) {
        let (id, runtime) = (effects.id(index, incarnation), self.runtime.clone());
        effects.spawn("destroy", index, Some(incarnation), async move {
            let mut failures = 0;
            while let Err(error) = runtime.end_stray_task(&id).await {
                tracing::warn!(%error, "the task is not killed yet: it is tried again");
                failures += 1;
                tokio::time::sleep(retry_after(failures)).await;
            }
            let event = InstanceEvent::Ended { ending: Ending::Lost }.of(incarnation);
            EffectResult::Event(index, event)
        });
    }

    /// Deletes an ended task. Its shim, cgroups and mount remain until that succeeds.
    pub fn delete_task(&self, effects: &mut Effects, index: usize, attempt: Incarnation) {
        let (id, runtime) = (effects.id(index, attempt), self.runtime.clone());
        effects.spawn("delete_task", index, Some(attempt), async move {
            let mut failures = 0;
            while let Err(error) = runtime.delete_task(&id).await {
                tracing::warn!(%error, "an ended task is not deleted yet: it is tried again");
                failures += 1;
                tokio::time::sleep(retry_after(failures)).await;
            }
            EffectResult::TaskDeleted(index, attempt)
        });
    }

    /// Deletes an attempt. Its evidence stays until the container is removed.
    pub fn delete_attempt(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        removed: bool,
    ) {
        let (id, runtime) = (effects.id(index, incarnation), self.runtime.clone());
        let evidence_collector = self.evidence_collector.clone();
        effects.spawn("delete_attempt", index, Some(incarnation), async move {
            if let (true, Some(folder)) = (removed, runtime.log_path(&id).parent()) {
                evidence_collector.delete_all(folder).await;
            }
            match runtime.delete_attempt(&id).await {
                Ok(()) => EffectResult::Event(index, Event::AttemptDeleted { incarnation }),
                Err(error) => {
                    // The loss of the runtime is reported once, elsewhere.
                    if !error.is_loss() {
                        tracing::warn!(%error, "an attempt is not deleted yet: it is tried again");
                    }
                    EffectResult::Event(index, Event::Leftovers { incarnation })
                }
            }
        });
    }

    /// Kills and deletes a task that no attempt has.
    pub fn end_stray_task(&self, effects: &mut Effects, index: usize, attempt: Incarnation) {
        let (id, runtime) = (effects.id(index, attempt), self.runtime.clone());
        effects.spawn("end_stray_task", index, Some(attempt), async move {
            if let Err(error) = runtime.end_stray_task(&id).await {
                tracing::warn!(%error, "a stray task is not ended yet");
            }
            EffectResult::Nothing
        });
    }
}
