//! The view of a pod as its records describe it, until the runtime has reported its tasks. As a
//! kubelet's pods after its restart, it has the last recorded status: a container that ran is shown as
//! running, and as ready if it was, but without a process ID.

use std::sync::Arc;

use super::panics;
use super::prepared_pod::PreparedPod;
use super::recovery::PodLeftovers;
use super::repair::{self, Sorted};
use crate::domain::Now;
use crate::domain::network::PodNetwork;
use crate::domain::pod::PodView;
use crate::domain::spec::PodSpec;
use crate::node::Found;

/// Returns the view. Its generation is 0, below that of each view by an actor. `network` is the pod's
/// current network.
pub fn of(
    leftovers: &PodLeftovers,
    boot_id: Option<&str>,
    network: impl FnOnce(&PodSpec) -> PodNetwork,
    now: Now,
) -> Option<PodView> {
    let (found, unsound) = leftovers.untasked();
    if found.is_empty() {
        return match repair::sort(found, unsound, now.wall) {
            Sorted::Unsupervised(view, ..) => Some(*view),
            Sorted::Recoverable(_) => None,
        };
    }
    // A record that causes a panic leaves the pod without a view until it is recovered.
    panics::catch_call(|| of_sound(found, boot_id, network, now)).ok().flatten()
}

fn of_sound(
    mut attempts: Vec<Found>,
    boot_id: Option<&str>,
    network: impl FnOnce(&PodSpec) -> PodNetwork,
    now: Now,
) -> Option<PodView> {
    attempts.sort_by_key(|found| found.id.attempt);
    // The pod that another one replaces is shown until nothing is left of it.
    let oldest = attempts.first().map(|oldest| oldest.pod.uid.clone())?;
    attempts.retain(|found| found.pod.uid == oldest);
    let mut prepared = PreparedPod::recorded(attempts, boot_id, now)?;
    prepared.pod.set_network(network(&prepared.spec));
    let status = prepared.pod.status().clone();
    let spec: Arc<PodSpec> = prepared.spec;
    Some(PodView { generation: 0, spec, status, manifest_error: None })
}
