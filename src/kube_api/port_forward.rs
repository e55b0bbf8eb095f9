//! Port-forward by `?ports=` over the channels of a WebSocket, as the clients in Python, Node, Java
//! and Rust use it. Each port is one TCP connection to the pod's loopback, opened in its network
//! namespace.
//!
//! [`PortForward::open`] finds a running container before the answer 101, and
//! [`PortForward::serve`] runs behind it. A port that cannot be reached has a text on its error
//! channel. The WebSocket is closed when no port has a connection any more.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use probelet_kube_wire::channels::{ForwardMessage, PortForwardFramer, Protocol};
use probelet_kube_wire::status::Status;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::commands::of_supervisor;
use super::identity::Identity;
use super::websocket::{self, Receiver, Sender};
use crate::domain::exit::Operator;
use crate::domain::pod_key::PodKey;
use crate::node::Target;
use crate::supervisor::Supervisor;

/// The time for the connection to a port.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that are read from a port at a time.
const CHUNK: usize = 16 << 10;
/// The time that ports have to take what a client has sent before it left.
const FINISHING: Duration = Duration::from_secs(5);
/// Messages that wait for a port.
const BACKLOG: usize = 64;
/// Bytes of the client that wait, for all ports together. At least the largest message.
const WAITING: usize = 8 << 20;

/// A port-forward that a user asks for.
pub struct PortForward {
    identity: Identity,
    pod: String,
    target: Arc<dyn Target>,
    framer: PortForwardFramer,
    cancel: CancellationToken,
}

/// What a port gets from the client, with its share of the bytes that may wait.
enum ToPort {
    Data(Vec<u8>, OwnedSemaphorePermit),
    /// The client sends no more.
    End,
}

impl PortForward {
    /// `cancel` ends the connections when the daemon
    /// stops.
    ///
    /// # Errors
    ///
    /// 400 without ports; the status of a pod that does not exist or does not run.
    pub async fn open(
        supervisor: &Supervisor,
        identity: Identity,
        pod: &PodKey,
        (protocol, ports): (Protocol, Vec<u16>),
        cancel: CancellationToken,
    ) -> Result<Self, Status> {
        if ports.is_empty() {
            return Err(Status::bad_request("query parameter \"ports\" is required"));
        }
        let task = supervisor.requests().running_task(pod).await;
        let target: Arc<dyn Target> = task.map_err(|error| of_supervisor(pod, error))?;
        let framer = PortForwardFramer::new(protocol, ports);
        Ok(Self { identity, pod: pod.name().to_owned(), target, framer, cancel })
    }

    /// Forwards until all connections have ended, the client leaves, or its credential is revoked.
    pub async fn serve(self, upgrade: OnUpgrade) {
        let Some(stream) = websocket::upgraded(upgrade).await else { return };
        let by = Operator::new("port-forward", Some(self.identity.caller()));
        let ports: Vec<_> = self.framer.ports().iter().map(u16::to_string).collect();
        let (pod, user, ports) = (&self.pod, self.identity.name(), ports.join(","));
        tracing::info!(pod, user, ports, operator = %by, "ports are forwarded");
        tokio::select! {
            () = forward(stream, &self.pod, &self.target, &self.framer) => {}
            () = self.identity.revoked() => {}
            () = self.cancel.cancelled() => {}
        }
    }
}

async fn forward<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    pod: &str,
    target: &Arc<dyn Target>,
    framer: &PortForwardFramer,
) {
    let (mut sender, mut receiver) = websocket::open(stream).await;
    let (to_client, mut from_ports) = mpsc::channel(BACKLOG);
    let mut ports = Vec::new();
    // Dropping the set ends the connections.
    let mut connections = JoinSet::new();
    for (position, port) in framer.ports().iter().copied().enumerate() {
        let (to_port, from_client) = mpsc::channel(BACKLOG);
        ports.push(to_port);
        let connection = Connection {
            position,
            port,
            pod: pod.to_owned(),
            framer: framer.clone(),
            to_client: to_client.clone(),
        };
        connections.spawn(connection.run(target.clone(), from_client));
    }
    // The channel to the client ends with the last port.
    drop(to_client);
    let has_left = tokio::select! {
        has_left = write(&mut sender, framer, &mut from_ports) => has_left,
        () = read(&mut receiver, framer, &ports) => true,
    };
    if !has_left {
        return websocket::close(sender, receiver).await;
    }
    // The ports get what the client has sent before it left.
    drop(ports);
    let finishing = async { while from_ports.recv().await.is_some() {} };
    let _ = timeout(FINISHING, finishing).await;
}

