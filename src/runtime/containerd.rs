//! The runtime that drives containerd. An attempt is a container record of its own, whose id is
//! also its snapshot's key; what probelet remembers rides on that record.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::oci::{self, Host};
use super::{AttemptId, Birth, Found, FoundTask, Runtime, RuntimeError, Task};
use crate::domain::container::{ImageFacts, Memory};
use crate::domain::exit::LastWords;
use crate::domain::spec::{ContainerSpec, PodSpec, Source};
use crate::network::Namespaces;

mod client;
mod exec;
mod images;
mod locks;
mod ooms;
mod records;
mod shared;
mod snapshots;
mod task;
mod tasks;
mod words;

use client::{Client, missing_is_fine};
use exec::Execs;
use locks::Locks;
use ooms::Ooms;
use records::NewRecord;

#[derive(Debug, Clone)]
pub struct Config {
    /// containerd's gRPC socket.
    pub address: PathBuf,
    /// containerd's namespace, made at the first container.
    pub namespace: String,
    /// Logs go to `POD/CONTAINER/ATTEMPT.log` under it.
    pub log_dir: PathBuf,
    /// The FIFOs of commands go to `exec/` under it, which is this daemon's alone; the pins of
    /// pods' namespaces beside it.
    pub run_dir: PathBuf,
    pub snapshotter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "/run/containerd/containerd.sock".into(),
            namespace: "probelet".into(),
            log_dir: "/var/log/probelet".into(),
            run_dir: "/run/probelet".into(),
            snapshotter: "overlayfs".into(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Containerd {
    client: Client,
    log_dir: PathBuf,
    cgroup2: bool,
    /// Starts at work, some of them given up by their callers.
    starts: TaskTracker,
    locks: Locks,
    execs: Execs,
    namespaces: Namespaces,
    ooms: Ooms,
}

/// How long a start waits for the remains of an earlier daemon's.
const LEFTOVER_STEP: Duration = Duration::from_millis(100);
const LEFTOVER_STEPS: u32 = 50;

/// What an attempt is made of, read from its source.
struct Plan {
    /// The image's name in containerd's store and its unpacked layers; `None` for a bundle.
    image: Option<(String, String)>,
    spec: Vec<u8>,
}

impl Containerd {
    /// Connects at the first call, and again after each loss: containerd may be away. Needs a
    /// tokio runtime.
    pub fn connect(config: Config) -> Result<Self, RuntimeError> {
        let log_dir = uri_folder("log", &config.log_dir)?;
        let run_dir = uri_folder("run", &config.run_dir)?;
        let client = Client::new(config.address, &config.namespace, config.snapshotter)?;
        let execs = Execs::new(client.clone(), &run_dir).map_err(|error| {
            RuntimeError::Internal(format!("run folder {}: {error}", run_dir.display()))
        })?;
        let cgroup2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (starts, locks) = (TaskTracker::new(), Locks::default());
        let ooms = Ooms::new();
        starts.spawn(ooms.clone().listen(client.clone()));
        let namespaces = Namespaces::new(&run_dir);
        Ok(Self { client, log_dir, cgroup2, starts, locks, execs, namespaces, ooms })
    }

    async fn plan(&self, birth: &Birth) -> Result<Plan, RuntimeError> {
        let container = birth.container().ok_or_else(|| {
            RuntimeError::Internal(format!("{}: no container {}", birth.id, birth.index))
        })?;
        let cgroups_path = self.cgroups_path(&birth.id);
        match &container.source {
            Source::Image(name) => {
                let image = self.client.image(name).await?;
                let message_path = self.message_path(&birth.id);
                let (pod, namespaces) = (&birth.pod, &self.namespaces);
                let shared = if pod.is_several() { namespaces.paths(&pod.uid) } else { vec![] };
                let host = Host { cgroup2: self.cgroup2, cgroups_path, shared, message_path };
                let spec = oci::from_image(&image.content.config, &birth.pod, container, &host)?;
                Ok(Plan { image: Some((image.name, image.content.chain_id.clone())), spec })
            }
            Source::Bundle { oci_spec, rootfs } => {
                let spec = oci::from_bundle(oci_spec, rootfs, &cgroups_path)?;
                Ok(Plan { image: None, spec })
            }
        }
    }

    fn cgroups_path(&self, id: &AttemptId) -> String {
        format!("/{}/{id}", self.client.namespace())
    }

    /// The record, with its snapshot; an existing one only learns the memory.
    async fn record(&self, birth: &Birth, plan: Plan, renew: bool) -> Result<(), RuntimeError> {
        let image = plan.image.as_ref().map(|(name, _)| name.clone());
        let new = NewRecord { birth, image, spec: plan.spec };
        match self.client.create_record(new).await {
            Err(RuntimeError::AlreadyExists(_)) if renew => {
                self.client.remember(&birth.id, &birth.pod, &birth.memory).await?;
            }
            Err(RuntimeError::AlreadyExists(_)) => {}
            other => other?,
        }
        Ok(())
    }

    async fn run(&self, birth: &Birth) -> Result<Box<dyn Task>, RuntimeError> {
        let id = birth.id.to_string();
        let plan = self.plan(birth).await?;
        let chain = plan.image.clone();
        self.record(birth, plan, true).await?;
        self.pin_namespaces(&birth.pod).await?;

        let log = self.log_path(&birth.id);
        if let Some(folder) = log.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| {
                RuntimeError::StartFailed(format!("log folder {}: {error}", folder.display()))
            })?;
        }
        if chain.is_some() {
            self.make_message(&birth.id).await.map_err(|error| {
                RuntimeError::StartFailed(format!("file for the termination message: {error}"))
            })?;
        }
        let mut tries = 0..LEFTOVER_STEPS;
        let process = loop {
            let mounts = match &chain {
                Some((name, chain_id)) => self.client.prepare(&id, name, chain_id).await?,
                None => Vec::new(),
            };
            match self.client.create_task(&id, mounts, &log).await {
                // An earlier daemon's try got this far. What its process may have written goes
                // with it.
                Err(RuntimeError::AlreadyExists(_)) if tries.next().is_some() => {
                    self.client.kill_and_delete_task(&id).await?;
                    missing_is_fine(self.client.remove_snapshot(&id).await)?;
                }
                // Or it died in the middle, and containerd is at clearing up.
                Err(RuntimeError::StartFailed(text))
                    if text.contains("file exists") && tries.next().is_some() =>
                {
                    tokio::time::sleep(LEFTOVER_STEP).await;
                }
                other => break other?,
            }
        };
        let (client, execs) = (self.client.clone(), self.execs.clone());
        // Before its process can be out of memory.
        let task = task::ContainerdTask::new(id, process, client, execs, self.ooms.hints());
        if let Err(error) = self.client.start_task(task.id()).await {
            self.client.clear_task(task.id()).await;
            return Err(error);
        }
        Ok(Box::new(task))
    }

