//! What servers answer: those that probes reach, name servers, and registries.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use probelet_domain::image::Reference;
use probelet_domain::probe::Outcome;
use probelet_domain::spec::{
    ExecVia, Grpc, Handler, HttpGet, PortRef, ProbeSpec, Scheme, TcpSocket as Tcp, sample,
};
use probelet_prober::{ExecError, Executed, NetProber, Prober, Target, Turn};
use probelet_registry::{Origin, Registries, install_tls};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::server::{Server, answer, name_server};
use crate::{SEPARATOR, texts};

/// Most bytes of a probe's outcome, as in the kubelet.
const LONGEST: usize = 10 << 10;
/// Timeout of an attempt: a server that keeps a probe waiting is no finding.
const TIMEOUT: Duration = Duration::from_millis(200);
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.expect("a runtime")
});
static PLAIN: LazyLock<Server> = LazyLock::new(|| Server::start(answer));
static NAMES: LazyLock<Server> = LazyLock::new(|| Server::start(name_server));

/// A container whose network has one server, and whose names are resolved by another.
struct Container {
    server: SocketAddr,
    hosts: String,
    resolver: String,
}

#[async_trait]
impl Target for Container {
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<TcpSocket> {
        // Redirects and names may lead elsewhere, which no input may.
        let is_known = [self.server, NAMES.address()].contains(&peer);
        if is_known { TcpSocket::new_v4() } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }
    fn udp_socket(&self, _: SocketAddr) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let text = if path.ends_with("hosts") { &self.hosts } else { &self.resolver };
        assert!(text.len() <= limit, "an input is shorter than the limit");
        Ok(text.clone().into_bytes())
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
        Err(ExecError::Failed("no command runs here".to_owned()))
    }
}

fn attempt(handler: Handler, target: Container) -> Outcome {
    let pod = sample::pod();
    let container = pod.containers.first().expect("the sample has a container");
    let probe = ProbeSpec { timeout: TIMEOUT, ..ProbeSpec::new(handler) };
    let outcome = RUNTIME.block_on(async {
        NetProber::default().attempt(Arc::new(target), container, &probe).await.outcome
    });
    assert!(outcome.output().len() <= LONGEST, "{} bytes", outcome.output().len());
    outcome
}

fn answered(data: &[u8]) -> Container {
    PLAIN.answer(data.split(|byte| *byte == SEPARATOR));
    Container { server: PLAIN.address(), hosts: String::new(), resolver: String::new() }
}

/// The answers of an HTTP server, one for each connection: redirects are followed.
pub fn http(data: &[u8]) {
    let get = HttpGet {
        scheme: Scheme::Http,
        host: Some("127.0.0.1".to_owned()),
        port: PortRef::Number(PLAIN.address().port()),
        path: "/healthz".to_owned(),
        headers: Vec::new(),
    };
    let outcome = attempt(Handler::HttpGet(get), answered(data));
    if outcome.is_success() {
        assert!(data.windows(5).any(|bytes| bytes == b"HTTP/"), "a success without an answer");
    }
}

/// The answer of a gRPC server: the bytes of an HTTP/2 connection.
pub fn grpc(data: &[u8]) {
    let grpc = Grpc {
        port: PortRef::Number(PLAIN.address().port()),
        service: String::new(),
        tls: false,
        host: Some("127.0.0.1".to_owned()),
    };
    drop(attempt(Handler::Grpc(grpc), answered(data)));
}

/// `/etc/hosts`, `/etc/resolv.conf`, a name, and the answer of a name server to each question.
pub fn name(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == SEPARATOR);
    let [hosts, resolver, name] = texts(data);
    let answer = parts.nth(3).unwrap_or_default();
    NAMES.answer([answer]);
    let address = NAMES.address();
    // Only TCP is served, and the first server is asked first.
    let resolver = format!("nameserver 127.0.0.1\noptions use-vc\n{resolver}");
    let target = Container { server: address, hosts, resolver };
    let handler = Handler::TcpSocket(Tcp { host: Some(name), port: PortRef::Number(1) });
    let outcome = attempt(handler, target);
    assert!(!outcome.is_success(), "no name leads to port 1");
}

static ORIGIN: LazyLock<Origin> = LazyLock::new(|| {
    install_tls();
    let registries = Registries {
        hosts_dir: "/nonexistent".into(),
        config: "/nonexistent/config.json".into(),
        stall: TIMEOUT,
        ..Registries::default()
    };
    let name = format!("{}/a/b:c", PLAIN.address());
    let reference = Reference::parse(&name).expect("a name");
    RUNTIME.block_on(registries.origin(&reference, &[])).expect("a registry")
});

/// The answers of a registry, one for each connection.
pub fn registry(data: &[u8]) {
    // No input may lead to another host.
    let text = String::from_utf8_lossy(data);
    if text.split("//").skip(1).any(|host| !host.starts_with("127.0.0.1")) {
        return;
    }
    let origin = &*ORIGIN;
    RUNTIME.block_on(async {
        PLAIN.answer(data.split(|byte| *byte == SEPARATOR));
        if let Ok(bytes) = origin.manifest(None).await {
            assert!(bytes.len() <= data.len(), "no byte is made up");
        }
        PLAIN.answer(data.split(|byte| *byte == SEPARATOR));
        assert!(
            origin.manifest(Some(DIGEST)).await.is_err(),
            "the digest is not that of the bytes"
        );
        PLAIN.answer(data.split(|byte| *byte == SEPARATOR));
        let Ok(mut blob) = origin.blob(DIGEST, 1).await else { return };
        assert!(blob.offset <= 1);
        let mut length = 0_usize;
        while let Some(Ok(bytes)) = blob.next().await {
            length = length.saturating_add(bytes.len());
            assert!(length <= data.len(), "no byte is made up");
        }
    });
}