/// Sends what the ports send. True if the client has left.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sender: &mut Sender<S>,
    framer: &PortForwardFramer,
    from_ports: &mut mpsc::Receiver<Vec<u8>>,
) -> bool {
    let is_text = framer.is_text();
    let mut pings = websocket::pings();
    for greeting in framer.greeting() {
        if sender.send(websocket::message(greeting, is_text)).await.is_err() {
            return true;
        }
    }
    loop {
        let message = tokio::select! {
            bytes = from_ports.recv() => match bytes {
                Some(bytes) => websocket::message(bytes, is_text),
                None => return false,
            },
            _ = pings.tick() => websocket::ping(),
        };
        if sender.send(message).await.is_err() {
            return true;
        }
    }
}

/// Passes messages on to the ports, until the client leaves or breaks the protocol.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    receiver: &mut Receiver<S>,
    framer: &PortForwardFramer,
    ports: &[mpsc::Sender<ToPort>],
) {
    let waiting = Arc::new(Semaphore::new(WAITING));
    while let Some(Ok(message)) = receiver.next().await {
        let Some(bytes) = websocket::payload(message) else { continue };
        let (position, to_port) = match framer.read(&bytes) {
            Ok(ForwardMessage::Data(position, data)) => {
                let Ok(length) = u32::try_from(data.len()) else { return };
                // It is never closed.
                let Ok(share) = waiting.clone().acquire_many_owned(length).await else { return };
                (position, ToPort::Data(data.into_owned(), share))
            }
            Ok(ForwardMessage::Closed(position)) => (position, ToPort::End),
            Ok(ForwardMessage::Ignored) => continue,
            Err(error) => return tracing::debug!(%error, "a port-forward breaks the protocol"),
        };
        if let Some(port) = ports.get(position) {
            // A connection that has ended takes no more.
            let _ = port.send(to_port).await;
        }
    }
}

/// The connection to one port.
struct Connection {
    position: usize,
    port: u16,
    pod: String,
    framer: PortForwardFramer,
    to_client: mpsc::Sender<Vec<u8>>,
}

impl Connection {
    async fn run(self, target: Arc<dyn Target>, mut from_client: mpsc::Receiver<ToPort>) {
        let stream = match self.connect(target.as_ref()).await {
            Ok(stream) => stream,
            Err(error) => {
                let Self { port, pod, .. } = &self;
                let text = format!("error forwarding port {port} to pod {pod}: {error}");
                if let Some(message) = self.framer.error(self.position, &text) {
                    // A client that has left does not need it.
                    let _ = self.to_client.send(message).await;
                }
                return;
            }
        };
        let (mut from_port, mut to_port) = stream.into_split();
        let reading = async {
            let mut chunk = vec![0; CHUNK];
            while let Ok(length) = from_port.read(&mut chunk).await {
                let Some(data) = chunk.get(..length).filter(|data| !data.is_empty()) else { break };
                let Some(message) = self.framer.data(self.position, data) else { break };
                if self.to_client.send(message).await.is_err() {
                    break;
                }
            }
        };
        let writing = async {
            while let Some(ToPort::Data(data, _share)) = from_client.recv().await {
                if to_port.write_all(&data).await.is_err() {
                    break;
                }
            }
            // A connection that is broken already has no half to close.
            let _ = to_port.shutdown().await;
            // What the client sends from now on is dropped. The channel ends when it leaves.
            while from_client.recv().await.is_some() {}
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    }

    /// Connects to the IPv4 loopback, or else to the one of IPv6.
    async fn connect(&self, target: &dyn Target) -> io::Result<TcpStream> {
        let first = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let second = SocketAddr::from((Ipv6Addr::LOCALHOST, self.port));
        match open(target, first).await {
            Ok(stream) => Ok(stream),
            Err(error) => open(target, second).await.map_err(|_| error),
        }
    }
}

async fn open(target: &dyn Target, at: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, target.tcp_socket(at)?.connect(at)).await??;
    // A probe's socket is closed with RST, which would cut off what is not sent yet.
    set_socket_linger(&stream, None)?;
    // Without it small messages are delayed, which is no error.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

#[cfg(test)]
mod tests;
