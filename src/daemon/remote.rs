//! gRPC by TCP: both sides show a certificate, or nothing is said.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::guest;
use crate::files;
use crate::registry;

/// For a guest to show who he is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A guest who is silent is asked whether he is still there, and has as long again to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How many guests may wait for their handshake to begin.
const ARRIVALS: usize = 16;

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The daemon's certificate, and those between it and its root.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// The roots of those who may call.
    pub client_ca: PathBuf,
}

/// The flag, and what is wrong with what it names.
#[derive(Debug, thiserror::Error)]
#[error("--{flag} {value}: {cause}")]
pub struct TlsError {
    flag: &'static str,
    value: String,
    cause: String,
}

/// What is served by TCP, not yet bound to anything.
pub struct Remote {
    tls: ServerTlsConfig,
    listener: TcpListener,
}

impl Remote {
    /// The files are read before the address is taken, and not again.
    pub fn bind(at: SocketAddr, files: &TlsFiles) -> Result<Self, TlsError> {
        registry::install_tls();
        let cert = read("tls-cert", &files.cert, certificates)?;
        let key = read("tls-key", &files.key, |pem| {
            PrivateKeyDer::from_pem_slice(pem).map(drop).map_err(|error| error.to_string())
        })?;
        let client_ca = read("tls-client-ca", &files.client_ca, certificates)?;
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(cert, key))
            .client_ca_root(Certificate::from_pem(client_ca))
            .timeout(HANDSHAKE);
        // Whether key and certificate belong together.
        Server::builder().tls_config(tls.clone()).map_err(|error| {
            let cause = format!("{:#}", anyhow::Error::from(error));
            TlsError { flag: "tls-key", value: files.key.display().to_string(), cause }
        })?;
        let bound = TcpListener::bind(at).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = bound.map_err(|error| TlsError {
            flag: "listen",
            value: at.to_string(),
            cause: error.to_string(),
        })?;
        Ok(Self { tls, listener })
    }

    /// Until `cancel`.
    pub(super) async fn serve(
        self,
        routes: Routes,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener).context("--listen")?;
        let (arriving, arrivals) = mpsc::channel(ARRIVALS);
        let server = Server::builder()
            .tls_config(self.tls)?
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_routes(routes)
            .serve_with_incoming_shutdown(
                ReceiverStream::new(arrivals),
                cancel.clone().cancelled_owned(),
            );
        tracing::info!(address = ?listener.local_addr(), "serving by TCP too");
        let admitting = async {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = guest::admit(listener, arriving) => {}
            }
        };
        let (served, ()) = tokio::join!(server, admitting);
        served.context("serving by TCP")
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("listener", &self.listener).finish_non_exhaustive()
    }
}

fn read(
    flag: &'static str,
    path: &Path,
    check: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Result<Vec<u8>, TlsError> {
    let error = |cause| TlsError { flag, value: path.display().to_string(), cause };
    let pem = files::read(path, files::CONFIGURATION).map_err(|cause| error(cause.to_string()))?;
    check(&pem).map_err(error)?;
    Ok(pem)
}

fn certificates(pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|error| error.to_string())?;
        count += 1;
    }
    if count == 0 { Err("no certificate in PEM is in it".to_owned()) } else { Ok(()) }
}
