//! Panics of actors. A panic is reported, and the pod is recovered from its records while its
//! containers continue to run without probes.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use super::lock::Lock;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::status::{ContainerState, Phase, WaitingReason};

/// The reason of the event and of the containers' state: a fault of probelet ended the supervision of the
/// pod, which begins anew.
pub const REASON: &str = "SupervisionFailed";

/// The panics in a row of each pod's actor, until the pod is deleted, and whether the pod has no
/// actor now.
#[derive(Debug, Default)]
pub struct Panics(Lock<BTreeMap<PodKey, Panicked>>);

#[derive(Debug, Default)]
struct Panicked {
    times: u32,
    has_no_actor: bool,
}

impl Panics {
    /// Counts a panic. Returns the number in a row.
    pub fn add(&self, pod: &PodKey) -> u32 {
        let mut all = self.0.lock();
        let panicked = all.entry(pod.to_owned()).or_default();
        panicked.times = panicked.times.saturating_add(1);
        panicked.has_no_actor = true;
        panicked.times
    }

    /// Marks the pod as having an actor again.
    pub fn actor_started(&self, pod: &PodKey) {
        if let Some(panicked) = self.0.lock().get_mut(pod) {
            panicked.has_no_actor = false;
        }
    }

    /// Deletes the count of a pod.
    pub fn forget(&self, pod: &PodKey) {
        self.0.lock().remove(pod);
    }

    /// True if each pod has its actor.
    pub fn all_have_actors(&self) -> bool {
        !self.0.lock().values().any(|panicked| panicked.has_no_actor)
    }
}

/// Runs `work` to its end, or to its panic, whose text is the error.
pub async fn catch<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| text(&*panic))
}

/// Calls `work`. The text of a panic is the error.
pub fn catch_call<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| text(&*panic))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Returns the view as it was, with the phase and the containers marked as unknown.
pub fn unsupervised(mut view: PodView, reason: &str) -> PodView {
    let status = Arc::make_mut(&mut view.status);
    status.phase = Phase::Unknown;
    for container in status.init_containers.iter_mut().chain(&mut status.containers) {
        let message = reason.to_owned();
        container.state =
            ContainerState::Waiting { reason: WaitingReason::Unsupervised(REASON), message };
        container.ready = false;
    }
    view
}
