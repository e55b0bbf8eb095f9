//! The runtime that drives containerd. Each attempt has a container record, whose id is also its
//! snapshot's key. probelet's saved state is an extension of that record.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use super::{
    AttemptId, FoundTask, PullError, Runtime, RuntimeError, StartRequest, Survey, Task, Wanted,
};
use crate::claims::Claims;
use crate::cni::Cni;
use crate::domain::adopt::ContainerRef;
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::ExitEvidence;
use crate::domain::image::{Progress, Stored, VolumeSeen, normalise};
use crate::domain::log::Limits;
use crate::domain::network::PodNetwork;
use crate::domain::spec::{ContainerSpec, PodSpec, Source};
use crate::logs;
use crate::network::Namespaces;
use crate::pod_files::PodFiles;
use crate::registry::Registries;
use crate::shared_pids::SharedPids;
use crate::volumes::Volumes;
use probelet_oci::{self as oci, Facts};

mod client;
mod config;
mod devices;
mod exec;
mod exit_evidence;
mod facts;
mod failures;
mod foreign;
mod foreign_events;
mod foreign_output;
mod image_labels;
mod image_volumes;
mod images;
mod labelled_logs;
mod leftovers;
mod locks;
mod log_handover;
mod network;
mod ooms;
mod pending_record;
mod plan;
mod profiles;
mod pull;
mod records;
mod refusals;
mod shared;
mod shims;
mod snapshots;
mod start;
mod survey;
mod task;
mod task_outcomes;
mod tasks;
mod users;
mod views;
mod volumes;

use client::{Client, missing_is_fine};
pub use config::Config;
use config::absolute;
use exec::Execs;
pub use failures::{FailedCalls, failed_calls};
pub use foreign::Watched;
use labelled_logs::LabelledLogs;
use locks::Locks;
use network::Networks;
use ooms::Ooms;
use plan::Plan;

#[derive(Debug, Clone)]
pub struct Containerd {
    client: Client,
    log_dir: PathBuf,
    log_limits: Limits,
    logger: logs::Program,
    run_dir: PathBuf,
    seccomp_dir: PathBuf,
    facts: Facts,
    /// Starts that are running. The callers of some have stopped waiting.
    starts: TaskTracker,
    locks: Locks,
    execs: Execs,
    claims: Claims,
    namespaces: Namespaces,
    pids: SharedPids,
    files: PodFiles,
    volumes: Volumes,
    networks: Networks,
    pending_record: pending_record::Files,
    /// Set once the leftovers without a record have been searched for.
    swept: Arc<AtomicBool>,
    ooms: Ooms,
    watched: Watched,
    labelled_logs: LabelledLogs,
    task_outcomes: task_outcomes::TaskOutcomes,
    registries: Registries,
}

impl Containerd {
    /// Returns a runtime that connects at the first call, and again after each loss, since
    /// containerd may be down. Needs a tokio runtime.
    pub fn connect(config: Config) -> Result<Self, RuntimeError> {
        let log_dir = absolute("log", &config.log_dir, &[])?;
        // containerd receives URIs of paths below this folder, without escaping.
        let run_dir = absolute("run", &config.run_dir, &['%', '?', '#'])?;
        let data_dir = absolute("data", &config.data_dir, &[])?;
        let owner = format!("{} {}\n", config.address.display(), config.namespace);
        let volumes = Volumes::new(&data_dir, &run_dir, owner.clone());
        let claims = Claims::new(&run_dir, owner.clone());
        let (conf_dir, bin_dirs) = (config.cni_conf_dir, config.cni_bin_dirs);
        let networks = Networks::new(Cni::new(conf_dir, bin_dirs, &data_dir, owner));
        let log_limits = config.log_limits;
        let logger = logs::Program::new(vec![run_dir.join("bin"), data_dir.join("bin")]);
        let client = Client::new(config.address, &config.namespace, config.snapshotter)?;
        let execs = Execs::new(client.clone(), &run_dir).map_err(|error| {
            RuntimeError::Internal(format!("run folder {}: {error}", run_dir.display()))
        })?;
        let seccomp_dir = config.seccomp_dir;
        let facts = facts::read();
        let (starts, locks) = (TaskTracker::new(), Locks::default());
        let ooms = Ooms::new();
        starts.spawn(ooms.clone().listen(client.clone()));
        let pending_record = pending_record::Files::new(&run_dir, &config.namespace);
        let (namespaces, files) = (Namespaces::new(&run_dir), PodFiles::new(&data_dir, &run_dir));
        let pids = SharedPids::new(&run_dir, &config.namespace);
        let (watched, task_outcomes) = (config.watched, task_outcomes::TaskOutcomes::default());
        let labelled_logs = LabelledLogs::new(config.adopted_log_dirs);
        Ok(Self {
            client,
            log_dir,
            log_limits,
            logger,
            run_dir,
            seccomp_dir,
            facts,
            starts,
            locks,
            execs,
            claims,
            namespaces,
            pids,
            files,
            volumes,
            networks,
            pending_record,
            swept: Arc::default(),
            ooms,
            watched,
            labelled_logs,
            task_outcomes,
            registries: config.registries,
        })
    }

