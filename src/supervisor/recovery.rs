//! Reads what an earlier daemon left: first all records, then the tasks of each pod, as soon as they
//! answer. A shim that hangs delays only its pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::events::EventLog;
use super::pending_record;
use crate::domain::exit::ExitEvidence;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::node::{AttemptId, Flaw, Found, FoundTask, Node, NodeError, Recorded, Survey, Unsound};

/// The records of one pod.
#[derive(Default)]
pub struct PodLeftovers {
    sound: Vec<Recorded>,
    unsound: Vec<Unsound>,
}

impl PodLeftovers {
    /// Sorts the records by pod.
    pub fn by_pod(mut survey: Survey) -> BTreeMap<PodKey, Self> {
        pending_record::fill_in(&mut survey.sound, survey.pending_record);
        let mut pods: BTreeMap<PodKey, Self> = BTreeMap::new();
        let mut labelled = BTreeMap::new();
        for recorded in survey.sound {
            labelled.insert(recorded.id.labelled_pod(), recorded.id.pod.clone());
            pods.entry(recorded.id.pod.clone()).or_default().sound.push(recorded);
        }
        for mut unsound in survey.unsound {
            // The labels of an older build do not name the namespace, but another record of the pod
            // does.
            if let Some(pod) = labelled.get(&unsound.id.pod).filter(|pod| **pod != unsound.id.pod) {
                unsound.id.pod = pod.clone();
                unsound.id.is_as_in_default = true;
            }
            pods.entry(unsound.id.pod.clone()).or_default().unsound.push(unsound);
        }
        pods
    }

    /// Returns the records without their tasks.
    pub fn untasked(&self) -> (Vec<Found>, Vec<Unsound>) {
        let found = self.sound.iter().map(|Recorded { id, pod, memory, pending_record }| Found {
            id: id.clone(),
            pod: pod.clone(),
            memory: memory.clone(),
            task: FoundTask::None,
            evidence: ExitEvidence::default(),
            pending_record: *pending_record,
        });
        let unsound = self.unsound.iter().map(|it| Unsound {
            id: it.id.clone(),
            pod_uid: it.pod_uid.clone(),
            image: it.image.clone(),
            flaw: it.flaw,
            reason: it.reason.clone(),
            task: FoundTask::None,
        });
        (found.collect(), unsound.collect())
    }

    /// Restores the events from each container's newest record, which has all of them.
    pub fn restore_events(&mut self, log: &EventLog) {
        self.sound.sort_by_key(|recorded| recorded.id.attempt);
        let mut newest = BTreeMap::new();
        for Recorded { id, pod, memory, .. } in &mut self.sound {
            newest.insert((&pod.uid, &id.container), std::mem::take(&mut memory.events));
        }
        newest.into_values().for_each(|events| log.restore(events));
    }
}

/// Queries the tasks of records.
pub struct TaskQueries(Arc<dyn Node>);

impl TaskQueries {
    pub fn new(runtime: Arc<dyn Node>) -> Self {
        Self(runtime)
    }

    /// Queries the pod's tasks. Returns the attempts that can be recovered, and the others.
    pub async fn query(
        &self,
        leftovers: PodLeftovers,
    ) -> Result<(Vec<Found>, Vec<Unsound>), NodeError> {
        let PodLeftovers { sound, unsound } = leftovers;
        let answers = sound.into_iter().map(|recorded| self.query_sound(recorded));
        let (mut found, mut flawed) = (Vec::new(), Vec::new());
        for answer in try_join_all(answers).await? {
            match answer {
                Ok(attempt) => found.push(attempt),
                Err(unclear) => flawed.push(unclear),
            }
        }
        flawed.extend(try_join_all(unsound.into_iter().map(|it| self.query_unsound(it))).await?);
        Ok((found, flawed))
    }

    /// Queries the task of an attempt. One attempt that cannot be queried does not block the
    /// others.
    async fn query_sound(&self, recorded: Recorded) -> Result<Result<Found, Unsound>, NodeError> {
        let Recorded { id, pod, memory, pending_record } = recorded;
        // The memory is of a later attempt than the record, whose task is over.
        let is_over = memory.attempt > id.attempt;
        let answer = if is_over { Ok(FoundTask::None) } else { self.0.task(&id).await };
        let task = match answer {
            Ok(task) => task,
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => return Ok(Err(unclear(&id, &pod, &error))),
        };
        let evidence = match task {
            FoundTask::Ended(ending, _) => {
                let with_log = pod.wants_log(&id.container, ending.exit_code());
                self.0.exit_evidence(&id, with_log).await
            }
            _ => ExitEvidence::default(),
        };
        Ok(Ok(Found { id, pod, memory, task, evidence, pending_record }))
    }

    async fn query_unsound(&self, unsound: Unsound) -> Result<Unsound, NodeError> {
        // A record of a newer version must not be touched.
        if unsound.flaw == Flaw::Newer {
            return Ok(unsound);
        }
        match self.0.task(&unsound.id).await {
            Ok(task) => Ok(Unsound { task, ..unsound }),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => Ok(Unsound { flaw: Flaw::Unclear, reason: error.to_string(), ..unsound }),
        }
    }
}

fn unclear(id: &AttemptId, pod: &PodSpec, error: &NodeError) -> Unsound {
    let container = pod.all().find(|container| container.name == id.container);
    Unsound {
        id: id.clone(),
        pod_uid: pod.uid.clone(),
        image: container.map(|container| container.image()).unwrap_or_default(),
        flaw: Flaw::Unclear,
        reason: error.to_string(),
        task: FoundTask::None,
    }
}
