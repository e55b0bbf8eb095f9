//! The node that this daemon runs on, with a container runtime.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use probelet_runtime::{CallError, Filter, Namespace, Runtime};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use super::attachment::{self, AttachedContainer};
use super::attempt::{AttemptId, StartRequest, Survey};
use super::attempt_records::AttemptRecords;
use super::config::Config;
use super::config::absolute;
use super::environment::PodEnvironment;
use super::error::{NodeError, PullError};
use super::exec::Execs;
use super::foreign::ForeignNode;
use super::image_reader::ImageReader;
use super::image_views::ImageViews;
use super::labels::POD_UID;
use super::locks::Locks;
use super::log_files::LogFiles;
use super::ooms::Ooms;
use super::pending_records::PendingRecords;
use super::plan::{Planner, foreign};
use super::roles::{Attempts, Environments, Inventory, PodImages};
use super::session::{Session, SessionError, Wants};
use super::start::Starter;
use super::survey::Surveyor;
use super::task_control::TaskControl;
use super::task_trait::{FoundTask, Task};
use super::{exit_evidence, facts};
use crate::domain::adopt::ContainerRef;
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::ExitEvidence;
use crate::domain::image::{Progress, Stored, VolumeSeen};
use crate::domain::network::PodNetwork;
use crate::domain::spec::{ContainerSpec, PodSpec, Source};
use probelet_oci as oci;
use probelet_runtime::Wanted;

#[derive(Debug, Clone)]
pub struct LocalNode {
    namespace: Namespace,
    runtime: Arc<dyn Runtime>,
    records: AttemptRecords,
    environment: PodEnvironment,
    tasks: TaskControl,
    logs: LogFiles,
    planner: Planner,
    starter: Starter,
    surveyor: Surveyor,
    foreign: ForeignNode,
    locks: Locks,
    /// Starts that are running. The callers of some have stopped waiting.
    background: TaskTracker,
}

impl LocalNode {
    /// Returns a node on `runtime`, which need not answer yet. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if a folder has no usable name or cannot be created.
    pub fn new(config: Config, runtime: Arc<dyn Runtime>) -> Result<Self, NodeError> {
        // The runtime receives URIs of paths below the run folder, without escaping.
        let config = Config {
            log_dir: absolute("log", &config.log_dir, &[])?,
            run_dir: absolute("run", &config.run_dir, &['%', '?', '#'])?,
            data_dir: absolute("data", &config.data_dir, &[])?,
            ..config
        };
        let (run_dir, facts) = (&config.run_dir, facts::read());
        let namespace = runtime.namespace(&config.namespace)?;
        let (background, locks, ooms) = (TaskTracker::new(), Locks::default(), Ooms::new());
        background.spawn(ooms.clone().listen(runtime.clone()));
        let execs = Execs::new(namespace.clone(), run_dir).map_err(|error| {
            NodeError::Internal(format!("run folder {}: {error}", run_dir.display()))
        })?;
        let tasks = TaskControl::new(namespace.clone(), execs, ooms);
        let pending = PendingRecords::new(run_dir, &config.namespace);
        let records = AttemptRecords::new(namespace.clone(), runtime.clone(), pending);
        let logs = LogFiles::new(
            config.log_dir.clone(),
            config.log_limits,
            (run_dir, &config.data_dir),
            Path::new(&config.namespace),
        );
        let environment = PodEnvironment::new(
            &config,
            facts.clone(),
            &namespace,
            records.clone(),
            (locks.clone(), background.clone()),
        );
        let planner = Planner::new(
            facts,
            config.seccomp_dir.clone(),
            namespace.clone(),
            ImageReader::new(namespace.clone(), run_dir.clone()),
            environment.clone(),
        );
        let starter = Starter::new(
            namespace.clone(),
            records.clone(),
            planner.clone(),
            environment.clone(),
            tasks.clone(),
            (logs.clone(), locks.clone()),
        );
        let foreign = ForeignNode::new(
            &config,
            runtime.clone(),
            records.clone(),
            tasks.clone(),
            logs.clone(),
            (locks.clone(), background.clone()),
        );
        Ok(Self {
            surveyor: Surveyor::new(namespace.clone(), records.clone(), environment.clone()),
            namespace,
            runtime,
            records,
            environment,
            tasks,
            logs,
            planner,
            starter,
            foreign,
            locks,
            background,
        })
    }