    fn cgroups_path(&self, id: &AttemptId) -> String {
        format!("/{}/{id}", self.client.namespace())
    }

    async fn remove_log(&self, id: &AttemptId) {
        let (log, message) = (self.log_path(id), self.message_path(id));
        // A killed logger leaves its socket.
        let socket = logs::socket(&self.logger_sockets(), &log);
        let files = [log.clone(), message.clone(), socket];
        let removed = tokio::task::spawn_blocking(move || {
            files.iter().map(|file| logs::remove(file)).fold(Ok(()), Result::and)
        });
        if let Err(error) = removed.await.map_err(io::Error::other).and_then(|removed| removed) {
            tracing::warn!(%id, file = %message.display(), %error, "cannot remove a file");
        }
        // The folders of the container and of the pod are removed with the last log in them.
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
                pull::facts(&image)
            }
            Source::Bundle { oci_spec, rootfs } => {
                oci::from_bundle(oci_spec, rootfs, "/")?;
                check_rootfs(rootfs).await?;
                Ok(ImageFacts::default())
            }
            Source::Adopted(_) => Ok(ImageFacts::default()),
        }
    }

    async fn look_at_volume(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, RuntimeError> {
        self.client.look_at_volume(uid, volume, image).await
    }

    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError> {
        self.pull_image(wanted, progress).await
    }

    async fn volumes_used(&self, pod: &PodSpec) -> Result<BTreeMap<String, u64>, RuntimeError> {
        self.measure_volumes(pod).await
    }

    async fn images(&self) -> Result<Vec<Stored>, RuntimeError> {
        self.client.list_images().await
    }

    async fn remove_image(&self, name: &str) -> Result<String, RuntimeError> {
        self.client.remove_image(name).await
    }

    async fn create(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        self.networks.expect(&creation.pod.uid);
        let plan = match self.plan(creation, true).await {
            // The start completes the record.
            Err(RuntimeError::NoImage(_)) => {
                let image = creation.container().map(|container| normalise(&container.image()));
                let (image, spec) = (image.map(|image| (image, String::new())), b"{}".to_vec());
                let plan = Plan { image, spec, ..Plan::default() };
                return self.record(creation, plan, false).await.map(drop);
            }
            plan => plan?,
        };
        let chain = plan.image.clone();
        self.record(creation, plan, false).await?;
        if let Some((name, chain_id)) = chain {
            self.client.prepare(&creation.id.to_string(), &name, &chain_id).await?;
        }
        Ok(())
    }

    /// The start continues when the caller stops waiting, and then undoes itself: a Tasks.Create
    /// that is cut short leaves a bundle that containerd takes seconds to clean up.
    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, RuntimeError> {
        if let Some(place) = ContainerRef::of_pod(&creation.id.pod) {
            return self.start_foreign(place, creation).await;
        }
        let turn = self.locks.lock(&creation.id.to_string()).await;
        let (this, creation) = (self.clone(), creation.clone());
        let (tell, told) = oneshot::channel();
        self.starts.spawn(async move {
            let _turn = turn;
            if let Err(done) = tell.send(this.run(&creation).await) {
                if done.is_ok() {
                    this.client.clear_task(&creation.id.to_string()).await;
                }
                this.remove_if_unrecorded(&creation.pod.uid).await;
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
        self.renew_pending_record(id, pod, memory).await?;
        self.client_of(id)?.remember(id, pod, memory).await?;
        self.drop_pending_record(id).await?;
        self.renew_volumes(pod);
        Ok(())
    }

    async fn keep(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError> {
        self.keep_pending_record(id, pod, memory).await
    }

    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        // The owner may want to read the exit status. The next start deletes the task.
        if ContainerRef::of_pod(&id.pod).is_some() {
            return Ok(());
        }
        let _turn = self.locks.lock(&id.to_string()).await;
        self.client.delete_task(&id.to_string()).await
    }

    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        if ContainerRef::of_pod(&id.pod).is_some() {
            self.remove_log(id).await;
            return Ok(());
        }
        let key = id.to_string();
        let _turn = self.locks.lock(&key).await;
        self.drop_pending_record(id).await?;
        // The snapshot's key is read first, while there is a record that shows whether probelet
        // made it.
        match self.client.get_record(&key).await {
            Err(RuntimeError::NotFound(_)) => self.remove_log(id).await,
            record => {
                let record = record?;
                self.client.kill_and_delete_task(&key).await?;
                if record.snapshot_key == key {
                    missing_is_fine(self.client.remove_snapshot(&key).await)?;
                }
                if let Some(uid) = record.labels.get(records::POD_UID) {
                    self.remove_image_volumes(uid, id).await?;
                }
                // Without its record the log could not be found any more.
                self.remove_log(id).await;
                missing_is_fine(self.delete_record_and_pins(&record).await)?;
            }
        }
        Ok(())
    }

    async fn survey(&self) -> Result<Survey, RuntimeError> {
        self.survey_records().await
    }

    async fn task(&self, id: &AttemptId) -> Result<FoundTask, RuntimeError> {
        self.client.find_task(&id.to_string(), &self.execs, &self.ooms).await
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.client.ping().await
    }

    async fn look(&self) -> Result<Vec<(AttemptId, SeenTask)>, RuntimeError> {
        self.look_around().await
    }

    async fn restore(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        if ContainerRef::of_pod(&creation.id.pod).is_some() {
            return Err(plan::not_made(&creation.id));
        }
        let _turn = self.locks.lock(&creation.id.to_string()).await;
        let plan = self.plan(creation, self.message_path(&creation.id).exists()).await?;
        self.record(creation, plan, true).await.map(drop)
    }

    async fn clear(&self, id: &AttemptId) -> Result<(), RuntimeError> {
        let key = ContainerRef::of_pod(&id.pod).map_or_else(|| id.to_string(), |place| place.id);
        let _turn = self.locks.lock(&id.to_string()).await;
        self.client_of(id)?.kill_and_delete_task(&key).await
    }

    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence {
        self.read_words(id, with_log).await
    }

    async fn check_network(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        self.check_connection(pod).await
    }

    async fn reconnect(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        self.connect_again(pod).await
    }

    fn give_up_network(&self, pod: &PodSpec) {
        self.networks.give_up(&pod.uid);
    }

    fn network(&self, pod: &PodSpec) -> PodNetwork {
        PodNetwork { node_name: self.facts.hostname.clone(), ..self.networks.of(pod) }
    }

    fn log_path(&self, id: &AttemptId) -> PathBuf {
        let folder = match ContainerRef::of_pod(&id.pod) {
            // No pod's name begins with an underscore.
            Some(place) => self.log_dir.join("_adopted").join(place.namespace),
            None => self.log_dir.join(&id.pod),
        };
        folder.join(&id.container).join(format!("{}.log", id.attempt))
    }
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
