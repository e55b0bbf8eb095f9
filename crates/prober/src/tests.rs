//! Container in the test's own network namespace, scripted servers, and tests of TCP probes and of
//! all vectors.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket as Socket, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::tls::tests::{secure, serve_h2, speaking};
use super::*;
use crate::{ExecError, Executed, Turn};
use probelet_domain::spec::{
    BackoffLimits, ContainerPort, ExecVia, Grpc, HttpGet, PortRef, Probes, Scheme, Source,
    TcpSocket,
};

/// Timeout of attempts that are to time out.
pub const TIMEOUT: Duration = Duration::from_millis(200);
/// Timeout of attempts that are to end before it.
pub const AMPLE: Duration = Duration::from_secs(20);

/// Container in the test's own namespace, or one that has ended.
#[derive(Clone, Copy)]
pub enum Near {
    Here,
    Gone,
}

use Near::{Gone, Here};

mod allocations;
mod floods;
mod leaks;

#[async_trait]
impl Target for Near {
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<Socket> {
        match self {
            Here if peer.is_ipv4() => Socket::new_v4(),
            Here => Socket::new_v6(),
            Gone => Err(io::Error::from_raw_os_error(3)),
        }
    }
    fn udp_socket(&self, peer: SocketAddr) -> io::Result<UdpSocket> {
        match self {
            Here => {
                let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = std::net::UdpSocket::bind(any)?;
                socket.connect(peer)?;
                socket.set_nonblocking(true)?;
                UdpSocket::from_std(socket)
            }
            Gone => Err(io::Error::from_raw_os_error(3)),
        }
    }
    fn read_file(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
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
        Err(ExecError::Failed("no command runs here".into()))
    }
}

fn container(port: u16) -> ContainerSpec {
    ContainerSpec {
        name: "c".into(),
        source: Source::Bundle { oci_spec: String::new(), rootfs: PathBuf::new() },
        pull_policy: None,
        command: vec![],
        args: vec![],
        env: vec![],
        working_dir: None,
        ports: vec![ContainerPort {
            name: Some("web".into()),
            port,
            protocol: "TCP".into(),
            host_port: None,
            host_ip: None,
        }],
        probes: Probes::default(),
        lifecycle: Default::default(),
        restart_policy: None,
        restart_policy_rules: vec![],
        termination_message: Default::default(),
        backoff: BackoffLimits::default(),
        security: Default::default(),
        resources: Default::default(),
        devices: Default::default(),
        volume_mounts: vec![],
        log_limits: Default::default(),
        streams: Default::default(),
    }
}

fn web() -> PortRef {
    PortRef::Name("web".into())
}

pub fn get(path: &str) -> HttpGet {
    HttpGet { scheme: Scheme::Http, host: None, port: web(), path: path.into(), headers: vec![] }
}

pub fn tcp(host: Option<&str>) -> Handler {
    Handler::TcpSocket(TcpSocket { host: host.map(Into::into), port: web() })
}

pub async fn run(task: impl Target, handler: Handler, port: u16, timeout: Duration) -> Attempt {
    let probe = ProbeSpec { timeout, ..ProbeSpec::new(handler) };
    let attempt = NetProber::default().attempt(Arc::new(task), &container(port), &probe).await;
    assert!(attempt.latency < timeout + AMPLE, "{attempt:?}");
    attempt
}

pub async fn probe(handler: Handler, port: u16) -> Outcome {
    run(Here, handler, port, AMPLE).await.outcome
}

/// Makes an attempt that must not end before its timeout.
pub async fn probe_in_vain(handler: Handler, port: u16) -> Outcome {
    let attempt = run(Here, handler, port, TIMEOUT).await;
    assert!(attempt.latency >= TIMEOUT, "{attempt:?}");
    attempt.outcome
}

/// Server that handles the n-th connection with `script(n, stream, request head)`.
pub struct Server {
    pub(super) port: u16,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn new<F>(script: impl Fn(usize, TcpStream, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), script)
    }

    fn at<F>(
        listener: TcpListener,
        script: impl Fn(usize, TcpStream, String) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for n in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                script(n, stream, String::from_utf8(head).unwrap()).await;
            }
        });
        Self { port, _tasks: tasks }
    }

    /// Makes a server that passes every connection to `script` without reading.
    pub async fn raw<F>(script: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                script(listener.accept().await.unwrap().0).await;
            }
        });
        Self { port, _tasks: tasks }
    }

    /// Makes a server that answers every request with these bytes and the end of the stream.
    pub async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, mut stream, _| {
            let answer = answer.clone();
            async move { drop(stream.write_all(&answer).await) }
        })
        .await
    }

    /// Makes a server that answers with these bytes and keeps the connection open.
    pub async fn stalling(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, mut stream, _| {
            let answer = answer.clone();
            async move {
                stream.write_all(&answer).await.unwrap();
                std::future::pending::<()>().await;
            }
        })
        .await
    }
}

