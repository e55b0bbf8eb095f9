//! The attempts in probelet's namespace, as their records and tasks describe them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use probelet_runtime::{Namespace, Record, TaskStatus};

use super::attempt::{AttemptId, Flaw, Recorded, Survey, Unsound};
use super::attempt_records::{AttemptRecords, Unreadable, labelled, of_spec, remembered};
use super::environment::PodEnvironment;
use super::error::NodeError;
use super::labels::POD_UID;
use super::task_trait::FoundTask;
use crate::domain::container::SeenTask;

#[derive(Debug, Clone)]
pub struct Surveyor {
    namespace: Namespace,
    records: AttemptRecords,
    environment: PodEnvironment,
    /// Set once the leftovers without a record have been searched for.
    has_swept: Arc<AtomicBool>,
}

impl Surveyor {
    pub fn new(namespace: Namespace, records: AttemptRecords, environment: PodEnvironment) -> Self {
        Self { namespace, records, environment, has_swept: Arc::default() }
    }

    /// Returns all attempts with the state of their tasks.
    pub async fn tasks(&self) -> Result<Vec<(AttemptId, SeenTask)>, NodeError> {
        self.environment.networks().observe_host();
        let records = self.records.list().await?;
        let tasks: BTreeMap<_, _> = self.namespace.tasks.list().await?.into_iter().collect();
        let seen = |id: &AttemptId| match tasks.get(&id.to_string()) {
            Some(TaskStatus::Stopped) => SeenTask::Ended,
            Some(TaskStatus::Running | TaskStatus::Paused) => SeenTask::Alive,
            // A start was cut short or is in progress. The state machine does not handle these.
            Some(TaskStatus::Created | TaskStatus::Unknown) | None => SeenTask::None,
        };
        let ids = records.iter().filter_map(|record| labelled(&record.id, &record.labels).ok());
        Ok(ids.map(|id| (id.clone(), seen(&id))).collect())
    }

    /// Returns all attempts with their saved state. The first survey also removes the leftovers of
    /// pods without a record: later, a missing record may be about to be restored.
    pub async fn records(&self) -> Result<Survey, NodeError> {
        let mut survey = Survey::default();
        self.environment.networks().observe_host();
        let pods = self.environment.pods().await?;
        let records = self.records.list().await?;
        let uids = records.iter().filter_map(|record| record.labels.get(POD_UID));
        let uids: BTreeSet<String> = uids.cloned().collect();
        let sweeps = !self.has_swept.swap(true, Ordering::Relaxed);
        if sweeps {
            self.environment.remove_strays(pods, &uids).await;
            self.environment.load_networks(&uids).await;
        }
        let is_known = move |uid: &str| !sweeps || uids.contains(uid);
        let pending = self.records.pending().list(is_known).await;
        survey.pending_record = pending.unwrap_or_else(|error| {
            tracing::warn!(%error, "the pending records cannot be read");
            Vec::new()
        });
        for record in records {
            let id = match labelled(&record.id, &record.labels) {
                Ok(id) => id,
                Err(reason) => {
                    tracing::warn!(container = record.id, reason, "not an attempt of probelet's");
                    continue;
                }
            };
            match remembered(&record) {
                Ok((pod, memory)) => {
                    let id = of_spec(&id, &pod);
                    survey.sound.push(Recorded { id, pod, memory, pending_record: false });
                }
                Err(unreadable) => survey.unsound.push(unsound(&record, id, unreadable)),
            }
        }
        Ok(survey)
    }
}

fn unsound(record: &Record, id: AttemptId, unreadable: Unreadable) -> Unsound {
    let Unreadable { is_newer, reason } = unreadable;
    let flaw = if is_newer { Flaw::Newer } else { Flaw::Broken };
    let pod_uid = record.labels.get(POD_UID).cloned().unwrap_or_default();
    Unsound { id, pod_uid, image: record.image.clone(), flaw, reason, task: FoundTask::None }
}