    async fn remove_log(&self, id: &AttemptId) {
        let log = self.log_path(id);
        for file in [&log, &self.message_path(id)] {
            match tokio::fs::remove_file(file).await {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%id, file = %file.display(), %error, "cannot remove a file");
                }
                _ => {}
            }
        }
        // The container's folder and the pod's, which go with the last log in them.
        for folder in log.ancestors().skip(1).take(2) {
            if tokio::fs::remove_dir(folder).await.is_err() {
                break;
            }
        }
    }
}

#[async_trait]
impl Runtime for Containerd {
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, RuntimeError> {
        match &container.source {
            Source::Image(name) => {
                let image = self.client.image(name).await?;
                oci::check_image(&image.content.config, container)?;
                self.client.check_unpacked(name, &image.content.chain_id).await?;
                let stop_signal = oci::stop_signal(&image.content.config)?;
                Ok(ImageFacts { id: image.id, stop_signal })
            }
            Source::Bundle { oci_spec, rootfs } => {
                oci::from_bundle(oci_spec, rootfs, "/")?;
                check_rootfs(rootfs).await?;
                Ok(ImageFacts::default())
            }
        }
    }

    async fn create(&self, birth: &Birth) -> Result<(), RuntimeError> {
        let plan = self.plan(birth).await?;
        let chain = plan.image.clone();
        self.record(birth, plan, false).await?;
        if let Some((name, chain_id)) = chain {
            self.client.prepare(&birth.id.to_string(), &name, &chain_id).await?;
        }
        Ok(())
    }

