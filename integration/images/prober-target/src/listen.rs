//! What the HTTP and gRPC servers share: listening, TLS, and a count of requests.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS connection: the content type of its first record.
const HANDSHAKE: u8 = 22;

/// One connection, with or without TLS.
pub(crate) type Wire = Box<dyn Stream>;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
    /// Whether ALPN has chosen HTTP/2.
    fn is_http2(&self) -> bool;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn is_http2(&self) -> bool {
        false
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn is_http2(&self) -> bool {
        self.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}

pub(crate) struct Options {
    address: String,
    tls: bool,
    http1: bool,
    delay: Duration,
    after: u64,
    log: bool,
}

impl Options {
    pub(crate) fn new(address: &str) -> Self {
        let delay = Duration::ZERO;
        Self { address: address.to_owned(), tls: false, http1: false, delay, after: 0, log: false }
    }

    /// Takes the options that are common to the servers and returns the other words.
    pub(crate) fn take<'a>(&mut self, words: &[&'a str]) -> Result<Vec<&'a str>> {
        let mut rest = Vec::new();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match word {
                "--tls" => self.tls = true,
                "--http1" => self.http1 = true,
                "--log" => self.log = true,
                "--after" => self.after = value()?.parse()?,
                "--delay" => self.delay = crate::milliseconds(value()?)?,
                _ => rest.push(word),
            }
        }
        Ok(rest)
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::new(Counters { asked: AtomicU64::new(0), after: self.after, log: self.log })
    }

    /// Serves each connection in a task of its own, so that one that hangs does not delay others.
    pub(crate) async fn serve<F>(
        self,
        protocols: &[&[u8]],
        serve: impl Fn(Wire) -> F + Clone + Send + 'static,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        sleep(self.delay).await;
        let listener = TcpListener::bind(&self.address).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.address))?;
        let protocols = if self.http1 { &[] } else { protocols };
        let tls = self.tls.then(|| acceptor(protocols)).transpose()?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // An error means that the client disconnected.
                    let Ok((tcp, _)) = accepted else { continue };
                    let (tls, serve) = (tls.clone(), serve.clone());
                    connections.spawn(async move {
                        let wire: Wire = match tls {
                            Some(tls) => Box::new(handshake(&tls, tcp).await?),
                            None => Box::new(tcp),
                        };
                        serve(wire).await
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn handshake(tls: &TlsAcceptor, mut tcp: TcpStream) -> Result<TlsStream<TcpStream>> {
    let mut first = [0];
    tcp.peek(&mut first).await?;
    if first != [HANDSHAKE] {
        // The servers of Go and nginx answer a client without TLS like this.
        tcp.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nthis is an HTTPS server\n").await?;
        // The input is read to the end, because unread bytes would turn the close into a reset.
        tcp.shutdown().await?;
        while tcp.read(&mut [0; 4096]).await? > 0 {}
        bail!("a client without TLS");
    }
    Ok(tls.accept(tcp).await?)
}

/// Counts the requests of a server.
pub(crate) struct Counters {
    asked: AtomicU64,
    after: u64,
    log: bool,
}

impl Counters {
    /// Counts and logs a request; true if it is one of the first `after` requests, which are
    /// answered well.
    pub(crate) fn is_well(&self, path: &str) -> bool {
        if self.log {
            let at = clock_gettime(ClockId::Monotonic);
            println!("{path} {}", at.tv_sec * 1_000_000 + at.tv_nsec / 1_000);
        }
        self.asked.fetch_add(1, Ordering::Relaxed) < self.after
    }
}

/// TLS with a certificate that is self-signed, expired and for another name. Probes accept it.
fn acceptor(protocols: &[&[u8]]) -> Result<TlsAcceptor> {
    let mut params = CertificateParams::new(["prober-target.invalid".to_owned()])?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2000, 1, 2);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
