//! Requests that become streams in both directions: exec, attach and port-forward, over a WebSocket
//! or SPDY; and logs and watches over a WebSocket. The tasks that serve them belong to this type.

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use probelet_kube_wire::channels::{PortForwardFramer, Protocol};
use probelet_kube_wire::options::{CommandOptions, forwarded_ports};
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::spdy::{CommandVersion, port_forward_protocol};
use probelet_kube_wire::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Body;
use super::commands::{Command, Source};
use super::errors::of_supervisor;
use super::exchange::Until;
use super::identity::Identity;
use super::one_way;
use super::port_forward::PortForward;
use super::sources::{Attach, Exec, check_attach};
use super::websocket::{self, Handshake};
use super::{channels, spdy};
use crate::domain::pod_key::PodKey;
use crate::service::Logs;
use crate::supervisor::Supervisor;

/// Commands and port-forwards that may be open at once.
const STREAMS: usize = 64;
/// Logs and watches over WebSockets that may be open at once, beside them.
const ONE_WAY: usize = 256;
/// The subprotocol of a WebSocket that has SPDY inside.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

#[derive(Clone)]
pub struct Streams {
    supervisor: Arc<Supervisor>,
    logs: Logs,
    slots: Arc<Semaphore>,
    one_way_slots: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// What the connection becomes.
enum Upgrade {
    WebSocket(Handshake),
    Spdy(spdy::Handshake),
}

impl Upgrade {
    fn read(head: &Parts) -> Result<Self, Status> {
        Ok(match spdy::Handshake::read(head)? {
            Some(handshake) => Self::Spdy(handshake),
            None => Self::WebSocket(Handshake::read(head)?),
        })
    }
}

impl Streams {
    /// `cancel` ends all streams.
    pub fn new(supervisor: Arc<Supervisor>, logs: Logs, cancel: CancellationToken) -> Self {
        let slots = |number| Arc::new(Semaphore::new(number));
        let (slots, one_way_slots) = (slots(STREAMS), slots(ONE_WAY));
        Self { supervisor, logs, slots, one_way_slots, tasks: TaskTracker::new(), cancel }
    }

    /// Answers a request for `exec`, `attach` or `portforward` of a pod with the beginning of the
    /// stream.
    pub async fn open(
        &self,
        request: &ResourceRequest,
        query: &Query,
        head: &mut Parts,
        user: Identity,
    ) -> Result<Response<Body>, Status> {
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let pod = PodKey::named(namespace, request.name.as_deref().unwrap_or_default());
        // Behind the answer 101 a client library does not see a status as the error of its call.
        self.supervisor.get(&pod).map_err(|error| of_supervisor(pod.name(), error))?;
        let recovered = self.supervisor.recovered(&pod).await;
        recovered.map_err(|error| of_supervisor(pod.name(), error))?;
        let view = self.supervisor.get(&pod).map_err(|error| of_supervisor(pod.name(), error))?;
        let until = Until { identity: user, cancel: self.cancel.clone() };
        let (source, options): (Box<dyn Source>, _) = match request.subresource.as_deref() {
            Some("portforward") => return self.port_forward(query, head, pod, until).await,
            Some("exec") => {
                let supervisor = self.supervisor.clone();
                (Box::new(Exec { supervisor, pod }), CommandOptions::exec(query)?)
            }
            _ => {
                let options = CommandOptions::attach(query)?;
                let spec = match options.container.as_deref() {
                    Some(name) => view.spec.all().find(|spec| spec.name == name),
                    None => view.spec.containers.first(),
                };
                check_attach(&options, spec.map(|spec| spec.streams).unwrap_or_default())?;
                (Box::new(Attach { logs: self.logs.clone(), pod }), options)
            }
        };
        self.command(head, Command { source, options, until })
    }