    /// Goes on to its end when the caller gives up, and then undoes itself: a Tasks.Create that
    /// is cut short leaves a bundle that containerd takes seconds to clear.
    async fn start(&self, birth: &Birth) -> Result<Box<dyn Task>, RuntimeError> {
        let turn = self.locks.lock(&birth.id.to_string()).await;
        let (this, birth) = (self.clone(), birth.clone());
        let (tell, told) = oneshot::channel();
        self.starts.spawn(async move {
            let _turn = turn;
            if let Err(Ok(_)) = tell.send(this.run(&birth).await) {
                this.client.clear_task(&birth.id.to_string()).await;
            }
        });
        let given_up = |_| RuntimeError::Internal("the start was given up".to_owned());
        told.await.map_err(given_up)?
    }

    async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError> {
        self.client.remember(id, pod, memory).await
    }

    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        let _turn = self.locks.lock(&id.to_string()).await;
        self.client.delete_task(&id.to_string()).await
    }

    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        let key = id.to_string();
        let _turn = self.locks.lock(&key).await;
        // First the snapshot's key, while there is a record that tells whether it is ours.
        match self.client.get_record(&key).await {
            Err(RuntimeError::NotFound(_)) => self.remove_log(id).await,
            record => {
                let record = record?;
                self.client.kill_and_delete_task(&key).await?;
                if record.snapshot_key == key {
                    missing_is_fine(self.client.remove_snapshot(&key).await)?;
                }
                // Without its record nobody would know of it any more.
                self.remove_log(id).await;
                missing_is_fine(self.delete_record_and_pins(&record).await)?;
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Found>, RuntimeError> {
        let mut found = Vec::new();
        for record in self.client.list_records().await? {
            match records::read(&record) {
                Ok((id, pod, memory)) => {
                    let task = self.client.find_task(&record.id, &self.execs, &self.ooms).await?;
                    let words = match task {
                        FoundTask::Ended(ending, _) => {
                            let with_log = pod.wants_log(&id.container, ending.exit_code());
                            self.read_words(&id, with_log).await
                        }
                        _ => LastWords::default(),
                    };
                    found.push(Found { id, pod, memory, task, words });
                }
                Err(error) => {
                    tracing::warn!(container = record.id, %error, "record skipped: not sound");
                }
            }
        }
        Ok(found)
    }

    async fn last_words(&self, id: &AttemptId, with_log: bool) -> LastWords {
        if with_log {
            words::settle(&self.log_path(id)).await;
        }
        self.read_words(id, with_log).await
    }

    fn log_path(&self, id: &AttemptId) -> PathBuf {
        self.log_dir.join(&id.pod).join(&id.container).join(format!("{}.log", id.attempt))
    }
}

/// An absolute path that can be part of a URI as it is: containerd gets one of what lies there.
fn uri_folder(name: &str, path: &Path) -> Result<PathBuf, RuntimeError> {
    let bad = |reason: String| {
        RuntimeError::Internal(format!("{name} folder {}: {reason}", path.display()))
    };
    let path = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
    if path.to_str().is_none_or(|path| path.contains(['%', '?', '#'])) {
        return Err(bad("must be UTF-8 and without %, ? and #".to_owned()));
    }
    Ok(path)
}

async fn check_rootfs(rootfs: &Path) -> Result<(), RuntimeError> {
    let invalid = |reason: String| RuntimeError::Invalid { field: "rootfs", reason };
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
