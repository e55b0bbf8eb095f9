//! Foreign containers, which other clients created. All attempts share one record, snapshot and
//! spec, none of which probelet deletes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use probelet_runtime::{
    CallError, Event, EventKind, Filter, Namespace, Record, Runtime, TaskStatus,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::attempt::StartRequest;
use super::attempt_records::{AttemptRecords, is_own, labelled, user_of};
use super::config::{Config, Watched};
use super::error::NodeError;
use super::foreign_containers::{ForeignContainers, News};
use super::foreign_output::{OutputChooser, Streams};
use super::labelled_logs::LabelledLogs;
use super::locks::Locks;
use super::log_files::LogFiles;
use super::record;
use super::task::ContainerTask;
use super::task_control::{TaskControl, create_failed};
use super::task_outcomes::{TaskOutcome, TaskOutcomes};
use super::task_trait::{FoundTask, StartNotes, Task};
use crate::domain::adopt::{
    ContainerRef, ForeignContainer, ImageLabels, PREFIX, Remembered, Stdio, TaskLevel, owners_turn,
};
use crate::domain::signal;

/// Namespaces whose supervisors would fight a restart. They are watched only if they are named.
const SUPERVISED: [&str; 2] = ["k8s.io", "moby"];
const STOP_SIGNAL: &str = "io.containerd.image.config.stop-signal";
const STEP: Duration = Duration::from_millis(20);
/// How long a failed start waits for the event that the owner has deleted the task.
const NEWS: Duration = Duration::from_secs(1);
/// Events that may wait for their reader.
const BACKLOG: usize = 64;

/// The containers of other clients.
#[derive(Debug, Clone)]
pub struct ForeignNode {
    runtime: Arc<dyn Runtime>,
    records: AttemptRecords,
    tasks: TaskControl,
    output: OutputChooser,
    watched: Watched,
    outcomes: TaskOutcomes,
    locks: Locks,
    /// Starts that are running. The callers of some have stopped waiting.
    background: TaskTracker,
}

impl ForeignNode {
    pub fn new(
        config: &Config,
        runtime: Arc<dyn Runtime>,
        records: AttemptRecords,
        tasks: TaskControl,
        logs: LogFiles,
        (locks, background): (Locks, TaskTracker),
    ) -> Self {
        let labelled_logs = LabelledLogs::new(config.adopted_log_dirs.clone());
        let (watched, outcomes) = (config.watched.clone(), TaskOutcomes::default());
        let output = OutputChooser::new(logs, labelled_logs);
        Self { runtime, records, tasks, output, watched, outcomes, locks, background }
    }

    fn tasks_in(&self, namespace: &Namespace) -> TaskControl {
        self.tasks.of_foreign(namespace.clone(), self.outcomes.clone())
    }

    /// Starts a container. The start continues when the caller stops waiting, unless nothing has
    /// been changed yet: then it stops and changes nothing.
    pub async fn start(
        &self,
        container: ContainerRef,
        creation: &StartRequest,
    ) -> Result<Box<dyn Task>, NodeError> {
        let lock = self.locks.lock(creation.id.pod.name()).await;
        let (this, creation) = (self.clone(), creation.clone());
        let (mut to_caller, started) = oneshot::channel();
        self.background.spawn(async move {
            let _lock = lock;
            let awaited = tokio::select! {
                () = to_caller.closed() => return,
                awaited = this.await_owner(&container, owners_turn(&creation.memory)) => awaited,
            };
            let started = match awaited {
                Ok(()) => this.run(&container, &creation).await,
                Err(error) => Err(error.into()),
            };
            // A caller that stopped waiting has released the container, which keeps running.
            let _ = to_caller.send(started);
        });
        let given_up = |_| NodeError::Internal("the start was given up".to_owned());
        started.await.map_err(given_up)?
    }

    /// Waits while the owner may still delete the ended task, at most for `turn`.
    async fn await_owner(&self, container: &ContainerRef, turn: Duration) -> Result<(), CallError> {
        let tasks = self.runtime.namespace(&container.namespace)?.tasks;
        let mut waited = Duration::ZERO;
        loop {
            let task = tasks.state(&container.id).await;
            // A shim does not answer any more while its task is being deleted.
            let is_going = match &task {
                Err(CallError::NotFound(_)) => {
                    tokio::time::sleep(NEWS).await;
                    return Ok(());
                }
                Err(error) => error.shim_died(),
                Ok(task) => matches!(task.status, TaskStatus::Stopped | TaskStatus::Unknown),
            };
            if !is_going || waited >= turn {
                return task.map(drop);
            }
            tokio::time::sleep(STEP).await;
            waited = waited.saturating_add(STEP);
        }
    }

