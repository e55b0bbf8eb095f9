//! What callers send to the actor of a pod.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::domain::container::{Event, Observation, Wanted};
use crate::domain::exit::Caller;
use crate::domain::spec::{PodSpec, ProbeKind};
use crate::node::Task;
use crate::prober::Attempt;

/// The state that callers want; the newest one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub wanted: Wanted,
    pub grace: Option<Duration>,
    pub by: Option<Caller>,
}

/// The observations of a pod's containers, by container.
pub type Observations = BTreeMap<String, Observation>;

/// A request to an actor beside the wanted state. The index is the container's position in the pod.
pub enum Request {
    Event(usize, Event),
    /// An event, with the caller that asks for it.
    CallerEvent(usize, Option<Caller>, Event),
    /// Runs a probe once. Without a process the reply is dropped.
    RunProbe(usize, ProbeKind, oneshot::Sender<Attempt>),
    /// Returns the container's task. Without a process the reply is dropped.
    GetTask(usize, oneshot::Sender<Arc<dyn Task>>),
    /// What the runtime has of each container, from a reconciliation that began at that instant.
    Observed(Instant, Arc<Observations>),
    /// Replies at once, which shows that the actor handles requests.
    Pulse(oneshot::Sender<()>),
    /// The runtime answers again.
    RuntimeBack,
    /// The changed spec of a live pod, with the same containers.
    ChangeSpec(Arc<PodSpec>),
}
