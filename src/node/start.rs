//! The steps from a start request to a running process.

use std::time::Duration;

use probelet_runtime::{CallError, Image, Namespace, Refusal};

use super::attempt::StartRequest;
use super::attempt_records::{AttemptRecords, labelled};
use super::environment::PodEnvironment;
use super::error::NodeError;
use super::locks::Locks;
use super::log_files::{LogFiles, NOWHERE};
use super::plan::{Plan, Planner};
use super::task::ContainerTask;
use super::task_control::{TaskControl, create_failed};
use super::task_trait::StartNotes;
use crate::domain::adopt::Stdio;
use crate::domain::log::OwnLimits;
use crate::domain::spec::{Source, Streams};
use crate::process::Process;
use probelet_oci as oci;

/// Pause while a start waits for the cleanup of an earlier daemon's start.
const LEFTOVER_STEP: Duration = Duration::from_millis(100);
const LEFTOVER_STEPS: u32 = 50;

#[derive(Debug, Clone)]
pub struct Starter {
    namespace: Namespace,
    records: AttemptRecords,
    planner: Planner,
    environment: PodEnvironment,
    tasks: TaskControl,
    logs: LogFiles,
    locks: Locks,
}

impl Starter {
    pub fn new(
        namespace: Namespace,
        records: AttemptRecords,
        planner: Planner,
        environment: PodEnvironment,
        tasks: TaskControl,
        (logs, locks): (LogFiles, Locks),
    ) -> Self {
        Self { namespace, records, planner, environment, tasks, logs, locks }
    }

    /// Creates the record and the snapshot of an attempt, without a task. The plan refuses what
    /// cannot be run; the start plans again, since only then the pod has its network.
    pub async fn create(&self, creation: &StartRequest) -> Result<(), NodeError> {
        self.environment.networks().expect(&creation.pod.uid);
        let plan = match self.planner.plan(creation, true).await {
            Err(error) if error.no_image().is_some() => {
                creation.container().map(Plan::without_image).unwrap_or_default()
            }
            plan => plan?,
        };
        self.records.create(creation, plan.source, false).await?;
        if let Some(image) = plan.image {
            let id = creation.id.to_string();
            match self.namespace.snapshots.prepare(&id, &image).await {
                // The start unpacks the image, or pulls it, and then prepares the snapshot.
                Err(CallError::NoImage(_)) => {}
                prepared => drop(prepared?),
            }
        }
        Ok(())
    }

    /// Writes a record again that another client deleted.
    pub async fn restore(&self, creation: &StartRequest) -> Result<(), NodeError> {
        let has_log = self.logs.message_path(&creation.id).exists();
        let plan = self.planner.plan(creation, has_log).await?;
        self.records.create(creation, plan.source, true).await.map(drop)
    }

    /// Creates what is missing and starts the process.
    pub async fn start(&self, creation: &StartRequest) -> Result<ContainerTask, NodeError> {
        let id = creation.id.to_string();
        // A disk that is full or missing must not prevent the start, so the container runs without
        // a log.
        let no_log = self.logs.make_folder(&creation.id).await.err();
        // The pod is connected first, since the plan depends on its network.
        self.environment.networks().connect(&creation.pod).await?;
        let plan = self.planner.plan(creation, no_log.is_none()).await?;
        let user = oci::user_of(&plan.source.spec);
        let was_recorded = self.records.create(creation, plan.source, true).await?;
        if let Some(why) = plan.refused {
            return Err(NodeError::Config(why));
        }
        if was_recorded {
            let cgroup = self.planner.cgroup(&creation.id);
            self.namespace.tasks.end_lost_shim(&id, &cgroup).await?;
        }
        if shares_names(creation) {
            self.delete_earlier_tasks(creation).await?;
        }
        self.environment.hold_processes(&creation.pod).await?;
        if let Some(image) = &plan.image {
            self.environment.make_files(&creation.pod).await?;
            if no_log.is_none() {
                let link = self.logs.message_path(&creation.id);
                self.environment.files().make_message(creation, link).await?;
            }
            let (uid, paths) = (&creation.pod.uid, &plan.image_volumes);
            self.environment.image_volumes().make(uid, &creation.id, image, paths).await?;
            self.environment.make_volumes(creation, plan.image_volumes).await?;
        }
        let own = creation.container().map(|container| container.log_limits).unwrap_or_default();
        let streams = creation.container().map(|container| container.streams).unwrap_or_default();
        let (output, no_log) = if streams.is_interactive() {
            (OutputTo::Clients(own, streams), no_log)
        } else {
            let logger = match no_log {
                None => self.logs.logger(&creation.id, own).await,
                Some(why) => Err(why),
            };
            let (uri, no_log) = match logger {
                Ok(logger) => (logger, None),
                Err(why) => (NOWHERE.to_owned(), Some(why)),
            };
            (OutputTo::Uri(uri), no_log)
        };
        let process = self.create_task(creation, plan.image.as_ref(), &output).await?;
        match self.tasks.start(&id, process).await {
            Ok(task) => Ok(task.with_notes(StartNotes { user, no_log, refused_log: None })),
            Err(error) => {
                self.tasks.discard(&id).await;
                Err(error)
            }
        }
    }