/// Reserves a port on both loopback addresses on which no server listens, while the sockets exist.
pub fn refusing() -> (Socket, Socket, u16) {
    loop {
        let (v4, v6) = (Socket::new_v4().unwrap(), Socket::new_v6().unwrap());
        v4.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        if v6.bind((Ipv6Addr::LOCALHOST, port).into()).is_ok() {
            return (v4, v6, port);
        }
    }
}

/// Makes a listener with a full queue, so that further SYNs are dropped, as by a firewall.
async fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let socket = Socket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let peer = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(TIMEOUT, TcpStream::connect(peer)).await {
        queued.push(stream.unwrap());
    }
    (listener, queued)
}

#[tokio::test]
async fn tcp_succeeds_on_a_connection_and_sends_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in [None, Some("localhost"), Some("127.0.0.1")] {
        assert_eq!(probe(tcp(host), port).await, Outcome::Success(String::new()));
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.unwrap();
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn tcp_failures_read_as_gos() {
    let (_v4, _v6, port) = refusing();
    for host in [None, Some("127.0.0.1"), Some("::1"), Some("[::1]")] {
        let ip = if host.is_some_and(|h| h.contains(':')) { "[::1]" } else { "127.0.0.1" };
        let text = format!("dial tcp {ip}:{port}: connect: connection refused");
        assert_eq!(probe(tcp(host), port).await, Outcome::Failure(text));
    }
    let (listener, _queued) = deaf().await;
    let port = listener.local_addr().unwrap().port();
    let text = format!("dial tcp 127.0.0.1:{port}: i/o timeout");
    assert_eq!(probe_in_vain(tcp(None), port).await, Outcome::Failure(text));
    let text = format!(
        "Get \"http://127.0.0.1:{port}/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    );
    assert_eq!(probe_in_vain(Handler::HttpGet(get("/")), port).await, Outcome::Failure(text));
}

#[tokio::test]
async fn where_ipv4_refuses_ipv6_is_asked() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let server = Server::at(listener, move |_, mut stream, head| {
        let tell = tell.clone();
        async move {
            drop(stream.write_all(b"HTTP/1.1 204 Fine\r\n\r\n").await);
            drop(tell.try_send(head));
        }
    });
    assert_eq!(probe(tcp(None), server.port).await, Outcome::Success(String::new()));
    assert_eq!(told.recv().await.unwrap(), "");
    let outcome = probe(Handler::HttpGet(get("/")), server.port).await;
    assert_eq!(outcome, Outcome::Success(String::new()));
    let head = told.recv().await.unwrap();
    assert!(head.contains(&format!("\r\nHost: [::1]:{}\r\n", server.port)), "{head}");
}

#[tokio::test]
async fn problems_that_the_container_has_not_caused_are_errors() {
    for name in ["nope", ""] {
        let text = format!("strconv.Atoi: parsing {name:?}: invalid syntax");
        let port = PortRef::Name(name.into());
        let http = Handler::HttpGet(HttpGet { port: port.clone(), ..get("/") });
        let tcp = Handler::TcpSocket(TcpSocket { host: None, port });
        for handler in [http, tcp] {
            assert_eq!(probe(handler, 1).await, Outcome::Error(text.clone()));
        }
    }
    for handler in [Handler::HttpGet(get("/")), tcp(None)] {
        let text = "no socket in the container's network namespace: no such process";
        let outcome = run(Gone, handler, 1, AMPLE).await.outcome;
        assert_eq!(outcome, Outcome::Error(text.into()));
    }
}

/// Runs all rows except those of exec, which has no server.
#[tokio::test]
async fn the_kubelets_vectors_hold() {
    for row in include_str!("handlers.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        match row["h"].as_str().unwrap() {
            "http" => http::tests::vector(&row).await,
            "tcp" => {
                let (_v4, _v6, refused) = refusing();
                let (deaf, _queued) = deaf().await;
                let outcome = match row["connect"].as_str().unwrap() {
                    "refused" => probe(tcp(None), refused).await,
                    "timeout" => probe_in_vain(tcp(None), deaf.local_addr().unwrap().port()).await,
                    other => panic!("{other}"),
                };
                assert_is(&outcome, &row);
            }
            "*" => {
                let port = PortRef::Name("nope".into());
                let http = Handler::HttpGet(HttpGet { port: port.clone(), ..get("/") });
                assert_is(&probe(http, 1).await, &row);
                let tcp = Handler::TcpSocket(TcpSocket { host: None, port });
                assert_is(&probe(tcp, 1).await, &row);
            }
            "grpc" => grpc::tests::vector(&row).await,
            "exec" => {}
            other => panic!("{other}"),
        }
    }
}

pub fn assert_is(outcome: &Outcome, row: &serde_json::Value) {
    let is = match outcome {
        Outcome::Success(_) => "success",
        Outcome::Warning(_) => "warning",
        Outcome::Failure(_) | Outcome::Exited(..) => "failure",
        Outcome::Error(_) => "error",
    };
    assert_eq!(row["is"], is, "{outcome:?} for {row}");
}

/// Variable that is set in the process that runs only the test of descriptors.
const ALONE: &str = "PROBELET_TEST_ALONE";
const ATTEMPTS: usize = 2000;