    /// Returns the containers that other clients created.
    pub fn foreign_containers(&self) -> ForeignNode {
        self.foreign.clone()
    }
}

#[async_trait]
impl PodImages for LocalNode {
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, NodeError> {
        match &container.source {
            Source::Image(name) => {
                let image = self.namespace.images.get(name).await?;
                oci::check_image(&image.content.config, container)?;
                self.namespace.snapshots.check_unpacked(&image).await?;
                image_facts(&image)
            }
            Source::Bundle { oci_spec, rootfs } => {
                oci::from_bundle(oci_spec, rootfs, "/")?;
                check_rootfs(rootfs).await?;
                Ok(ImageFacts::default())
            }
            Source::Adopted(_) => Ok(ImageFacts::default()),
        }
    }

    async fn unpack(&self, image: &str, at: SystemTime) -> Result<bool, NodeError> {
        Ok(self.namespace.images.unpack(image, at).await?)
    }

    async fn check_volume_image(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, NodeError> {
        Ok(ImageViews::new(self.namespace.clone()).check(uid, volume, image).await?)
    }

    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError> {
        let (image, bytes) = self.namespace.images.pull(wanted, progress).await?;
        Ok((image_facts(&image)?, bytes))
    }

    async fn images(&self) -> Result<Vec<Stored>, NodeError> {
        Ok(self.namespace.images.list().await?)
    }

    async fn remove_image(&self, name: &str) -> Result<String, NodeError> {
        let stored = match self.namespace.images.find(name).await {
            Err(CallError::NoImage(text)) => return Err(CallError::NotFound(text.into()).into()),
            stored => stored?,
        };
        let users = self.namespace.records.list(Filter::Image(&stored)).await?;
        if !users.is_empty() {
            let users: Vec<_> = users.into_iter().map(|record| record.id).collect();
            let users = users.join(", ");
            return Err(NodeError::InUse(format!("image {name:?} is in use by {users}")));
        }
        self.namespace.images.remove(&stored).await?;
        Ok(stored)
    }
}

#[async_trait]
impl Attempts for LocalNode {
    async fn create(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.starter.create(creation).await
    }

    /// The start continues when the caller stops waiting, and then undoes itself: a creation of a
    /// task that is cut short leaves a bundle that containerd takes seconds to clean up.
    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, NodeError> {
        if let Some(container) = ContainerRef::of_pod(&creation.id.pod) {
            return self.foreign.start(container, creation).await;
        }
        let lock = self.locks.lock(&creation.id.to_string()).await;
        let (this, creation) = (self.clone(), creation.clone());
        let (to_caller, started) = oneshot::channel();
        self.background.spawn(async move {
            let _lock = lock;
            if let Err(unheard) = to_caller.send(this.starter.start(&creation).await) {
                if unheard.is_ok() {
                    this.tasks.discard(&creation.id.to_string()).await;
                }
                this.environment.remove_if_unrecorded(&creation.pod.uid).await;
            }
        });
        let given_up = |_| NodeError::Internal("the start was given up".to_owned());
        Ok(Box::new(started.await.map_err(given_up)??))
    }

    async fn write_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        self.records.remember(id, pod, memory).await?;
        self.environment.renew_volumes(pod);
        Ok(())
    }

