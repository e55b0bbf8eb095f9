//! The namespaces of a pod of several containers: pinned before the first of them starts, gone
//! with the last record of the pod.

use containerd_client::services::v1::{Container, ListContainersRequest};
use containerd_client::types::v1::Status;

use super::Containerd;
use super::client::{DEADLINE, call};
use super::records::POD_UID;
use crate::domain::spec::PodSpec;
use crate::process::Process;
use crate::runtime::RuntimeError;

impl Containerd {
    /// They are there when this returns: those that a running container of the pod is in, else
    /// new ones.
    pub(super) async fn pin_namespaces(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        if !pod.is_several() || self.namespaces.are_pinned(&pod.uid) {
            return Ok(());
        }
        let _turn = self.pod_turn(&pod.uid).await;
        if self.namespaces.are_pinned(&pod.uid) {
            return Ok(());
        }
        let running = self.running_of(&pod.uid).await?;
        let (namespaces, uid) = (self.namespaces.clone(), pod.uid.clone());
        let pinned = tokio::task::spawn_blocking(move || match running {
            Some(process) => namespaces.find_again(&uid, process.pidfd()),
            None => namespaces.make(&uid),
        });
        let failed = |error: &dyn std::fmt::Display| {
            RuntimeError::StartFailed(format!("the pod's namespaces: {error}"))
        };
        pinned.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// The record goes last: while it is there, the next try knows of the pins.
    pub(super) async fn delete_record_and_pins(
        &self,
        record: &Container,
    ) -> Result<(), RuntimeError> {
        let uid = record.labels.get(POD_UID).map(String::as_str).unwrap_or_default();
        if uid.is_empty() || !self.namespaces.have_traces(uid) {
            return self.client.delete_record(&record.id).await;
        }
        let _turn = self.pod_turn(uid).await;
        if self.records_of(uid).await?.iter().all(|other| other.id == record.id) {
            self.namespaces.remove(uid).map_err(|error| {
                RuntimeError::Internal(format!("the namespaces of pod {uid}: {error}"))
            })?;
        }
        self.client.delete_record(&record.id).await
    }

    async fn pod_turn(&self, uid: &str) -> tokio::sync::OwnedMutexGuard<()> {
        // No attempt's id has a slash.
        self.locks.lock(&format!("pod/{uid}")).await
    }

    async fn records_of(&self, uid: &str) -> Result<Vec<Container>, RuntimeError> {
        let filters = vec![format!("labels.{POD_UID:?}=={uid:?}")];
        let request = self.client.request(ListContainersRequest { filters });
        let mut containers = self.client.containers();
        let answer = call("Containers.List", DEADLINE, containers.list(request)).await?;
        Ok(answer.containers)
    }

    async fn running_of(&self, uid: &str) -> Result<Option<Process>, RuntimeError> {
        for record in self.records_of(uid).await? {
            if let Some(process) = self.hold_running(&record.id).await? {
                return Ok(Some(process));
            }
        }
        Ok(None)
    }

    /// Surely its own process: it had that pid before and after the pidfd was opened.
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

/// What the machine is called; empty where the kernel does not tell.
pub(super) fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
