//! What surrounds the containers of a pod on this host: namespaces, network, the holder of shared
//! processes, files, volumes. It is prepared before a container starts, and removed with the pod's
//! last record.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use probelet_runtime::{Namespace, Record};
use tokio_util::task::TaskTracker;

use super::attempt::StartRequest;
use super::attempt_records::AttemptRecords;
use super::config::Config;
use super::error::NodeError;
use super::image_reader::ImageReader;
use super::image_views::ImageViews;
use super::image_volumes::ImageVolumes;
use super::labels::POD_UID;
use super::locks::Locks;
use super::network::PodNetworks;
use super::pod_files::{FilesOfPods, claim};
use super::running::RunningTasks;
use super::volumes::PodVolumes;
use crate::claims::Claims;
use crate::cni::Cni;
use crate::domain::network::PodNetwork;
use crate::domain::node::NodeAddresses;
use crate::domain::spec::{Amounts, PodSpec};
use crate::network::{self, Namespaces};
use crate::pod_files::PodFiles;
use crate::shared_pids::SharedPids;
use crate::volumes::Volumes;
use probelet_oci::Facts;

#[derive(Debug, Clone)]
pub struct PodEnvironment {
    facts: Facts,
    /// Name of the host, shared by the statuses of all pods.
    node_name: Arc<str>,
    claims: Claims,
    pids: SharedPids,
    networks: PodNetworks,
    files: FilesOfPods,
    volumes: PodVolumes,
    image_volumes: ImageVolumes,
    records: AttemptRecords,
    running: RunningTasks,
    locks: Locks,
    /// Work that continues when its caller stops waiting.
    background: TaskTracker,
}

impl PodEnvironment {
    pub fn new(
        config: &Config,
        facts: Facts,
        namespace: &Namespace,
        records: AttemptRecords,
        (locks, background): (Locks, TaskTracker),
    ) -> Self {
        let Config { run_dir, data_dir, .. } = config;
        let owner = format!("{} {}\n", config.address.display(), config.namespace);
        let claims = Claims::new(run_dir, owner.clone());
        let volumes = Volumes::new(data_dir, run_dir, owner.clone());
        let running = RunningTasks::new(records.clone(), namespace.clone());
        let (conf_dir, bin_dirs) = (config.cni_conf_dir.clone(), config.cni_bin_dirs.clone());
        let cni = Cni::new(conf_dir, bin_dirs, data_dir, owner);
        let namespaces = Namespaces::new(run_dir);
        let networks =
            PodNetworks::new(cni, namespaces, claims.clone(), running.clone(), locks.clone());
        let files = PodFiles::new(data_dir, run_dir);
        let images = ImageReader::new(namespace.clone(), run_dir.clone());
        let views = ImageViews::new(namespace.clone());
        Self {
            node_name: facts.hostname.as_str().into(),
            facts,
            pids: SharedPids::new(run_dir, &config.namespace),
            networks,
            files: FilesOfPods::new(files, volumes.clone(), claims.clone()),
            image_volumes: ImageVolumes::new(volumes.clone(), images),
            volumes: PodVolumes::new(volumes, views, locks.clone(), background.clone()),
            claims,
            records,
            running,
            locks,
            background,
        }
    }

    pub fn networks(&self) -> &PodNetworks {
        &self.networks
    }

    pub fn files(&self) -> &FilesOfPods {
        &self.files
    }

    pub fn volumes(&self) -> &PodVolumes {
        &self.volumes
    }

    pub fn image_volumes(&self) -> &ImageVolumes {
        &self.image_volumes
    }

    /// Returns the types and paths of the namespaces that the pod's containers join.
    pub fn shared_namespaces(&self, pod: &PodSpec) -> Vec<(&'static str, PathBuf)> {
        let pids = pod.share_process_namespace.then(|| ("pid", self.pids.pin(&pod.uid)));
        self.networks.namespaces_of(pod).into_iter().chain(pids).collect()
    }

    /// Returns the node's addresses. They are read each time, since they change.
    pub fn node_addresses(&self, pod: &PodSpec) -> NodeAddresses {
        let node_addresses = network::host::addresses().unwrap_or_else(|error| {
            tracing::warn!(%error, "the host's addresses are not known");
            Vec::new()
        });
        let (cpu, memory) = (Some(self.facts.cpu), Some(self.facts.memory));
        NodeAddresses {
            node_name: self.facts.hostname.clone(),
            node_addresses,
            pod_addresses: self.networks.addresses_of(pod),
            allocatable: Amounts { cpu, memory, ..Amounts::default() },
        }
    }

    pub fn network(&self, pod: &PodSpec) -> PodNetwork {
        PodNetwork { node_name: self.node_name.clone(), ..self.networks.of(pod) }
    }

    /// Creates the pod's process namespace if needed, also after its holder died with all that ran
    /// in it.
    pub async fn hold_processes(&self, pod: &PodSpec) -> Result<(), NodeError> {
        if !pod.share_process_namespace {
            return Ok(());
        }
        let _lock = self.locks.lock_pod(&pod.uid).await;
        let claim = claim(&self.claims, &pod.uid)?;
        let failed =
            |error| NodeError::start_failed(format!("the pod's process namespace: {error}"));
        if self.pids.is_held(&pod.uid).await.map_err(failed)? {
            return Ok(());
        }
        let running = self.running.of_pod(&pod.uid).await?;
        self.pids.hold(&claim, running).await.map_err(failed)
    }

