//! Runs actions concurrently with the actor. Every result, errors included, is returned to it.
//!
//! [`Effects`] runs them; what they do is in one type for each role.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use crate::domain::Incarnation;
use crate::domain::container::{Event, Fault, InstanceEvent, Memory};
use crate::domain::exit::{Ending, ExitEvidence};
use crate::domain::spec::PodSpec;
use crate::evidence::Sample;
use crate::node::{AttemptId, CallError, NodeError, StartRequest, Task};

mod evidence_effects;
mod image_effects;
mod network_effects;
mod probe_effects;
mod record_effects;
mod task_effects;

pub use evidence_effects::EvidenceEffects;
pub use image_effects::ImageEffects;
pub use network_effects::NetworkEffects;
pub use probe_effects::ProbeEffects;
pub use record_effects::RecordEffects;
pub use task_effects::TaskEffects;

/// The result of an effect. The index is the container's position in the pod.
pub enum EffectResult {
    Event(usize, Event),
    Started(usize, Incarnation, Arc<dyn Task>),
    OomKilled(usize, Incarnation, u64),
    Ended(usize, Incarnation, Ending, ExitEvidence),
    /// A sample of an instance's threads, for a later capture.
    Sampled(usize, Incarnation, Sample),
    /// The result of a write of the record.
    Written(usize, Incarnation, Result<(), NodeError>),
    /// A write of the pending record is over.
    PendingSaved(usize),
    /// A failed write is due for a retry.
    WriteDue(usize),
    Restored(usize, Incarnation),
    TaskDeleted(usize, Incarnation),
    NetworkBroken(String),
    /// The result of connecting the network again, with the number of failures before it.
    Reconnected(u32, Result<(), String>),
    Nothing,
}

/// The running effects of a pod. All but the probes over sockets run on `runtime`, so that none of
/// them keeps the thread of the pods busy.
pub struct Effects {
    spec: Arc<PodSpec>,
    running: JoinSet<EffectResult>,
    runtime: Handle,
}

impl Effects {
    pub fn new(spec: Arc<PodSpec>, runtime: Handle) -> Self {
        Self { spec, running: JoinSet::new(), runtime }
    }

    pub fn spec(&self) -> &Arc<PodSpec> {
        &self.spec
    }

    /// Sets the spec of effects that start from now on.
    pub fn set_spec(&mut self, spec: Arc<PodSpec>) {
        self.spec = spec;
    }

    pub fn id(&self, index: usize, attempt: Incarnation) -> AttemptId {
        let container = self.spec.at(index).map(|c| c.name.clone()).unwrap_or_default();
        AttemptId::of(&self.spec, container, attempt)
    }

    fn start_request(&self, index: usize, attempt: Incarnation, memory: Memory) -> StartRequest {
        StartRequest { id: self.id(index, attempt), pod: self.spec.clone(), index, memory }
    }

    /// Returns the next result; pends while no effect runs.
    pub async fn next(&mut self) -> EffectResult {
        loop {
            match self.running.join_next().await {
                Some(Ok(result)) => return result,
                // The actor would wait forever for an effect that panicked, so it panics too.
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                    // The effect was a pull that was aborted because nothing waits for it.
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Runs an effect in a span that names it, its container and the attempt.
    fn spawn(
        &mut self,
        effect: &'static str,
        index: usize,
        attempt: Option<Incarnation>,
        work: impl Future<Output = EffectResult> + Send + 'static,
    ) -> AbortHandle {
        let container = self.spec.at(index).map_or("", |container| container.name.as_str());
        let attempt = attempt.map(|attempt| attempt.0);
        let span = tracing::info_span!("effect", effect, container, attempt);
        self.running.spawn_on(work.instrument(span), &self.runtime)
    }

    /// Runs an effect of the pod as a whole.
    fn spawn_for_pod(
        &mut self,
        effect: &'static str,
        work: impl Future<Output = EffectResult> + Send + 'static,
    ) {
        let work = work.instrument(tracing::info_span!("effect", effect));
        self.running.spawn_on(work, &self.runtime);
    }

    /// Runs a probe in the pod's span, without one of its own, whose fields would be formatted for
    /// each of the hundreds of probes in a second. One over a socket runs on the actor's thread,
    /// which spares the change of threads.
    fn spawn_probe(
        &mut self,
        is_command: bool,
        work: impl Future<Output = EffectResult> + Send + 'static,
    ) {
        let work = work.in_current_span();
        if is_command {
            self.running.spawn_on(work, &self.runtime);
        } else {
            self.running.spawn(work);
        }
    }
}

fn failed(incarnation: Incarnation, error: &NodeError) -> Event {
    InstanceEvent::Failed { fault: fault_of(error), message: error.to_string() }.of(incarnation)
}

/// Classifies the error of a start. A failure of containerd is no failed attempt of the container.
fn fault_of(error: &NodeError) -> Fault {
    match error {
        // A refusal of the container itself is `StartFailed`.
        NodeError::Call(CallError::NoImage(_)) => Fault::Image,
        NodeError::Call(CallError::NotFound(_) | CallError::BadImage(_)) => Fault::Container,
        NodeError::Call(_) | NodeError::Internal(_) => Fault::Runtime,
        NodeError::Config(_) => Fault::Config,
        NodeError::Network(_) => Fault::Network,
        NodeError::Invalid { .. } | NodeError::InUse(_) | NodeError::StartFailed(_) => {
            Fault::Container
        }
    }
}
