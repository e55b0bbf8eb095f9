//! `GetPod`, `ListPods`, `WatchPods` and `WaitPod`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Result, field};
use super::streams::{Sender, Streaming, Streams};
use super::{convert, timeouts};
use crate::pb::{self, wait_pod_request::Condition};
use crate::supervisor::{PodView, Supervisor, SupervisorError};

/// Calls that read pods.
#[derive(Clone)]
pub struct PodQueries {
    supervisor: Arc<Supervisor>,
    streams: Streams,
}

impl PodQueries {
    pub fn new(supervisor: Arc<Supervisor>, streams: Streams) -> Self {
        Self { supervisor, streams }
    }

    pub fn get(&self, name: &str) -> Result<pb::Pod> {
        Ok(convert::pod(&self.supervisor, &self.supervisor.get(name)?))
    }

    pub fn list(&self) -> pb::ListPodsResponse {
        let views = self.supervisor.list();
        let pods = views.iter().map(|view| convert::pod(&self.supervisor, view)).collect();
        pb::ListPodsResponse { pods }
    }

    pub fn watch(&self) -> Streaming<pb::Pod> {
        let supervisor = self.supervisor.clone();
        self.streams.open(|sender| async move { send_changes(&supervisor, &sender).await })
    }

    pub async fn wait(&self, request: pb::WaitPodRequest) -> Result<pb::WaitPodResponse> {
        let pb::WaitPodRequest { name, condition, timeout } = request;
        let timeout = timeouts::of_wait(timeout)?;
        let supervisor = &self.supervisor;
        let view = match condition {
            Some(Condition::Ready(wanted)) => {
                let ready = |view: &PodView| view.status.is_ready() == wanted;
                supervisor.wait(&name, "ready", timeout, ready).await?
            }
            Some(Condition::Restarts(count)) => {
                let restarted = |view: &PodView| restarts(view) >= u64::from(count);
                supervisor.wait(&name, "restarts", timeout, restarted).await?
            }
            Some(Condition::Removed(true)) => {
                // The pod's view ends with the pod, also if another pod gets the name at once.
                match supervisor.wait(&name, "removal", timeout, |_| false).await {
                    Err(SupervisorError::NotFound(_)) => return Ok(pb::WaitPodResponse::default()),
                    other => other?,
                }
            }
            Some(Condition::Removed(false)) => {
                return Err(field("removed", "Invalid value: must be true").into());
            }
            None => return Err(field("condition", "Required value").into()),
        };
        Ok(pb::WaitPodResponse { pod: Some(convert::pod(supervisor, &view)) })
    }
}

fn restarts(view: &PodView) -> u64 {
    view.status.all().map(|status| u64::from(status.restart_count)).sum()
}

/// Sends each pod whose generation has changed. All changes between two reads are one message.
async fn send_changes(supervisor: &Supervisor, sender: &Sender<pb::Pod>) {
    let mut changes = supervisor.changes();
    type Sent = (u64, Option<String>);
    let mut sent: BTreeMap<(String, String), Sent> = BTreeMap::new();
    loop {
        changes.mark_unchanged();
        let views = supervisor.list();
        let mut now = BTreeMap::new();
        for view in &views {
            let key = (view.spec.name.clone(), view.spec.uid.clone());
            let level = (view.generation, view.manifest_error.clone());
            if sent.remove(&key).as_ref() != Some(&level)
                && sender.send(Ok(convert::pod(supervisor, view))).await.is_err()
            {
                return;
            }
            now.insert(key, level);
        }
        for (name, uid) in std::mem::replace(&mut sent, now).into_keys() {
            let deleted = pb::Pod { name, uid, removed: true, ..pb::Pod::default() };
            if sender.send(Ok(deleted)).await.is_err() {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
