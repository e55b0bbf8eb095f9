//! `GetUsage`: the CPU time and memory of containers.

use std::sync::Arc;

use super::convert;
use super::error::Result;
use crate::evidence::{Usage, usage};
use crate::pb;
use crate::supervisor::{PodView, Supervisor, now};

/// Calls that read the use of resources.
#[derive(Clone)]
pub struct UsageQueries {
    supervisor: Arc<Supervisor>,
}

impl UsageQueries {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    /// The use of one pod, or of all pods if the request names none.
    pub async fn get(&self, request: &pb::GetUsageRequest) -> Result<pb::GetUsageResponse> {
        let views = match request.pod.as_str() {
            "" => {
                let mut views = self.supervisor.list();
                views.retain(|view| convert::is_of_namespace(view, &request.namespace));
                views
            }
            pod => vec![self.supervisor.get(&self.supervisor.find(&request.namespace, pod)?)?],
        };
        let read = move || views.iter().flat_map(of_pod).collect();
        let containers = tokio::task::spawn_blocking(read).await?;
        Ok(pb::GetUsageResponse { containers })
    }
}

fn of_pod(view: &PodView) -> Vec<pb::Usage> {
    let running = view.status.all().filter_map(|status| Some((status, status.pid?)));
    let used = running.filter_map(|(status, pid)| {
        let Usage { cpu, memory } = usage(pid)?;
        Some(pb::Usage {
            namespace: view.spec.key().namespace().to_owned(),
            pod: view.spec.name.clone(),
            container: status.name.clone(),
            attempt: status.attempt.0,
            at: Some(now().wall.into()),
            cpu: prost_types::Duration::try_from(cpu).ok(),
            memory_bytes: memory,
        })
    });
    used.collect()
}
