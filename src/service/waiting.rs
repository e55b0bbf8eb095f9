//! `WaitPod`, and what bounds a wait.

use std::time::Duration;

use tonic::Status;

use super::error::{field, invalid, status_of};
use super::probes::duration;
use super::{Api, convert};
use crate::pb::{self, wait_pod_request::Condition};
use crate::supervisor::{PodView, SupervisorError};

/// The default and the longest time that a call waits.
const WAIT: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_secs(3600);

pub(super) fn bound(timeout: Option<prost_types::Duration>) -> Result<Duration, Status> {
    let timeout = duration("timeout", timeout).map_err(|e| invalid(vec![e]))?.unwrap_or(WAIT);
    if timeout > WAIT_MAX {
        let reason = "Invalid value: must be one hour at most";
        return Err(invalid(vec![field("timeout", reason)]));
    }
    Ok(timeout)
}

pub(super) async fn pod(
    api: &Api,
    request: pb::WaitPodRequest,
) -> Result<pb::WaitPodResponse, Status> {
    let pb::WaitPodRequest { name, condition, timeout } = request;
    let timeout = bound(timeout)?;
    let wait = api.supervisor.clone();
    let waited = match condition {
        Some(Condition::Ready(wanted)) => {
            wait.wait(&name, "ready", timeout, |view| view.status.is_ready() == wanted).await
        }
        Some(Condition::Restarts(count)) => {
            wait.wait(&name, "restarts", timeout, |view| restarts(view) >= u64::from(count)).await
        }
        Some(Condition::Removed(true)) => {
            // Its view ends with it, also where another pod takes the name at once.
            match wait.wait(&name, "removal", timeout, |_| false).await {
                Err(SupervisorError::NotFound(_)) => return Ok(pb::WaitPodResponse::default()),
                other => other,
            }
        }
        Some(Condition::Removed(false)) => {
            return Err(invalid(vec![field("removed", "Invalid value: must be true")]));
        }
        None => return Err(invalid(vec![field("condition", "Required value")])),
    };
    let view = waited.map_err(status_of)?;
    Ok(pb::WaitPodResponse { pod: Some(convert::pod(&api.supervisor, &view)) })
}

fn restarts(view: &PodView) -> u64 {
    view.status.all().map(|status| u64::from(status.restart_count)).sum()
}
