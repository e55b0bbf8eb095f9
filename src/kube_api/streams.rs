//! Requests that become streams in both directions: exec and port-forward. The tasks that serve them
//! belong to this type.

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use probelet_kube_wire::channels::Protocol;
use probelet_kube_wire::options::{CommandOptions, forwarded_ports};
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Body;
use super::commands::{Exec, attach_is_not_served};
use super::identity::Identity;
use super::port_forward::PortForward;
use super::websocket::Handshake;
use crate::domain::pod_key::PodKey;
use crate::supervisor::Supervisor;

/// Streams that may be open at once.
const STREAMS: usize = 64;

#[derive(Clone)]
pub struct Streams {
    supervisor: Arc<Supervisor>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Streams {
    /// `cancel` ends all streams.
    pub fn new(supervisor: Arc<Supervisor>, cancel: CancellationToken) -> Self {
        let (slots, tasks) = (Arc::new(Semaphore::new(STREAMS)), TaskTracker::new());
        Self { supervisor, slots, tasks, cancel }
    }

    /// Answers a request for `exec`, `attach` or `portforward` of a pod with the beginning of a
    /// WebSocket.
    pub async fn open(
        &self,
        request: &ResourceRequest,
        query: &Query,
        head: &mut Parts,
        user: Identity,
    ) -> Result<Response<Body>, Status> {
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let pod = PodKey::named(namespace, request.name.as_deref().unwrap_or_default());
        match request.subresource.as_deref() {
            Some("exec") => {
                let options = CommandOptions::exec(query)?;
                let (handshake, upgrade, slot) = self.begin(head)?;
                let (protocol, name) = Protocol::negotiate(handshake.offered())?;
                let (supervisor, cancel) = (self.supervisor.clone(), self.cancel.clone());
                let exec = Exec { supervisor, identity: user, pod, options, protocol, cancel };
                let response = handshake.response(name)?;
                self.run(exec.serve(upgrade), slot);
                Ok(response)
            }
            Some("portforward") => {
                let ports = forwarded_ports(query)?;
                let (handshake, upgrade, slot) = self.begin(head)?;
                let (protocol, name) = Protocol::negotiate(handshake.offered())?;
                let response = handshake.response(name)?;
                let (wanted, cancel) = ((protocol, ports), self.cancel.clone());
                let forward = PortForward::open(&self.supervisor, user, &pod, wanted, cancel);
                self.run(forward.await?.serve(upgrade), slot);
                Ok(response)
            }
            _ => Err(attach_is_not_served()),
        }
    }

    fn begin(
        &self,
        head: &mut Parts,
    ) -> Result<(Handshake, OnUpgrade, OwnedSemaphorePermit), Status> {
        let handshake = Handshake::read(head)?;
        let slot = self.slots.clone().try_acquire_owned();
        let slot = slot.map_err(|_| Status::too_many_requests("too many streams", 1))?;
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or_else(|| Status::bad_request("Upgrade request required"))?;
        Ok((handshake, upgrade, slot))
    }

    fn run(&self, stream: impl Future<Output = ()> + Send + 'static, slot: OwnedSemaphorePermit) {
        self.tasks.spawn(async move {
            stream.await;
            drop(slot);
        });
    }

    /// Waits for the ends of all streams after `cancel`.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
