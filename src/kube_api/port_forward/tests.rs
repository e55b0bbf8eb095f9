//! Port-forwards over real WebSockets to real ports.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use probelet_kube_wire::channels::{PortForwardFramer, Protocol};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::spec::ExecVia;
use crate::kube_api::channels::serve_port_forward;
use crate::kube_api::tests::{Users, supervisor};
use crate::kube_authority;
use crate::node::{ExecError, Executed, Turn};

const BOUND: Duration = Duration::from_secs(20);

/// A pod with the host's network.
pub struct Host;

#[async_trait]
impl Pod for Host {
    fn name(&self) -> &str {
        "web"
    }

    async fn target(&self) -> Result<Arc<dyn Target>, Status> {
        Ok(Arc::new(Self))
    }
}

/// A port-forward of [`Host`], and what ends it.
pub fn forward() -> (PortForward, Users, CancellationToken) {
    let (users, cancel) = (Users::new(), CancellationToken::new());
    let identity = users.identity("ann", kube_authority::Role::Admin);
    let until = Until { identity, cancel: cancel.clone() };
    (PortForward { pod: Arc::new(Host), until }, users, cancel)
}

#[async_trait]
impl Target for Host {
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(socket)
    }

    fn udp_socket(&self, _: SocketAddr) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_file(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn exec_turn(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    async fn exec(
        &self,
        _: &[String],
        _: Duration,
        _: Turn,
        _: ExecVia,
    ) -> Result<Executed, ExecError> {
        Err(ExecError::TimedOut)
    }
}

struct Client {
    socket: WebSocketStream<DuplexStream>,
    _task: JoinSet<()>,
}

impl Client {
    /// A client that has read the greetings.
    async fn new(protocol: Protocol, ports: &[u16]) -> Self {
        let (server, client) = tokio::io::duplex(4096);
        let framer = PortForwardFramer::new(protocol, ports.to_vec());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (forward, _users, _cancel) = forward();
            serve_port_forward(server, &framer, &forward).await;
        });
        let socket = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let mut client = Self { socket, _task: task };
        for (position, port) in ports.iter().enumerate() {
            for channel in [2 * position, 2 * position + 1] {
                let expected =
                    [&[u8::try_from(channel).unwrap()], &port.to_le_bytes()[..]].concat();
                assert_eq!(client.bytes().await.unwrap(), expected);
            }
        }
        client
    }

    async fn send(&mut self, message: &[u8]) {
        let sent = self.socket.send(Message::binary(message.to_vec()));
        timeout(BOUND, sent).await.unwrap().unwrap();
    }

    /// The next message; `None` if the server closes the connection.
    async fn bytes(&mut self) -> Option<Vec<u8>> {
        let message = timeout(BOUND, self.socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Close(_) => None,
            message => Some(message.into_data().to_vec()),
        }
    }

    async fn data(&mut self, channel: u8, length: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while data.len() < length {
            let message = self.bytes().await.unwrap();
            assert_eq!(message[0], channel);
            data.extend_from_slice(&message[1..]);
        }
        data
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(BOUND, listener.accept()).await.unwrap().unwrap().0
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = timeout(BOUND, stream.read(&mut chunk)).await.unwrap().unwrap();
        if length == 0 {
            return data;
        }
        data.extend_from_slice(&chunk[..length]);
    }
}

#[tokio::test]
async fn a_port_is_a_connection_with_two_halves() {
    let (listener, port) = listener().await;
    let mut client = Client::new(Protocol::V5, &[port]).await;
    client.send(b"\x00GET /").await;
    let mut server = accept(&listener).await;
    let mut request = [0; 5];
    server.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"GET /");
    client.send(b"\xff\x00").await;
    assert_eq!(read(&mut server).await, b"", "the client's half is closed");
    let answer = vec![7; 300_000];
    let (sent, received) = tokio::join!(
        async {
            server.write_all(&answer).await.unwrap();
            drop(server);
        },
        client.data(0, answer.len())
    );
    let () = sent;
    assert!(received == answer);
    assert_eq!(client.bytes().await, None, "no port has a connection any more");
}

#[tokio::test]
async fn a_port_that_refuses_has_an_error_and_the_others_go_on() {
    let (listener, port) = listener().await;
    let (closed, refusing) = self::listener().await;
    drop(closed);
    let mut client = Client::new(Protocol::V4, &[refusing, port]).await;
    let error = String::from_utf8(client.bytes().await.unwrap()).unwrap();
    let start = format!("\u{1}error forwarding port {refusing} to pod web: Connection refused");
    assert!(error.starts_with(&start), "{error}");
    let mut server = accept(&listener).await;
    client.send(b"\x00dropped").await;
    client.send(b"\x02ping").await;
    let mut request = [0; 4];
    server.read_exact(&mut request).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    assert_eq!(client.data(2, 4).await, b"pong");
}

#[tokio::test]
async fn a_server_on_ipv6_alone_is_reached() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = Client::new(Protocol::V4, &[port]).await;
    client.send(b"\x00x").await;
    let mut server = accept(&listener).await;
    let read = timeout(BOUND, server.read_u8()).await.unwrap();
    assert_eq!(read.unwrap(), b'x');
}

#[tokio::test]
async fn what_a_client_sent_before_it_left_arrives() {
    let (listener, port) = listener().await;
    let mut client = Client::new(Protocol::V4, &[port]).await;
    let data = vec![9; 1 << 20];
    client.send(&[&[0], &data[..]].concat()).await;
    client.socket.close(None).await.unwrap();
    let mut server = accept(&listener).await;
    assert!(read(&mut server).await == data);
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_disconnected() {
    let (listener, port) = listener().await;
    let mut client = Client::new(Protocol::V4, &[port]).await;
    let mut server = accept(&listener).await;
    client.send(b"\x05x").await;
    assert_eq!(read(&mut server).await, b"");
}

#[tokio::test]
async fn a_port_that_reads_nothing_does_not_stop_the_others() {
    let (silent, silent_port) = listener().await;
    let (listener, port) = listener().await;
    let mut client = Client::new(Protocol::V4, &[silent_port, port]).await;
    let (_silent, mut server) = (accept(&silent).await, accept(&listener).await);
    // More than sockets hold, less than may wait.
    let chunk = [&[0], &vec![0; 1 << 20][..]].concat();
    for _ in 0..7 {
        client.send(&chunk).await;
    }
    client.send(b"\x02x").await;
    let read = timeout(BOUND, server.read_u8()).await;
    assert_eq!(read.unwrap().unwrap(), b'x');
}

#[tokio::test]
async fn a_pod_that_does_not_run_is_refused_before_the_handshake() {
    let users = Users::new();
    let (supervisor, _supervising) = supervisor("web").await;
    let open = async |pod: &str| {
        let identity = users.identity("ann", kube_authority::Role::Admin);
        let until = Until { identity, cancel: CancellationToken::new() };
        let opened = PortForward::open(supervisor.clone(), PodKey::in_default(pod), until).await;
        opened.map_or_else(|status| status.code(), |_| 101)
    };
    assert_eq!(open("web").await, 101);
    assert_eq!(open("none").await, 404);
}
