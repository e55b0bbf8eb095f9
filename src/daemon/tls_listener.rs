//! The API over TCP: both sides show a certificate before anything is served.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::config::TlsFiles;
use super::listener::Listener;
use crate::client_auth::ClientAuth;
use crate::connections::Peer;
use crate::files;
use crate::registry;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A flag whose file or address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--{flag} {value}: {cause}")]
pub struct TlsError {
    flag: &'static str,
    value: String,
    #[source]
    cause: Cause,
}

/// A bound address for the API over TCP, which is not served yet.
pub struct BoundTls {
    tls: watch::Sender<TlsAcceptor>,
    listener: std::net::TcpListener,
}

/// Reads the files. Connections that are accepted from then on use them.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates("tls-cert", &files.cert)?;
    let key = read("tls-key", &files.key, |pem| Ok(PrivateKeyDer::from_pem_slice(pem)?))?;
    let mut roots = RootCertStore::empty();
    let unfit = |cause: Cause| TlsError {
        flag: "tls-client-ca",
        value: files.client_ca.display().to_string(),
        cause,
    };
    for root in certificates("tls-client-ca", &files.client_ca)? {
        roots.add(root).map_err(|error| unfit(error.into()))?;
    }
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let clients = ClientAuth::new(roots, algorithms).map_err(|error| unfit(error.into()))?;
    let mut tls = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(clients))
        .with_single_cert(chain, key)
        // Fails too if the key does not belong to the certificate.
        .map_err(|error| TlsError {
            flag: "tls-key",
            value: files.key.display().to_string(),
            cause: error.into(),
        })?;
    tls.alpn_protocols.push(b"h2".to_vec());
    Ok(Arc::new(tls).into())
}

impl BoundTls {
    /// Reads the files, and then binds the address.
    pub fn bind(at: SocketAddr, files: &TlsFiles) -> Result<Self, TlsError> {
        registry::install_tls();
        let tls = acceptor(files)?;
        let bound = std::net::TcpListener::bind(at).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = bound.map_err(|error| TlsError {
            flag: "listen",
            value: at.to_string(),
            cause: error.into(),
        })?;
        Ok(Self { tls: watch::Sender::new(tls), listener })
    }

    /// The certificates of the listener, which can be replaced while it serves.
    pub fn certificates(&self) -> watch::Sender<TlsAcceptor> {
        self.tls.clone()
    }

    /// The listener. It needs a runtime.
    pub fn listener(self) -> io::Result<TlsListener> {
        let listener = TcpListener::from_std(self.listener)?;
        tracing::info!(address = %listener.local_addr()?, "the API is also served by TCP");
        Ok(TlsListener { listener, tls: self.tls.subscribe() })
    }
}

impl fmt::Debug for BoundTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundTls").field("listener", &self.listener).finish_non_exhaustive()
    }
}

pub struct TlsListener {
    listener: TcpListener,
    tls: watch::Receiver<TlsAcceptor>,
}

impl Listener for TlsListener {
    type Raw = TcpStream;
    type Tls = TlsAcceptor;
    type Stream = TlsStream<TcpStream>;
    type Info = TcpConnectInfo;

    const PING_TIMEOUT: Duration = Duration::from_secs(20);

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = self.listener.accept().await?;
        // Without it small messages are delayed, which is no error.
        let _ = stream.set_nodelay(true);
        Ok((stream, address.ip().into()))
    }

    async fn first_bytes(raw: &TcpStream) -> io::Result<()> {
        raw.peek(&mut [0; 1]).await.map(drop)
    }

    fn tls(&self) -> TlsAcceptor {
        self.tls.borrow().clone()
    }

    async fn open(
        tls: TlsAcceptor,
        raw: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, TcpConnectInfo)> {
        let info = raw.connect_info();
        Ok((tls.accept(raw).await?, info))
    }
}

fn read<T>(
    flag: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, Cause>,
) -> Result<T, TlsError> {
    let error = |cause| TlsError { flag, value: path.display().to_string(), cause };
    let pem = files::read(path, files::CONFIGURATION).map_err(|cause| error(cause.into()))?;
    parse(&pem).map_err(error)
}

fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    read(flag, path, |pem| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match found {
            Ok(found) if found.is_empty() => Err("no certificate in PEM is in it".into()),
            found => Ok(found?),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_has_no_first_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (raw, _) = listener.accept().await.unwrap();
        let silent = timeout(Duration::from_millis(20), TlsListener::first_bytes(&raw));
        silent.await.unwrap_err();
        client.try_write(b"\x16").unwrap();
        TlsListener::first_bytes(&raw).await.unwrap();
        assert_eq!(raw.try_read(&mut [0; 8]).unwrap(), 1);
    }
}