    async fn run(
        &self,
        container: &ContainerRef,
        creation: &StartRequest,
    ) -> Result<Box<dyn Task>, NodeError> {
        let namespace = self.runtime.namespace(&container.namespace)?;
        let (tasks, id) = (self.tasks_in(&namespace), container.id.as_str());
        let record = namespace.records.get(id).await?;
        let found = tasks.find(id).await?;
        self.records.remember(&creation.id, &creation.pod, &creation.memory).await?;
        // The owner may have started the container first.
        if let FoundTask::Running(task) = found {
            return Ok(task);
        }
        let streams = self.replace_task(container, &namespace, &record, creation).await?;
        Ok(Box::new(self.start_again(container, &namespace, &record, streams).await?))
    }

    /// Deletes the ended task, whose streams the next task may use too.
    async fn replace_task(
        &self,
        container: &ContainerRef,
        namespace: &Namespace,
        record: &Record,
        creation: &StartRequest,
    ) -> Result<Streams, NodeError> {
        let old = match namespace.tasks.state(&container.id).await {
            Err(CallError::NotFound(_)) => None,
            state => Some(state?),
        };
        // The labels are read before the deletion: if that failed after it, a second try would not
        // have the old task's streams.
        let labels = namespace.images.labels_of(record).await?;
        if let Some(old) = &old {
            self.outcomes.note(container, old.pid, TaskOutcome::Deleted);
            self.tasks_in(namespace).kill_and_delete(&container.id).await?;
        }
        self.output.choose(old.map(|old| old.stdio).as_ref(), record, &labels, creation).await
    }

    async fn start_again(
        &self,
        container: &ContainerRef,
        namespace: &Namespace,
        record: &Record,
        Streams { stdio, no_log, refused }: Streams,
    ) -> Result<ContainerTask, NodeError> {
        let (tasks, id) = (self.tasks_in(namespace), container.id.as_str());
        let mounts = if record.snapshot_key.is_empty() {
            Vec::new()
        } else {
            namespace.snapshots.mounts(Some(&record.snapshotter), &record.snapshot_key).await?
        };
        let process = tasks.create(id, mounts, &stdio).await.map_err(create_failed)?;
        let pid = process.pid();
        match tasks.start(id, process).await {
            Ok(task) => {
                Ok(task.with_notes(StartNotes { user: None, no_log, refused_log: refused }))
            }
            Err(error) => {
                self.outcomes.note(container, pid, TaskOutcome::Deleted);
                tasks.discard(id).await;
                Err(error)
            }
        }
    }

    /// Kills and deletes the container's task, if it has one.
    pub async fn clear(&self, container: &ContainerRef) -> Result<(), NodeError> {
        let _lock = self.locks.lock(&container.id).await;
        let namespace = self.runtime.namespace(&container.namespace)?;
        Ok(self.tasks_in(&namespace).kill_and_delete(&container.id).await?)
    }

    async fn watched_namespaces(&self) -> Result<Vec<String>, NodeError> {
        if let Watched::Only(names) = &self.watched {
            return Ok(names.clone());
        }
        let names = self.runtime.namespaces().await?.into_iter();
        Ok(names.filter(|name| self.is_watched(name)).collect())
    }

    async fn describe(
        &self,
        namespace: &Namespace,
        record: Record,
    ) -> Result<ForeignContainer, NodeError> {
        let task = match namespace.tasks.state(&record.id).await {
            Err(CallError::NotFound(_)) => TaskLevel::None,
            state => match state?.status {
                TaskStatus::Created | TaskStatus::Unknown => TaskLevel::None,
                TaskStatus::Running | TaskStatus::Paused | TaskStatus::Stopped => {
                    TaskLevel::Started
                }
            },
        };
        let written = record.extensions.get(record::KEY).and_then(record::decode_foreign);
        let (user, id) = (user_of(&record), record.id.clone());
        let place = ContainerRef { namespace: namespace.name.to_string(), id };
        let remembered = self.records.pending().newest_of(&place, written).await;
        let compared = match &remembered {
            Some(Remembered::Supervised(adopted)) if adopted.0.labels == record.labels => {
                adopted.0.adopted().and_then(|adopted| adopted.image_labels.clone())
            }
            _ => None,
        };
        let image_labels = match compared {
            Some(own) => ImageLabels::Known(own),
            None => namespace.images.labels_of(&record).await?,
        };
        let Record { image, labels, .. } = record;
        Ok(ForeignContainer { place, image, labels, image_labels, remembered, task, user })
    }

