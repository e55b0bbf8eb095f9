//! An actor that panicked is reported, and its pod is recovered from its records. The containers
//! continue to run meanwhile, without probes.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;

use super::clock::now;
use super::repair::{self, Sorted};
use super::{Entry, PodView, Supervisor, SupervisorError, lock};
use crate::domain::adopt::ContainerRef;
use crate::domain::link::retry_after;
use crate::domain::notice::Notice;
use crate::domain::status::{ContainerState, Phase, WaitingReason};
use crate::runtime::{Flaw, Found, FoundTask, Unsound};

const REASON: &str = "SupervisionFailed";

/// The panics in a row of each pod's actor, until the pod is deleted, and whether the pod has no
/// actor now.
#[derive(Debug, Default)]
pub(super) struct Panics(Mutex<BTreeMap<String, Panicked>>);

#[derive(Debug, Default)]
struct Panicked {
    times: u32,
    is_open: bool,
}

impl Panics {
    fn add(&self, pod: &str) -> u32 {
        let mut all = self.lock();
        let panicked = all.entry(pod.to_owned()).or_default();
        panicked.times = panicked.times.saturating_add(1);
        panicked.is_open = true;
        panicked.times
    }

    /// Marks the pod as having an actor again.
    pub(super) fn close(&self, pod: &str) {
        if let Some(panicked) = self.lock().get_mut(pod) {
            panicked.is_open = false;
        }
    }

    pub(super) fn forget(&self, pod: &str) {
        self.lock().remove(pod);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Panicked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` to its end, or to its panic, whose text is the error.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| text(&*panic))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

impl Supervisor {
    /// True if each pod has its actor.
    pub fn supervises_all(&self) -> bool {
        !self.panics.lock().values().any(|panicked| panicked.is_open)
    }

    /// Reports the panic and recovers the pod, after a longer delay each time it panics again.
    pub(super) async fn actor_panicked(&self, name: &str, why: &str) {
        let view = match lock(&self.registry).get(name) {
            Some(Entry::Pod(handle)) => handle.view.borrow().clone(),
            _ => return,
        };
        let mut times = self.panics.add(name);
        tracing::error!(pod = name, why, times, "the supervision of a pod panicked");
        let reason = format!("{REASON}: {why}; its containers run on, it is recovered");
        let message = format!("Internal error, recovered from the records: {why}");
        self.note(&view.spec, Notice::warning(REASON, message));
        self.leave_alone(Box::new(unsupervised(view, &reason)), reason, Flaw::Unclear);
        self.changes.send_modify(|count| *count += 1);
        // The adopter recovers adopted containers itself, each time it lists them.
        while ContainerRef::of_pod(name).is_none() && self.is_left_alone(name) {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(retry_after(times)) => {}
            }
            if let Err(error) = self.recover().await {
                tracing::warn!(pod = name, %error, "not recovered yet");
            }
            times = times.saturating_add(1);
        }
    }

    fn is_left_alone(&self, name: &str) -> bool {
        matches!(lock(&self.registry).get(name), Some(Entry::LeftAlone(..)))
    }

    /// Starts the actor of a pod. If its record causes a panic, the pod is left alone and the other
    /// pods are still recovered.
    pub(super) fn resume(&self, attempts: Vec<Found>) -> bool {
        let newest = attempts.last().map(|found| (found.id.clone(), found.pod.uid.clone()));
        let resumed = catch_unwind(AssertUnwindSafe(|| self.resume_with_successor(attempts)));
        let (Err(panic), Some((id, pod_uid))) = (&resumed, newest) else { return resumed.is_ok() };
        let reason = format!("internal error: {}", text(&**panic));
        let (image, flaw, task) = (String::new(), Flaw::Unclear, FoundTask::None);
        let unsound = Unsound { id, pod_uid, image, flaw, reason, task };
        if let Sorted::LeftAlone(view, reason, flaw) =
            repair::sort_out(Vec::new(), vec![unsound], now().wall)
        {
            self.leave_alone(view, reason, flaw);
        }
        false
    }

    /// Returns why a pod's view ended: the pod is gone, or its actor is.
    pub(super) fn view_ended(&self, name: &str) -> SupervisorError {
        match self.with(name, |handle| handle.requests.is_closed()) {
            Ok(true) => SupervisorError::Busy(name.to_owned()),
            Ok(false) => SupervisorError::NotFound(name.to_owned()),
            Err(error) => error,
        }
    }
}

/// Returns the view as it was, with the phase and the containers marked as unknown.
fn unsupervised(mut view: PodView, reason: &str) -> PodView {
    let status = &mut view.status;
    status.phase = Phase::Unknown;
    for container in status.init_containers.iter_mut().chain(&mut status.containers) {
        let message = reason.to_owned();
        container.state =
            ContainerState::Waiting { reason: WaitingReason::Unsupervised(REASON), message };
        container.ready = false;
    }
    view
}
