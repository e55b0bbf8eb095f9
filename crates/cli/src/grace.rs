//! Grace periods, and the deadlines of stops.

use std::time::Duration;

use super::connect::{Client, UNARY, call, deadline_for};
use super::error::Result;
use super::objects;
use super::targets::PodRef;
use probelet_api::pb;

const DEFAULT: Duration = Duration::from_secs(30);

/// The deadline of a stop. Without a grace period on the command line the pod is read, because its own
/// grace period decides.
pub async fn deadline(client: &Client, pod: &PodRef, given: Option<Duration>) -> Result<Duration> {
    let grace = match given {
        Some(grace) => grace,
        None => {
            let request =
                pb::GetPodRequest { namespace: pod.namespace.clone(), name: pod.name.clone() };
            let mut pods = client.pods();
            let pod = objects::pod(&call(request, UNARY, |r| pods.get_pod(r)).await?)?;
            let seconds = pod.spec.and_then(|s| s.termination_grace_period_seconds);
            seconds.and_then(|s| u64::try_from(s).ok()).map_or(DEFAULT, Duration::from_secs)
        }
    };
    Ok(deadline_for(grace))
}

pub fn message(grace: Option<Duration>) -> Option<prost_types::Duration> {
    grace.and_then(|grace| prost_types::Duration::try_from(grace).ok())
}
