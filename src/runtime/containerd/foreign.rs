//! Foreign containers, which other clients created. All attempts share one record, snapshot and
//! spec, none of which probelet deletes.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use containerd_client::services::v1::{Container, ListContainersRequest, ListNamespacesRequest};
use containerd_client::types::v1::Status;
use tokio::sync::{mpsc, oneshot};

use super::Containerd;
use super::client::{Client, DEADLINE, call};
use super::foreign_output::{Streams, stdio};
use super::records::{self, internal, is_own};
use super::task_outcomes::TaskOutcome;
use super::tasks::shim_died;
use crate::domain::adopt::{
    ContainerRef, ForeignContainer, ImageLabels, PREFIX, Remembered, Stdio, TaskLevel, owners_turn,
};
use crate::domain::signal;
use crate::runtime::{
    AttemptId, ForeignContainers, FoundTask, News, RuntimeError, StartRequest, Task, record,
};

/// Namespaces whose supervisors would fight a restart. They are watched only if they are named.
const SUPERVISED: [&str; 2] = ["k8s.io", "moby"];
const STOP_SIGNAL: &str = "io.containerd.image.config.stop-signal";
const STEP: Duration = Duration::from_millis(20);
/// How long a failed start waits for the event that the owner has deleted the task.
const NEWS: Duration = Duration::from_secs(1);

/// The namespaces whose containers are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// All namespaces but those of Kubernetes and Docker.
    All,
    Only(Vec<String>),
}

impl Containerd {
    /// Returns the client for the namespace of the attempt's record.
    pub(super) fn client_of(&self, id: &AttemptId) -> Result<Client, RuntimeError> {
        match ContainerRef::of_pod(&id.pod) {
            Some(place) => self.client.in_namespace(&place.namespace),
            None => Ok(self.client.clone()),
        }
    }

    /// Starts a foreign container. The start continues when the caller stops waiting, unless
    /// nothing has been changed yet: then it stops and changes nothing.
    pub(super) async fn start_foreign(
        &self,
        place: ContainerRef,
        creation: &StartRequest,
    ) -> Result<Box<dyn Task>, RuntimeError> {
        let turn = self.locks.lock(&creation.id.pod).await;
        let (this, creation) = (self.clone(), creation.clone());
        let (mut tell, told) = oneshot::channel();
        self.starts.spawn(async move {
            let _turn = turn;
            let awaited = tokio::select! {
                () = tell.closed() => return,
                awaited = this.await_owner(&place, owners_turn(&creation.memory)) => awaited,
            };
            let started = match awaited {
                Ok(()) => this.run_foreign(&place, &creation).await,
                Err(error) => Err(error),
            };
            // A caller that stopped waiting has released the container, which keeps running.
            let _ = tell.send(started);
        });
        let given_up = |_| RuntimeError::Internal("the start was given up".to_owned());
        told.await.map_err(given_up)?
    }

    async fn await_owner(&self, place: &ContainerRef, turn: Duration) -> Result<(), RuntimeError> {
        let client = self.client.in_namespace(&place.namespace)?;
        let mut waited = Duration::ZERO;
        loop {
            let task = client.get_task(&place.id).await;
            // A shim does not answer any more while its task is being deleted.
            let is_going = match &task {
                Err(RuntimeError::NotFound(_)) => {
                    tokio::time::sleep(NEWS).await;
                    return Ok(());
                }
                Err(error) => shim_died(error),
                Ok(task) => matches!(task.status(), Status::Stopped | Status::Unknown),
            };
            if !is_going || waited >= turn {
                return task.map(drop);
            }
            tokio::time::sleep(STEP).await;
            waited = waited.saturating_add(STEP);
        }
    }

    async fn run_foreign(
        &self,
        place: &ContainerRef,
        creation: &StartRequest,
    ) -> Result<Box<dyn Task>, RuntimeError> {
        let client =
            self.client.in_namespace(&place.namespace)?.with_fates(self.task_outcomes.clone());
        let execs = self.execs.with_client(client.clone());
        let id = place.id.as_str();
        let record = client.get_record(id).await?;
        // The owner may have started the container first.
        if let FoundTask::Running(task) = client.find_task(id, &execs, &self.ooms).await? {
            client.remember(&creation.id, &creation.pod, &creation.memory).await?;
            return Ok(task);
        }
        client.remember(&creation.id, &creation.pod, &creation.memory).await?;
        let Streams { stdio, no_log, refused } =
            self.replace_task(place, &client, &record, creation).await?;
        let mounts = if record.snapshot_key.is_empty() {
            Vec::new()
        } else {
            client.mounts(&record.snapshotter, &record.snapshot_key).await?
        };
        let process = client.create_task_with(id, mounts, stdio).await?;
        let hints = self.ooms.hints();
        let task =
            super::task::ContainerdTask::new(id.to_owned(), process, client.clone(), execs, hints);
        if let Err(error) = client.start_task(id).await {
            self.task_outcomes.note(place, task.pid(), TaskOutcome::Deleted);
            client.clear_task(id).await;
            return Err(error);
        }
        Ok(Box::new(task.without_log(no_log).with_refused_log(refused)))
    }

