//! What containers use.

use tonic::{Code, Response, Status};

use super::Api;
use super::error::{refuse, status_of};
use crate::evidence::{Usage, usage};
use crate::pb;
use crate::supervisor::{PodView, now};

pub(super) async fn get(
    api: &Api,
    request: pb::GetUsageRequest,
) -> Result<Response<pb::GetUsageResponse>, Status> {
    let views = match request.pod.as_str() {
        "" => api.supervisor.list(),
        pod => vec![api.supervisor.get(pod).map_err(status_of)?],
    };
    let read = move || views.iter().flat_map(of_pod).collect();
    let containers = tokio::task::spawn_blocking(read).await;
    let containers = containers.map_err(|error| refuse(Code::Internal, error.to_string()))?;
    Ok(Response::new(pb::GetUsageResponse { containers }))
}

fn of_pod(view: &PodView) -> Vec<pb::Usage> {
    let running = view.status.all().filter_map(|status| Some((status, status.pid?)));
    let seen = running.filter_map(|(status, pid)| {
        let Usage { cpu, memory } = usage(pid)?;
        Some(pb::Usage {
            pod: view.spec.name.clone(),
            container: status.name.clone(),
            attempt: status.attempt.0,
            at: Some(now().wall.into()),
            cpu: prost_types::Duration::try_from(cpu).ok(),
            memory_bytes: memory,
        })
    });
    seen.collect()
}
