//! `GetPod`, `ListPods`, `WatchPods` and `WaitPod`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Result, field};
use super::streams::{Sender, Streaming, Streams};
use super::{convert, timeouts};
use crate::domain::pod_key::PodKey;
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

    pub fn get(&self, request: &pb::GetPodRequest) -> Result<pb::Pod> {
        let pod = self.supervisor.find(&request.namespace, &request.name)?;
        Ok(convert::pod(&self.supervisor, &self.supervisor.get(&pod)?))
    }

    pub fn list(&self, request: &pb::ListPodsRequest) -> pb::ListPodsResponse {
        let views = self.supervisor.list();
        let wanted = |view: &&PodView| convert::is_of_namespace(view, &request.namespace);
        let pods =
            views.iter().filter(wanted).map(|view| convert::pod(&self.supervisor, view)).collect();
        pb::ListPodsResponse { pods }
    }

    pub fn watch(&self, request: pb::ListPodsRequest) -> Streaming<pb::Pod> {
        let supervisor = self.supervisor.clone();
        self.streams.open(|sender| async move {
            send_changes(&supervisor, &request.namespace, &sender).await;
        })
    }

    pub async fn wait(&self, request: pb::WaitPodRequest) -> Result<pb::WaitPodResponse> {
        let pb::WaitPodRequest { namespace, name, condition, timeout } = request;
        let pod = self.supervisor.find(&namespace, &name)?;
        let timeout = timeouts::of_wait(timeout)?;
        let supervisor = &self.supervisor;
        let view = match condition {
            Some(Condition::Ready(wanted)) => {
                let ready = |view: &PodView| view.status.is_ready() == wanted;
                supervisor.wait(&pod, "ready", timeout, ready).await?
            }
            Some(Condition::Restarts(count)) => {
                let restarted = |view: &PodView| restarts(view) >= u64::from(count);
                supervisor.wait(&pod, "restarts", timeout, restarted).await?
            }
            Some(Condition::Removed(true)) => {
                // The pod's view ends with the pod, also if another pod gets the name at once.
                match supervisor.wait(&pod, "removal", timeout, |_| false).await {
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
async fn send_changes(supervisor: &Supervisor, namespace: &str, sender: &Sender<pb::Pod>) {
    let mut changes = supervisor.changes();
    type Sent = (u64, Option<String>);
    let mut sent: BTreeMap<(PodKey, String), Sent> = BTreeMap::new();
    loop {
        changes.mark_unchanged();
        let mut views = supervisor.list();
        views.retain(|view| convert::is_of_namespace(view, namespace));
        let mut now = BTreeMap::new();
        for view in &views {
            let key = (view.spec.key(), view.spec.uid.clone());
            let level = (view.generation, view.manifest_error.clone());
            if sent.remove(&key).as_ref() != Some(&level)
                && sender.send(Ok(convert::pod(supervisor, view))).await.is_err()
            {
                return;
            }
            now.insert(key, level);
        }
        for (pod, uid) in std::mem::replace(&mut sent, now).into_keys() {
            let (namespace, name) = (pod.namespace().to_owned(), pod.name().to_owned());
            let deleted = pb::Pod { namespace, name, uid, removed: true, ..pb::Pod::default() };
            if sender.send(Ok(deleted)).await.is_err() {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