    async fn save_pending_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        self.records.pending().keep(id, pod, memory).await
    }

    async fn delete_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        // The owner may want to read the exit status. The next start deletes the task.
        if ContainerRef::of_pod(&id.pod).is_some() {
            return Ok(());
        }
        let _lock = self.locks.lock(&id.to_string()).await;
        Ok(self.tasks.delete(&id.to_string()).await?)
    }

    async fn delete_attempt(&self, id: &AttemptId) -> Result<(), NodeError> {
        if ContainerRef::of_pod(&id.pod).is_some() {
            self.logs.remove(id).await;
            return Ok(());
        }
        let key = id.to_string();
        let _lock = self.locks.lock(&key).await;
        self.records.pending().remove(id).await?;
        // The snapshot's key is read first, while there is a record that shows whether probelet
        // made it.
        let record = match self.records.get(&key).await {
            Err(CallError::NotFound(_)) => {
                self.logs.remove(id).await;
                return Ok(());
            }
            record => record?,
        };
        self.tasks.kill_and_delete(&key).await?;
        if record.snapshot_key == key {
            CallError::unless_missing(self.namespace.snapshots.remove(&key).await)?;
        }
        if let Some(uid) = record.labels.get(POD_UID) {
            self.environment.image_volumes().remove(uid, id).await?;
        }
        // Without its record the log could not be found any more.
        self.logs.remove(id).await;
        match self.environment.delete_record(&record).await {
            Err(error) if error.is_not_found() => Ok(()),
            deleted => deleted,
        }
    }

    async fn task(&self, id: &AttemptId) -> Result<FoundTask, NodeError> {
        self.tasks.find(&id.to_string()).await
    }

    async fn restore_record(&self, creation: &StartRequest) -> Result<(), NodeError> {
        if ContainerRef::of_pod(&creation.id.pod).is_some() {
            return Err(foreign(&creation.id));
        }
        let _lock = self.locks.lock(&creation.id.to_string()).await;
        self.starter.restore(creation).await
    }

    async fn end_stray_task(&self, id: &AttemptId) -> Result<(), NodeError> {
        if let Some(container) = ContainerRef::of_pod(&id.pod) {
            return self.foreign.clear(&container).await;
        }
        let _lock = self.locks.lock(&id.to_string()).await;
        Ok(self.tasks.kill_and_delete(&id.to_string()).await?)
    }

    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence {
        exit_evidence::read(&self.logs, id, &self.planner.cgroup(id), with_log).await
    }

    fn log_path(&self, id: &AttemptId) -> PathBuf {
        self.logs.path(id)
    }

    async fn attach(
        &self,
        id: &AttemptId,
        task: Arc<dyn Task>,
        wants: Wants,
    ) -> Result<Option<Session>, SessionError> {
        let socket = self.logs.socket_of(id);
        let tasks = self.namespace.tasks.clone();
        let container = AttachedContainer { id: id.to_string(), task, tasks };
        attachment::attach(&socket, container, wants, &self.background).await
    }
}

#[async_trait]
impl Inventory for LocalNode {
    async fn survey(&self) -> Result<Survey, NodeError> {
        self.surveyor.records().await
    }

    async fn ping(&self) -> Result<(), NodeError> {
        Ok(self.runtime.ping().await?)
    }

    async fn task_states(&self) -> Result<Vec<(AttemptId, SeenTask)>, NodeError> {
        self.surveyor.tasks().await
    }
}

#[async_trait]
impl Environments for LocalNode {
    async fn volumes_used(&self, pod: &PodSpec) -> Result<BTreeMap<String, u64>, NodeError> {
        self.environment.volumes().measure(pod).await
    }

    async fn check_network(&self, pod: &PodSpec) -> Result<(), NodeError> {
        self.environment.networks().check(pod).await
    }

    async fn reconnect(&self, pod: &PodSpec) -> Result<(), NodeError> {
        self.environment.reconnect(pod).await
    }

    fn give_up_network(&self, pod: &PodSpec) {
        self.environment.networks().give_up(&pod.uid);
    }

    fn network(&self, pod: &PodSpec) -> PodNetwork {
        self.environment.network(pod)
    }
}

/// Returns the facts about an image that the state machine needs.
fn image_facts(image: &probelet_runtime::Image) -> Result<ImageFacts, NodeError> {
    Ok(ImageFacts {
        id: image.id.clone(),
        from_registry: image.content.from_registry,
        stop_signal: oci::stop_signal(&image.content.config)?,
    })
}

async fn check_rootfs(rootfs: &Path) -> Result<(), NodeError> {
    let invalid = |reason: String| NodeError::Invalid { field: "rootfs".into(), reason };
    if !rootfs.is_absolute() {
        return Err(invalid(format!("{} is not an absolute path", rootfs.display())));
    }
    match tokio::fs::metadata(rootfs).await {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(invalid(format!("{} is not a folder", rootfs.display()))),
        Err(error) => Err(invalid(format!("{}: {error}", rootfs.display()))),
    }
}

#[cfg(test)]
mod tests;