    fn command(&self, head: &mut Parts, command: Command) -> Result<Response<Body>, Status> {
        match Upgrade::read(head)? {
            Upgrade::WebSocket(handshake) => {
                let (protocol, name) = Protocol::negotiate(handshake.offered())?;
                let response = handshake.response(name)?;
                self.run(head, &self.slots, async move |stream| {
                    channels::serve_command(stream, protocol, &command).await;
                })?;
                Ok(response)
            }
            Upgrade::Spdy(handshake) => {
                let (version, name) = match CommandVersion::negotiate(handshake.offered()) {
                    Ok(chosen) => chosen,
                    Err(served) => return Ok(spdy::not_offered(&served)),
                };
                self.run(head, &self.slots, async move |stream| {
                    spdy::serve_command(tokio::io::split(stream), version, &command).await;
                })?;
                Ok(spdy::Handshake::response(name))
            }
        }
    }

    async fn port_forward(
        &self,
        query: &Query,
        head: &mut Parts,
        pod: PodKey,
        until: Until,
    ) -> Result<Response<Body>, Status> {
        let ports = forwarded_ports(query)?;
        let upgrade = Upgrade::read(head)?;
        let open = PortForward::open(self.supervisor.clone(), pod, until);
        match upgrade {
            Upgrade::WebSocket(handshake) if handshake.offers(TUNNEL) => {
                let (response, forward) = (handshake.response(Some(TUNNEL))?, open.await?);
                self.run(head, &self.slots, async move |stream| {
                    let halves = websocket::tunnel(stream).await;
                    spdy::serve_port_forward(halves, &forward).await;
                })?;
                Ok(response)
            }
            Upgrade::WebSocket(handshake) => {
                let (protocol, name) = Protocol::negotiate(handshake.offered())?;
                if ports.is_empty() {
                    return Err(Status::bad_request("query parameter \"ports\" is required"));
                }
                let (response, forward) = (handshake.response(name)?, open.await?);
                let framer = PortForwardFramer::new(protocol, ports);
                self.run(head, &self.slots, async move |stream| {
                    channels::serve_port_forward(stream, &framer, &forward).await;
                })?;
                Ok(response)
            }
            Upgrade::Spdy(handshake) => {
                let name = match port_forward_protocol(handshake.offered()) {
                    Ok(name) => name,
                    Err(served) => return Ok(spdy::not_offered(&served)),
                };
                let forward = open.await?;
                self.run(head, &self.slots, async move |stream| {
                    spdy::serve_port_forward(tokio::io::split(stream), &forward).await;
                })?;
                Ok(spdy::Handshake::response(name))
            }
        }
    }

    /// Answers with the parts of `response` as messages of a WebSocket, if the request asks for one.
    pub fn one_way(
        &self,
        head: &mut Parts,
        kind: one_way::Kind,
        response: Response<Body>,
        user: Identity,
    ) -> Result<Response<Body>, Status> {
        if !response.status().is_success() || !websocket::is_requested(head) {
            return Ok(response);
        }
        let handshake = Handshake::read(head)?;
        let (protocol, name) = kind.negotiate(handshake.offered())?;
        let answer = handshake.response(name.as_deref())?;
        let until = Until { identity: user, cancel: self.cancel.clone() };
        self.run(head, &self.one_way_slots, async move |stream| {
            one_way::serve(stream, protocol, response.into_body(), &until).await;
        })?;
        Ok(answer)
    }

    /// Serves the connection behind the answer 101, which has one of the slots.
    fn run<F: Future<Output = ()> + Send + 'static>(
        &self,
        head: &mut Parts,
        slots: &Arc<Semaphore>,
        serve: impl FnOnce(websocket::Connection) -> F + Send + 'static,
    ) -> Result<(), Status> {
        let slot = slots.clone().try_acquire_owned();
        let slot: OwnedSemaphorePermit =
            slot.map_err(|_| Status::too_many_requests("too many streams", 1))?;
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or_else(|| Status::bad_request("Upgrade request required"))?;
        self.tasks.spawn(async move {
            if let Some(stream) = websocket::upgraded(upgrade).await {
                serve(stream).await;
            }
            drop(slot);
        });
        Ok(())
    }

    /// Waits for the ends of all streams after `cancel`.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