    async fn watched_namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        if let Watched::Only(names) = &self.watched {
            return Ok(names.clone());
        }
        let request = self.client.request(ListNamespacesRequest::default());
        let mut namespaces = self.client.namespaces();
        let listed = namespaces.list(request);
        let listed = call("Namespaces.List", DEADLINE, listed).await?.namespaces;
        let names = listed.into_iter().map(|namespace| namespace.name);
        Ok(names.filter(|name| self.is_watched(name)).collect())
    }

    async fn known(
        &self,
        client: &Client,
        record: Container,
    ) -> Result<ForeignContainer, RuntimeError> {
        let task = match client.get_task(&record.id).await {
            Err(RuntimeError::NotFound(_)) => TaskLevel::None,
            state => match state?.status() {
                Status::Created | Status::Unknown => TaskLevel::None,
                _ => TaskLevel::Started,
            },
        };
        let written = record.extensions.get(record::KEY).and_then(record::decode_foreign);
        let user = records::user_of(&record);
        let place =
            ContainerRef { namespace: client.namespace().to_owned(), id: record.id.clone() };
        let remembered = self.newest_of(&place, written).await;
        let labels: BTreeMap<_, _> = record.labels.clone().into_iter().collect();
        let compared = match &remembered {
            Some(Remembered::Cared(cared)) if cared.0.labels == labels => {
                cared.0.adopted().and_then(|adopted| adopted.image_labels.clone())
            }
            _ => None,
        };
        let image_labels = match compared {
            Some(own) => ImageLabels::Known(own),
            None => client.image_labels(&record).await?,
        };
        Ok(ForeignContainer {
            place,
            image: record.image,
            labels,
            image_labels,
            remembered,
            task,
            user,
        })
    }
}

#[async_trait]
impl ForeignContainers for Containerd {
    fn is_watched(&self, namespace: &str) -> bool {
        match &self.watched {
            Watched::All => !SUPERVISED.contains(&namespace),
            Watched::Only(names) => names.iter().any(|name| name == namespace),
        }
    }

    async fn foreign_containers(&self) -> Result<Vec<ForeignContainer>, RuntimeError> {
        let mut found = Vec::new();
        for namespace in self.watched_namespaces().await? {
            let client = self.client.in_namespace(&namespace)?;
            let request = client.request(ListContainersRequest::default());
            let mut containers = client.containers();
            let listed = call("Containers.List", DEADLINE, containers.list(request)).await?;
            for record in listed.containers {
                let asks = record.labels.keys().any(|label| label.starts_with(PREFIX));
                let known = record.extensions.contains_key(record::KEY);
                if (asks || known) && !is_own(&record) {
                    found.push(self.known(&client, record).await?);
                }
            }
        }
        let is_cared = |it: &&ForeignContainer| matches!(it.remembered, Some(Remembered::Cared(_)));
        let cared = found.iter().filter(is_cared).map(|it| it.place.clone()).collect();
        self.drop_unwritten_of_others(cared).await?;
        Ok(found)
    }

    async fn foreign_container(
        &self,
        place: &ContainerRef,
    ) -> Result<Option<ForeignContainer>, RuntimeError> {
        let client = self.client.in_namespace(&place.namespace)?;
        match client.get_record(&place.id).await {
            Err(RuntimeError::NotFound(_)) => {
                self.task_outcomes.forget(place);
                self.drop_unwritten_of(place).await?;
                Ok(None)
            }
            record => {
                let record = record?;
                if is_own(&record) {
                    return Ok(None);
                }
                self.known(&client, record).await.map(Some)
            }
        }
    }

    async fn task_of(
        &self,
        place: &ContainerRef,
    ) -> Result<(Option<i32>, FoundTask), RuntimeError> {
        let client =
            self.client.in_namespace(&place.namespace)?.with_fates(self.task_outcomes.clone());
        let record = client.get_record(&place.id).await?;
        let stop_signal = record.labels.get(STOP_SIGNAL).and_then(|text| signal::parse(text));
        let execs = self.execs.with_client(client.clone());
        Ok((stop_signal, client.find_task(&place.id, &execs, &self.ooms).await?))
    }

    async fn output_of(&self, place: &ContainerRef) -> Result<Option<Stdio>, RuntimeError> {
        match self.client.in_namespace(&place.namespace)?.get_task(&place.id).await {
            Err(RuntimeError::NotFound(_)) => Ok(None),
            task => task.map(|task| Some(stdio(task))),
        }
    }

    async fn released(
        &self,
        place: &ContainerRef,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), RuntimeError> {
        let client = self.client.in_namespace(&place.namespace)?;
        let any = record::encode_released(labels).map_err(internal)?;
        client.write_extension(&place.id, any).await?;
        self.drop_unwritten_of(place).await
    }

    async fn follow(&self, tell: mpsc::Sender<News>) -> Result<(), RuntimeError> {
        self.follow_events(tell).await
    }
}
