//! The shared namespaces of a pod: pinned before its first container starts, and removed with its
//! last record.

use std::io;
use std::path::PathBuf;

use containerd_client::services::v1::{Container, ListContainersRequest};
use containerd_client::types::v1::Status;

use super::Containerd;
use super::client::{DEADLINE, call};
use super::records::{POD_UID, is_own};
use crate::claims::Claim;
use crate::domain::hosts;
use crate::domain::node::NodeAddresses;
use crate::domain::spec::{Amounts, PodSpec};
use crate::files;
use crate::network;
use crate::pod_files::Texts;
use crate::process::Process;
use crate::runtime::RuntimeError;

const HOSTS: &str = "/etc/hosts";
const RESOLVER: &str = "/etc/resolv.conf";
/// Limit for a file, in bytes: hosts files that block many names are long.
const LONGEST: usize = 16 << 20;
const SYSTEMD_RESOLVER: &str = "/run/systemd/resolve/resolv.conf";

pub(super) fn shares_shm(pod: &PodSpec) -> bool {
    pod.is_several() && !pod.host_namespaces.ipc
}

impl Containerd {
    /// Returns the types and paths of the namespaces that the pod's containers join.
    pub(super) fn shared_namespaces(&self, pod: &PodSpec) -> Vec<(&'static str, PathBuf)> {
        let several = self.is_pinned(pod).then(|| self.namespaces.paths(&pod.uid));
        let pids = pod.share_process_namespace.then(|| ("pid", self.pids.pin(&pod.uid)));
        several.into_iter().flatten().chain(pids).collect()
    }

    /// Creates the pod's process namespace if needed, also after its holder died with all that ran
    /// in it.
    pub(super) async fn hold_processes(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        if !pod.share_process_namespace {
            return Ok(());
        }
        let _turn = self.pod_turn(&pod.uid).await;
        let claim = self.claim(&pod.uid)?;
        let failed =
            |error| RuntimeError::StartFailed(format!("the pod's process namespace: {error}"));
        if self.pids.is_held(&pod.uid).await.map_err(failed)? {
            return Ok(());
        }
        let running = self.running_of(&pod.uid).await?;
        self.pids.hold(&claim, running).await.map_err(failed)
    }