    /// Returns what an event means for foreign containers, if anything.
    async fn news(&self, event: Event) -> Option<News> {
        let Event { namespace, container: id, kind } = event;
        if kind == EventKind::Live {
            return Some(News::Live);
        }
        if !self.is_watched(&namespace) {
            return None;
        }
        let container = ContainerRef { namespace, id };
        match kind {
            // Records of probelet's attempts change all the time. A label alone may come from an
            // image.
            EventKind::Updated(labels) if labelled(&container.id, &labels).is_ok() => None,
            EventKind::TaskDeleted { pid } => {
                let is_owners = self.outcomes.is_owners(&container, pid).await;
                is_owners.then_some(News::TaskDeleted(container))
            }
            _ => Some(News::Changed(container)),
        }
    }
}

#[async_trait]
impl ForeignContainers for ForeignNode {
    fn is_watched(&self, namespace: &str) -> bool {
        match &self.watched {
            Watched::All => !SUPERVISED.contains(&namespace),
            Watched::Only(names) => names.iter().any(|name| name == namespace),
        }
    }

    async fn foreign_containers(&self) -> Result<Vec<ForeignContainer>, NodeError> {
        let mut found = Vec::new();
        for name in self.watched_namespaces().await? {
            let namespace = self.runtime.namespace(&name)?;
            for record in namespace.records.list(Filter::All).await? {
                let is_labelled = record.labels.keys().any(|label| label.starts_with(PREFIX));
                let is_known = record.extensions.contains_key(record::KEY);
                if (is_labelled || is_known) && !is_own(&record) {
                    found.push(self.describe(&namespace, record).await?);
                }
            }
        }
        let is_adopted =
            |it: &&ForeignContainer| matches!(it.remembered, Some(Remembered::Supervised(_)));
        let adopted = found.iter().filter(is_adopted).map(|it| it.place.clone()).collect();
        self.records.pending().keep_only(adopted).await?;
        Ok(found)
    }

    async fn foreign_container(
        &self,
        container: &ContainerRef,
    ) -> Result<Option<ForeignContainer>, NodeError> {
        let namespace = self.runtime.namespace(&container.namespace)?;
        let record = match namespace.records.get(&container.id).await {
            Err(CallError::NotFound(_)) => {
                self.outcomes.forget(container);
                self.records.pending().remove_of(container).await?;
                return Ok(None);
            }
            record => record?,
        };
        if is_own(&record) {
            return Ok(None);
        }
        self.describe(&namespace, record).await.map(Some)
    }

    async fn task_of(
        &self,
        container: &ContainerRef,
    ) -> Result<(Option<i32>, FoundTask), NodeError> {
        let namespace = self.runtime.namespace(&container.namespace)?;
        let record = namespace.records.get(&container.id).await?;
        let stop_signal = record.labels.get(STOP_SIGNAL).and_then(|text| signal::parse(text));
        Ok((stop_signal, self.tasks_in(&namespace).find(&container.id).await?))
    }

    async fn output_of(&self, container: &ContainerRef) -> Result<Option<Stdio>, NodeError> {
        let tasks = self.runtime.namespace(&container.namespace)?.tasks;
        match tasks.state(&container.id).await {
            Err(CallError::NotFound(_)) => Ok(None),
            task => Ok(Some(task?.stdio)),
        }
    }

    async fn released(
        &self,
        container: &ContainerRef,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), NodeError> {
        self.records.release(container, labels).await
    }

    async fn follow(&self, to: mpsc::Sender<News>) -> Result<(), NodeError> {
        let (events_to, mut events) = mpsc::channel(BACKLOG);
        let translate = async {
            while let Some(event) = events.recv().await {
                if let Some(news) = self.news(event).await
                    && to.send(news).await.is_err()
                {
                    break;
                }
            }
        };
        // Without a reader the runtime stops to report.
        tokio::select! {
            followed = self.runtime.follow(events_to) => Ok(followed?),
            () = translate => Ok(()),
        }
    }
}
