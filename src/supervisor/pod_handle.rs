//! The registry's end of the channels to the actor of a pod, and the actor's end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::actor_request::{Desired, Request};
use super::error::SupervisorError;
use super::successor::Successor;
use crate::domain::container::Wanted;
use crate::domain::exit::Caller;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ContainerSpec, PodSpec};
use crate::node::StartRequest;

/// The number of restarts and kills of one pod that may wait for its actor.
const REQUESTS: usize = 16;
/// The deadline for an actor to end. It awaits nothing.
const END: Duration = Duration::from_secs(5);

/// A pod with an actor, as the registry has it.
pub struct PodHandle {
    view: watch::Receiver<PodView>,
    desired: watch::Sender<Desired>,
    requests: mpsc::Sender<Request>,
    /// The pod that replaces this one once nothing is left of it.
    successor: Option<Box<Successor>>,
    /// Ends the pod's actor and leaves the containers running.
    cancel: CancellationToken,
}

/// The actor's end of the channels.
pub struct ActorChannels {
    pub view: watch::Sender<PodView>,
    pub desired: watch::Receiver<Desired>,
    pub requests: mpsc::Receiver<Request>,
    pub cancel: CancellationToken,
}

impl PodHandle {
    pub fn new(
        view: PodView,
        wanted: Wanted,
        successor: Option<Successor>,
        cancel: CancellationToken,
    ) -> (Self, ActorChannels) {
        let (view_in, view) = watch::channel(view);
        let desired = Desired { wanted, grace: None, by: None };
        let (desired, desired_out) = watch::channel(desired);
        let (requests, requests_out) = mpsc::channel(REQUESTS);
        let channels = ActorChannels {
            view: view_in,
            desired: desired_out,
            requests: requests_out,
            cancel: cancel.clone(),
        };
        let successor = successor.map(Box::new);
        (Self { view, desired, requests, successor, cancel }, channels)
    }

    pub fn view(&self) -> PodView {
        self.view.borrow().clone()
    }

    /// Returns a receiver of each new view. It closes when the actor ends.
    pub fn watch_view(&self) -> watch::Receiver<PodView> {
        self.view.clone()
    }

    pub fn spec(&self) -> Arc<PodSpec> {
        self.view.borrow().spec.clone()
    }

    pub fn is_being_deleted(&self) -> bool {
        self.view.borrow().status.deletion.is_some()
    }

    /// Returns an error if the pod's active deadline has passed or it was evicted: it starts
    /// nothing any more.
    pub fn check_not_expired(&self, pod: &PodKey) -> Result<(), SupervisorError> {
        match &self.view.borrow().status.expired {
            Some(why) => Err(SupervisorError::Expired(pod.to_owned(), why.reason())),
            None => Ok(()),
        }
    }

    /// Returns the position of a container. `pod` is the name that the caller gave.
    pub fn index(&self, pod: &PodKey, container: &str) -> Result<usize, SupervisorError> {
        index_in(&self.spec(), pod, container)
    }

    /// Sends a request. Returns an error if too many are waiting.
    pub fn send(&self, pod: &PodKey, request: Request) -> Result<(), SupervisorError> {
        self.requests.try_send(request).map_err(|_| SupervisorError::Busy(pod.to_owned()))
    }

    /// Sends a request that is dropped if too many are waiting.
    pub fn offer(&self, request: Request) {
        let _ = self.requests.try_send(request);
    }

    /// Returns a future that completes when the actor has handled a request, or has ended.
    pub fn pulse(&self) -> impl Future<Output = ()> + use<> {
        let requests = self.requests.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            if requests.send(Request::Pulse(reply)).await.is_ok() {
                // An error means that the actor has ended.
                let _ = answer.await;
            }
        }
    }

    pub fn wanted(&self) -> Wanted {
        self.desired.borrow().wanted
    }

    /// Sets the wanted state. Removal is final.
    pub fn set_desired(&self, desired: Desired) {
        self.desired.send_modify(|current| {
            if current.wanted != Wanted::Removed || desired.wanted == Wanted::Removed {
                *current = desired;
            }
        });
    }

    /// Removes the pod for a successor.
    pub fn replace(&mut self, successor: Successor, by: Option<Caller>) {
        self.successor = Some(Box::new(successor));
        self.desired.send_replace(Desired { wanted: Wanted::Removed, grace: None, by });
    }

    pub fn successor_spec(&self) -> Option<Arc<PodSpec>> {
        self.successor.as_ref().map(|successor| successor.spec().clone())
    }

    pub fn take_successor(&mut self) -> Option<Successor> {
        self.successor.take().map(|successor| *successor)
    }

    /// Abandons the successor of a pod that is deleted. Returns the record to which that has to be written.
    pub fn abandon_successor(&mut self) -> Option<StartRequest> {
        self.successor.as_mut().and_then(|successor| successor.abandon())
    }

    /// True if the actor runs.
    pub fn has_actor(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Ends the actor, leaves the containers as they are, and returns the pod's last spec. The actor
    /// writes nothing after this.
    pub async fn end(self) -> Arc<PodSpec> {
        self.cancel.cancel();
        let mut view = self.view.clone();
        let ended = async { while view.changed().await.is_ok() {} };
        if tokio::time::timeout(END, ended).await.is_err() {
            tracing::warn!(pod = self.spec().name, "the pod's actor does not end");
        }
        self.spec()
    }
}

/// Returns the position of a container of the spec. `pod` is the name that the caller gave.
pub fn index_in(spec: &PodSpec, pod: &PodKey, container: &str) -> Result<usize, SupervisorError> {
    let name = named(spec, container)?;
    spec.place_of(name).ok_or_else(|| SupervisorError::NoContainer {
        pod: pod.to_owned(),
        container: container.to_owned(),
    })
}

/// Returns the container that a request names. An empty name means the only regular container.
pub fn named<'a>(spec: &'a PodSpec, container: &'a str) -> Result<&'a str, SupervisorError> {
    match (container, spec.containers.as_slice()) {
        ("", [only]) => Ok(&only.name),
        // A pod that only the manifest directory knows does not exist yet.
        (_, []) => Err(SupervisorError::NotFound(spec.key())),
        ("", _) => {
            let names = |containers: &[ContainerSpec]| -> String {
                containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" ")
            };
            let mut choice = format!("[{}]", names(&spec.containers));
            if !spec.init_containers.is_empty() {
                let init = names(&spec.init_containers);
                choice.push_str(&format!(" or one of the init containers: [{init}]"));
            }
            Err(SupervisorError::Ambiguous { pod: spec.key(), choice })
        }
        (name, _) => Ok(name),
    }
}