    /// Creates the task, after cleaning up what an earlier try left.
    async fn create_task(
        &self,
        creation: &StartRequest,
        image: Option<&Image>,
        output: &OutputTo,
    ) -> Result<Process, NodeError> {
        let id = creation.id.to_string();
        let mut tries = 0..LEFTOVER_STEPS;
        let mut removals = 0..1;
        loop {
            let rootfs = match image {
                Some(image) => self.namespace.snapshots.prepare(&id, image).await?,
                None => Vec::new(),
            };
            // A logger that the daemon starts ends with a try that fails, when `_logger` is dropped.
            let (stdio, _logger) = match output {
                OutputTo::Uri(uri) => (both_to(uri), None),
                OutputTo::Clients(own, streams) => {
                    let logger = self.logs.start_interactive(&creation.id, *own, *streams).await;
                    let logger = logger.map_err(NodeError::Internal)?;
                    (logger.stdio(), Some(logger))
                }
            };
            let error = match self.tasks.create(&id, rootfs, &stdio).await {
                Ok(process) => return Ok(process),
                Err(error) => error,
            };
            match error.refusal() {
                // An earlier daemon's try got this far. Files that its process may have written are
                // removed.
                None if matches!(error, CallError::AlreadyExists(_)) && tries.next().is_some() => {
                    self.tasks.kill_and_delete(&id).await?;
                    CallError::unless_missing(self.namespace.snapshots.remove(&id).await)?;
                }
                // The earlier try was cut off before that, and containerd is about to clean up.
                Some(Refusal::BundleInTheWay(_) | Refusal::StateInTheWay)
                    if tries.next().is_some() =>
                {
                    tokio::time::sleep(LEFTOVER_STEP).await;
                }
                // containerd died too, so nothing else removes the bundle.
                Some(Refusal::BundleInTheWay(bundle)) if removals.next().is_some() => {
                    let cgroup = self.planner.cgroup(&creation.id);
                    let removed = self.namespace.tasks.remove_bundle(&id, &cgroup, bundle).await;
                    if let Err(why) = removed {
                        return Err(NodeError::Internal(format!("{error}; {why}")));
                    }
                }
                _ => return Err(create_failed(error)),
            }
        }
    }

    /// Deletes the ended tasks of earlier attempts. It runs before the start, since runc's delete
    /// runs the last hooks and kills everything in the cgroup that the spec names, the next attempt
    /// too.
    async fn delete_earlier_tasks(&self, creation: &StartRequest) -> Result<(), NodeError> {
        for record in self.records.of_pod(&creation.pod.uid).await? {
            let Ok(id) = labelled(&record.id, &record.labels) else { continue };
            if id.container == creation.id.container && id.attempt < creation.id.attempt {
                let _lock = self.locks.lock(&record.id).await;
                self.tasks.delete(&record.id).await?;
            }
        }
        Ok(())
    }
}

/// The reader of a container's output.
enum OutputTo {
    /// The URI of a logger that the shim starts, or of a file.
    Uri(String),
    /// A logger that the daemon starts, to which clients can be attached.
    Clients(OwnLimits, Streams),
}

/// One logger reads both streams. The shim panics if only one of them has a logger.
fn both_to(uri: &str) -> Stdio {
    Stdio { stdout: uri.to_owned(), stderr: uri.to_owned(), ..Stdio::default() }
}

/// True if a name of the container, such as its cgroup's, is the same in each attempt.
fn shares_names(creation: &StartRequest) -> bool {
    creation.container().is_some_and(|container| match &container.source {
        Source::Bundle { oci_spec, .. } => oci::shares_names(oci_spec),
        Source::Image(_) | Source::Adopted(_) => false,
    })
}