    /// Returns the node's addresses. They are read each time, since they change.
    pub(super) fn node_addresses(&self, pod: &PodSpec) -> NodeAddresses {
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

    /// Creates the pod's `hosts` and `resolv.conf`, and `/dev/shm` for a pod of several containers.
    pub(super) async fn make_files(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let _turn = self.pod_turn(&pod.uid).await;
        self.make_files_now(pod).await
    }

    /// Creates the files as `make_files` does. The caller holds the pod's lock.
    pub(super) async fn make_files_now(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let (pod_files, volumes) = (self.files.clone(), self.volumes.clone());
        let (pod, claim) = (pod.clone(), self.claim(&pod.uid)?);
        let ip = self.networks.of(&pod).ips.into_iter().next();
        let made = tokio::task::spawn_blocking(move || {
            // A missing file is treated as empty, as libc does.
            let text = |path: &str| match files::read(path, LONGEST) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
                Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            };
            volumes.claim(&pod.uid)?;
            let mut resolver = text(RESOLVER)?;
            // systemd also writes a file that names the real servers instead of its stub.
            if !pod.host_namespaces.network && hosts::is_out_of_reach(&resolver) {
                let own = Some(text(SYSTEMD_RESOLVER)?).filter(|text| !text.is_empty());
                resolver = own.unwrap_or(resolver);
            }
            let texts = Texts {
                hosts: hosts::hosts_file(&pod, &text(HOSTS)?, ip.as_deref()),
                resolver: hosts::resolver_file(&pod, &resolver),
            };
            pod_files.make(&claim, &texts, shares_shm(&pod))
        });
        let failed = |error: &dyn std::fmt::Display| {
            RuntimeError::StartFailed(format!("the pod's files: {error}"))
        };
        made.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// Deletes a record, and before the last one the pod's pins: while a record exists, the next
    /// try finds the pins.
    pub(super) async fn delete_record_and_pins(
        &self,
        record: &Container,
    ) -> Result<(), RuntimeError> {
        let uid = record.labels.get(POD_UID).map(String::as_str).unwrap_or_default();
        let have_traces = self.claims.has(uid)
            || self.namespaces.have_traces(uid)
            || self.networks.cni.has_traces(uid)
            || self.files.have_traces(uid)
            || self.pids.have_traces(uid)
            || self.volumes.have_traces(uid);
        if uid.is_empty() || !have_traces {
            self.networks.forget(uid);
            return self.client.delete_record(&record.id).await;
        }
        let _turn = self.pod_turn(uid).await;
        if self.records_of(uid).await?.iter().all(|other| other.id == record.id) {
            self.disconnect(uid).await?;
            self.networks.forget(uid);
            self.remove_traces(uid).await?;
        }
        self.client.delete_record(&record.id).await
    }

    /// Claims the pod's uid. This must precede anything that is pinned or mounted for the pod.
    pub(super) fn claim(&self, uid: &str) -> Result<Claim, RuntimeError> {
        self.claims.claim(uid).map_err(|error| {
            RuntimeError::StartFailed(format!("the claim of pod {uid} in the run folder: {error}"))
        })
    }

    /// Removes everything of the pod on this host but its network, which is disconnected before.
    /// The caller holds the pod's lock.
    pub(super) async fn remove_traces(&self, uid: &str) -> Result<(), RuntimeError> {
        let failed = |what: &str, error: io::Error| {
            RuntimeError::Internal(format!("the {what} of pod {uid}: {error}"))
        };
        self.namespaces.remove(uid).map_err(|error| failed("namespaces", error))?;
        self.remove_processes(uid).await?;
        self.files.remove(uid).map_err(|error| failed("files", error))?;
        self.remove_volumes(uid).await?;
        // The claim goes last: while it exists, a later daemon tries again.
        self.claims.release(uid).map_err(|error| failed("claim", error))
    }

    /// Cleans up after a start whose caller stopped waiting, if the pod has no record any more.
    pub(super) async fn remove_if_unrecorded(&self, uid: &str) {
        let _turn = self.pod_turn(uid).await;
        let removed = match self.records_of(uid).await {
            Ok(records) if records.is_empty() && self.claims.has(uid) => {
                match self.disconnect(uid).await {
                    Ok(()) => self.remove_traces(uid).await,
                    failed => failed,
                }
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(uid, %error, "traces of a start that was given up may stay");
        }
    }

    pub(super) async fn remove_processes(&self, uid: &str) -> Result<(), RuntimeError> {
        let (pids, its) = (self.pids.clone(), uid.to_owned());
        let failed = |error: &dyn std::fmt::Display| {
            RuntimeError::Internal(format!("the process namespace of pod {uid}: {error}"))
        };
        let removed = tokio::task::spawn_blocking(move || pids.remove(&its)).await;
        removed.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    pub(super) async fn pod_turn(&self, uid: &str) -> tokio::sync::OwnedMutexGuard<()> {
        // No attempt's id contains a slash.
        self.locks.lock(&format!("pod/{uid}")).await
    }

    pub(super) async fn records_of(&self, uid: &str) -> Result<Vec<Container>, RuntimeError> {
        let filters = vec![format!("labels.{POD_UID:?}=={uid:?}")];
        let request = self.client.request(ListContainersRequest { filters });
        let mut containers = self.client.containers();
        let answer = call("Containers.List", DEADLINE, containers.list(request)).await?;
        Ok(answer.containers.into_iter().filter(is_own).collect())
    }

    pub(super) async fn running_of(&self, uid: &str) -> Result<Option<Process>, RuntimeError> {
        for record in self.records_of(uid).await? {
            if let Some(process) = self.hold_running(&record.id).await? {
                return Ok(Some(process));
            }
        }
        Ok(None)
    }

    /// Opens the task's process. It is certainly the task's, which had this pid before and after.
    async fn hold_running(&self, id: &str) -> Result<Option<Process>, RuntimeError> {
        let Some(pid) = self.pid_of(id).await? else { return Ok(None) };
        let Ok(process) = Process::open(pid) else { return Ok(None) };
        Ok((self.pid_of(id).await? == Some(pid)).then_some(process))
    }

    async fn pid_of(&self, id: &str) -> Result<Option<u32>, RuntimeError> {
        match self.client.get_task(id).await {
            Ok(state) => Ok((state.status() == Status::Running).then_some(state.pid)),
            Err(RuntimeError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
