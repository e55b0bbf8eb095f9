//! What the supervisor needs of a node, by role. No method has a default body.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use probelet_runtime::Wanted;
use tokio::sync::watch;

use super::attempt::{AttemptId, StartRequest, Survey};
use super::error::{NodeError, PullError};
use super::session::{Session, SessionError, Wants};
use super::task_trait::{FoundTask, Task};
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::ExitEvidence;
use crate::domain::image::{Progress, Stored, VolumeSeen};
use crate::domain::network::PodNetwork;
use crate::domain::spec::{ContainerSpec, PodSpec};

/// Images, for the containers and volumes of pods.
#[async_trait]
pub trait PodImages: Send + Sync + 'static {
    /// Checks that `container` can be created here (the image is present, the OCI spec is valid,
    /// the rootfs is a folder) and returns the image's facts. It leaves nothing behind.
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, NodeError>;
    /// Unpacks an image of the store that is not unpacked, so that it need not be pulled. Returns
    /// false if the image or the content of a layer is not in the store.
    async fn unpack(&self, image: &str, at: SystemTime) -> Result<bool, NodeError>;
    /// Returns the state of the image of a pod's volume.
    async fn check_volume_image(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, NodeError>;
    /// Pulls an image and all that a start needs of it, and returns the bytes of its layers. The
    /// pull fails when the registry sends nothing for a while.
    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError>;
    /// Lists the images of the store.
    async fn images(&self) -> Result<Vec<Stored>, NodeError>;
    /// Removes an image and returns its name in the store. An image that a container names is
    /// refused.
    async fn remove_image(&self, name: &str) -> Result<String, NodeError>;
}

/// Attempts of containers: their records, tasks and logs.
#[async_trait]
pub trait Attempts: Send + Sync + 'static {
    /// Creates the record (and snapshot) of an attempt, without a task, even if its image is not
    /// present yet. An existing record is kept.
    async fn create(&self, creation: &StartRequest) -> Result<(), NodeError>;
    /// Creates what `create` would where it is missing, cleans up what an earlier try left, and
    /// starts the process. A pidfd of the process is open before its first instruction.
    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, NodeError>;
    /// Overwrites the state saved in the attempt's record. A missing record is an error that
    /// [`NodeError::is_not_found`] recognizes.
    async fn write_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError>;
    /// Saves state that could not be written to the record where a later daemon's survey finds it,
    /// without the runtime. A `write_record` that succeeds deletes it.
    async fn save_pending_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError>;
    /// Deletes the attempt's ended task and its shim. Record, snapshot and log stay for inspection.
    async fn delete_task(&self, id: &AttemptId) -> Result<(), NodeError>;
    /// Deletes everything of the attempt: task (killed if it runs), record, snapshot, log.
    async fn delete_attempt(&self, id: &AttemptId) -> Result<(), NodeError>;
    /// Returns the current state of the attempt's task.
    async fn task(&self, id: &AttemptId) -> Result<FoundTask, NodeError>;
    /// Writes a record again that another client deleted. The task is not touched.
    async fn restore_record(&self, creation: &StartRequest) -> Result<(), NodeError>;
    /// Kills and deletes the attempt's task, if it has one; the record stays.
    async fn end_stray_task(&self, id: &AttemptId) -> Result<(), NodeError>;
    /// Returns what an ended attempt left. The end of the log is included if `with_log` is set.
    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence;
    /// Returns the file that receives the attempt's stdout and stderr.
    fn log_path(&self, id: &AttemptId) -> PathBuf;
    /// Attaches a client to the streams of an attempt whose task runs; `None` if the attempt has
    /// neither an input nor a terminal, so that a client can only read its log.
    async fn attach(
        &self,
        id: &AttemptId,
        task: Arc<dyn Task>,
        wants: Wants,
    ) -> Result<Option<Session>, SessionError>;
}

/// What the node has, whoever asked for it.
#[async_trait]
pub trait Inventory: Send + Sync + 'static {
    /// Returns all attempts in the namespace, as their records describe them. Tasks are not
    /// queried, since a shim may hang.
    async fn survey(&self) -> Result<Survey, NodeError>;
    /// Checks that the runtime answers. The call is cheap, since it is repeated often.
    async fn ping(&self) -> Result<(), NodeError>;
    /// Returns all attempts that have a record, sound or not, with the state of their tasks.
    async fn task_states(&self) -> Result<Vec<(AttemptId, SeenTask)>, NodeError>;
}

/// The network and the volumes of pods.
#[async_trait]
pub trait Environments: Send + Sync + 'static {
    /// Returns the bytes used in each of the pod's volumes that have a limit.
    async fn volumes_used(&self, pod: &PodSpec) -> Result<BTreeMap<String, u64>, NodeError>;
    /// Checks that a running pod is still connected as before; [`NodeError::Network`] if not.
    async fn check_network(&self, pod: &PodSpec) -> Result<(), NodeError>;
    /// Disconnects a running pod from its network and connects it again.
    async fn reconnect(&self, pod: &PodSpec) -> Result<(), NodeError>;
    /// Stops waiting for the plugins that connect a pod, since it is about to be removed.
    fn give_up_network(&self, pod: &PodSpec);
    /// Returns the pod's network as the last operation left it. The call is cheap.
    fn network(&self, pod: &PodSpec) -> PodNetwork;
}

/// All that the supervisor needs of a node. Each call has a deadline and may be aborted at any
/// await.
pub trait Node: PodImages + Attempts + Inventory + Environments {}

impl<T: PodImages + Attempts + Inventory + Environments> Node for T {}
