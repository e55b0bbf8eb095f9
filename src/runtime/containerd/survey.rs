//! The records and tasks of probelet in containerd's namespace.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{Container, ListTasksRequest};
use containerd_client::types::v1::Status;

use super::Containerd;
use super::client::{Client, DEADLINE, call};
use super::records::{self, Unreadable};
use crate::domain::container::SeenTask;
use crate::runtime::{AttemptId, Flaw, FoundTask, Recorded, RuntimeError, Survey, Unsound};

impl Client {
    pub(super) async fn ping(&self) -> Result<(), RuntimeError> {
        let mut version = VersionClient::new(self.channel());
        call("Version", DEADLINE, version.version(self.request(()))).await.map(drop)
    }

    async fn list_tasks(&self) -> Result<HashMap<String, SeenTask>, RuntimeError> {
        let request = self.request(ListTasksRequest::default());
        let answer = call("Tasks.List", DEADLINE, self.tasks().list(request)).await?;
        let seen = |status| match status {
            Status::Stopped => SeenTask::Ended,
            // A start was cut short or is in progress. The state machine does not handle these.
            Status::Created | Status::Unknown => SeenTask::None,
            Status::Running | Status::Pausing | Status::Paused => SeenTask::Alive,
        };
        Ok(answer.tasks.into_iter().map(|task| (task.id.clone(), seen(task.status()))).collect())
    }
}

impl Containerd {
    pub(super) async fn look_around(&self) -> Result<Vec<(AttemptId, SeenTask)>, RuntimeError> {
        self.networks.look_at_host();
        let records = self.client.list_records().await?;
        let tasks = self.client.list_tasks().await?;
        let labelled = records.iter().filter_map(|record| records::labelled(record).ok());
        let seen = |id: &AttemptId| tasks.get(&id.to_string()).copied().unwrap_or(SeenTask::None);
        Ok(labelled.map(|id| (id.clone(), seen(&id))).collect())
    }

    pub(super) async fn survey_records(&self) -> Result<Survey, RuntimeError> {
        let mut survey = Survey::default();
        self.networks.look_at_host();
        let viewers = self.client.viewers().await?;
        let pods = self.volumes.pods().into_iter().chain(self.pids.pods()).chain(viewers);
        let pods = pods.chain(self.claims.pods());
        let pods = pods.collect::<BTreeSet<_>>();
        let records = self.client.list_records().await?;
        let uids = records.iter().filter_map(|record| record.labels.get(records::POD_UID));
        let uids: BTreeSet<String> = uids.cloned().collect();
        // Only the first survey removes leftovers: later, a missing record may be about to be
        // restored.
        let sweeps = !self.swept.swap(true, Ordering::Relaxed);
        if sweeps {
            self.remove_strays(pods, &records).await;
            self.take_up_networks(&records).await;
        }
        let is_known = move |uid: &str| !sweeps || uids.contains(uid);
        survey.pending_record = self.list_unwritten(is_known).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what could not be written before cannot be read");
            Vec::new()
        });
        for record in records {
            let id = match records::labelled(&record) {
                Ok(id) => id,
                Err(reason) => {
                    tracing::warn!(container = record.id, reason, "not an attempt of probelet's");
                    continue;
                }
            };
            match records::remembered(&record) {
                Ok((pod, memory)) => {
                    survey.sound.push(Recorded { id, pod, memory, pending_record: false });
                }
                Err(unreadable) => survey.unsound.push(unsound(&record, id, unreadable)),
            }
        }
        Ok(survey)
    }
}

fn unsound(record: &Container, id: AttemptId, unreadable: Unreadable) -> Unsound {
    let Unreadable { newer, reason } = unreadable;
    let flaw = if newer { Flaw::Newer } else { Flaw::Broken };
    let pod_uid = record.labels.get(records::POD_UID).cloned().unwrap_or_default();
    Unsound { id, pod_uid, image: record.image.clone(), flaw, reason, task: FoundTask::None }
}
