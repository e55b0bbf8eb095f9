//! What there is in containerd's namespace of probelet's: all of it to take up, or a quick look.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{Container, ListTasksRequest};
use containerd_client::types::v1::Status;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Containerd;
use super::client::{Client, DEADLINE, call};
use super::records::{self, Unreadable};
use crate::domain::container::SeenTask;
use crate::domain::exit::LastWords;
use crate::runtime::{AttemptId, Flaw, Found, FoundTask, RuntimeError, Survey, Unsound};

/// How many tasks containerd is asked about at once.
const AT_ONCE: usize = 16;

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
            // A start that was cut short, or is under way: none of a machine's business.
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

    /// One attempt that cannot be looked at does not stand in the way of the others.
    pub(super) async fn survey_all(&self) -> Result<Survey, RuntimeError> {
        let mut survey = Survey::default();
        self.networks.look_at_host();
        let viewers = self.client.viewers().await?;
        let pods = self.volumes.pods().into_iter().chain(self.pids.pods()).chain(viewers);
        let pods = pods.collect::<BTreeSet<_>>();
        let records = self.client.list_records().await?;
        let uids = records.iter().filter_map(|record| record.labels.get(records::POD_UID));
        let uids: BTreeSet<String> = uids.cloned().collect();
        // Later a record may be missing that is to be written anew.
        let sweeps = !self.swept.swap(true, Ordering::Relaxed);
        if sweeps {
            self.remove_strays(pods, &records).await;
            self.take_up_networks(&records).await;
        }
        let is_known = move |uid: &str| !sweeps || uids.contains(uid);
        survey.unwritten = self.list_unwritten(is_known).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what could not be written before cannot be read");
            Vec::new()
        });
        let looked = concurrently(records, |record| self.look_at(record)).await?;
        for looked in looked.into_iter().flatten() {
            match looked {
                Looked::Sound(found) => survey.found.push(*found),
                Looked::Unsound(unsound) => survey.unsound.push(unsound),
            }
        }
        Ok(survey)
    }

    /// None: it is not probelet's.
    async fn look_at(&self, record: Container) -> Result<Option<Looked>, RuntimeError> {
        let id = match records::labelled(&record) {
            Ok(id) => id,
            Err(reason) => {
                tracing::warn!(container = record.id, reason, "not an attempt of probelet's");
                return Ok(None);
            }
        };
        let flawed = |id, flaw, reason, task| {
            Ok(Some(Looked::Unsound(unsound(&record, id, flaw, reason, task))))
        };
        let read = records::remembered(&record);
        if let Err(Unreadable { newer: true, reason }) = read {
            return flawed(id, Flaw::Newer, reason, FoundTask::None);
        }
        let task = match self.client.find_task(&record.id, &self.execs, &self.ooms).await {
            Ok(task) => task,
            Err(error @ RuntimeError::Unavailable(_)) => return Err(error),
            Err(error) => return flawed(id, Flaw::Unclear, error.to_string(), FoundTask::None),
        };
        let (pod, memory) = match read {
            Err(Unreadable { reason, .. }) => return flawed(id, Flaw::Broken, reason, task),
            Ok(read) => read,
        };
        let words = match task {
            FoundTask::Ended(ending, _) => {
                let with_log = pod.wants_log(&id.container, ending.exit_code());
                self.read_words(&id, with_log).await
            }
            _ => LastWords::default(),
        };
        let found = Found { id, pod, memory, task, words, unwritten: false };
        Ok(Some(Looked::Sound(Box::new(found))))
    }
}

enum Looked {
    Sound(Box<Found>),
    Unsound(Unsound),
}

/// In whatever order they are done with; the first error ends it. A shim that hangs is given its
/// time, in which the others are looked at.
async fn concurrently<T, F, R>(all: Vec<T>, look: impl Fn(T) -> F) -> Result<Vec<R>, RuntimeError>
where
    F: Future<Output = Result<R, RuntimeError>>,
{
    stream::iter(all).map(look).buffer_unordered(AT_ONCE).try_collect().await
}

fn unsound(
    record: &Container,
    id: AttemptId,
    flaw: Flaw,
    reason: String,
    task: FoundTask,
) -> Unsound {
    let pod_uid = record.labels.get(records::POD_UID).cloned().unwrap_or_default();
    Unsound { id, pod_uid, image: record.image.clone(), flaw, reason, task }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    const HANGS: Duration = Duration::from_secs(12);

    #[tokio::test(start_paused = true)]
    async fn those_that_hang_are_waited_for_together_and_the_others_meanwhile() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let look = async |number: usize| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            let hangs = number.is_multiple_of(20);
            tokio::time::sleep(if hangs { HANGS } else { Duration::from_millis(10) }).await;
            running.set(running.get() - 1);
            Ok(number)
        };
        let start = tokio::time::Instant::now();
        let mut looked = concurrently((0..100).collect(), look).await.unwrap();
        assert!(start.elapsed() < HANGS + Duration::from_secs(1));
        assert_eq!(most.get(), AT_ONCE);
        looked.sort_unstable();
        assert_eq!(looked, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn containerd_that_goes_away_ends_it() {
        let look = async |number: usize| match number {
            3 => Err(RuntimeError::Unavailable("gone".into())),
            _ => {
                tokio::time::sleep(HANGS).await;
                Ok(())
            }
        };
        let start = tokio::time::Instant::now();
        let looked = concurrently((0..100).collect(), look).await;
        assert_eq!(looked, Err(RuntimeError::Unavailable("gone".into())));
        assert!(start.elapsed() < HANGS);
    }
}