    /// Creates the pod's files.
    pub async fn make_files(&self, pod: &PodSpec) -> Result<(), NodeError> {
        let _lock = self.locks.lock_pod(&pod.uid).await;
        self.files.make(pod, self.first_ip(pod)).await
    }

    fn first_ip(&self, pod: &PodSpec) -> Option<String> {
        self.networks.of(pod).ips.first().cloned()
    }

    pub async fn make_volumes(
        &self,
        creation: &StartRequest,
        image_volumes: Vec<String>,
    ) -> Result<(), NodeError> {
        let node = self.node_addresses(&creation.pod);
        self.volumes.make(creation, node, image_volumes).await
    }

    /// Updates mounted files, such as new labels, in the background.
    pub fn renew_volumes(&self, pod: &PodSpec) {
        if self.volumes.have_files(pod) {
            self.volumes.renew(pod, &self.node_addresses(pod));
        }
    }

    /// Connects the pod again to the same network.
    pub async fn reconnect(&self, pod: &PodSpec) -> Result<(), NodeError> {
        let _lock = self.locks.lock_pod(&pod.uid).await;
        if !self.networks.reconnect(pod).await? {
            return Ok(());
        }
        // The hosts file contains the pod's address.
        self.files.make(pod, self.first_ip(pod)).await
    }

    /// Deletes a record, and before the last one the pod's environment: while a record exists, the
    /// next try finds the environment.
    pub async fn delete_record(&self, record: &Record) -> Result<(), NodeError> {
        let uid = record.labels.get(POD_UID).map(String::as_str).unwrap_or_default();
        if uid.is_empty() || !self.have_traces(uid) {
            self.networks.forget(uid);
            return Ok(self.records.delete(&record.id).await?);
        }
        let _lock = self.locks.lock_pod(uid).await;
        if self.records.of_pod(uid).await?.iter().all(|other| other.id == record.id) {
            self.networks.disconnect(uid).await?;
            self.networks.forget(uid);
            self.remove(uid).await?;
        }
        Ok(self.records.delete(&record.id).await?)
    }

    fn have_traces(&self, uid: &str) -> bool {
        self.claims.has(uid)
            || self.networks.have_traces(uid)
            || self.files.have_traces(uid)
            || self.pids.have_traces(uid)
            || self.volumes.have_traces(uid)
    }

    /// Removes everything of the pod on this host but its network, which is disconnected before.
    /// The caller holds the pod's lock.
    async fn remove(&self, uid: &str) -> Result<(), NodeError> {
        let failed = |what: &str, error: io::Error| {
            NodeError::Internal(format!("the {what} of pod {uid}: {error}"))
        };
        self.networks.remove_namespaces(uid).map_err(|error| failed("namespaces", error))?;
        let (pids, its) = (self.pids.clone(), uid.to_owned());
        let removed = tokio::task::spawn_blocking(move || pids.remove(&its)).await;
        let removed = removed.map_err(io::Error::other).and_then(|removed| removed);
        removed.map_err(|error| failed("process namespace", error))?;
        self.files.remove(uid).map_err(|error| failed("files", error))?;
        self.volumes.remove(uid).await?;
        // The claim goes last: while it exists, a later daemon tries again.
        self.claims.release(uid).map_err(|error| failed("claim", error))
    }

    /// Cleans up after a start whose caller stopped waiting, if the pod has no record any more.
    pub async fn remove_if_unrecorded(&self, uid: &str) {
        let _lock = self.locks.lock_pod(uid).await;
        let removed = async {
            if self.records.of_pod(uid).await?.is_empty() && self.claims.has(uid) {
                self.networks.disconnect(uid).await?;
                self.remove(uid).await?;
            }
            Ok::<_, NodeError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(uid, %error, "traces of a start that was given up may stay");
        }
    }

    /// Returns the uids of the pods that have something on this host.
    pub async fn pods(&self) -> Result<BTreeSet<String>, NodeError> {
        let volumes = self.volumes.pods().await?;
        let others = self.pids.pods().into_iter().chain(self.claims.pods());
        Ok(others.chain(volumes).collect())
    }

    /// Cleans up pods whose records were deleted while no daemon ran. `seen` was read before the
    /// records, so a new pod, which has a record first, is not among them.
    pub async fn remove_strays(&self, seen: BTreeSet<String>, recorded: &BTreeSet<String>) {
        for uid in seen.difference(recorded) {
            // The network is disconnected first, in the background.
            if self.networks.is_attached(uid) {
                continue;
            }
            let _lock = self.locks.lock_pod(uid).await;
            match self.remove(uid).await {
                Ok(()) => tracing::info!(uid, "removed what a pod without records had left"),
                Err(error) => tracing::warn!(uid, %error, "leftovers of a pod stay"),
            }
        }
    }

    /// Loads the networks of recorded pods, and disconnects other pods in the background, since
    /// their plugins may hang.
    pub async fn load_networks(&self, recorded: &BTreeSet<String>) {
        for uid in self.networks.load(recorded).await {
            let this = self.clone();
            self.background.spawn(async move {
                let _lock = this.locks.lock_pod(&uid).await;
                let removed = async {
                    this.networks.disconnect(&uid).await?;
                    this.remove(&uid).await
                };
                match removed.await {
                    Ok(()) => tracing::info!(uid, "disconnected a pod without records"),
                    Err(error) => {
                        tracing::warn!(uid, %error, "a pod without records stays connected");
                    }
                }
            });
        }
    }
}
