//! The flags of the API over TCP.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "By TCP, with certificates on both sides")]
pub struct ListenConfig {
    /// Serve the API at ADDR too, such as 0.0.0.0:7443, to 256 connections at a time. A caller with
    /// a certificate that --tls-client-ca has signed may do all that root may do by the socket.
    #[arg(long, value_name = "ADDR", env = "PROBELET_LISTEN")]
    listen: Option<SocketAddr>,
    /// The daemon's certificate in PEM, followed by its intermediates. This and the other two files
    /// are read at the start and at SIGHUP.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, in PEM.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// The roots of the callers' certificates, in PEM.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The daemon's certificate, followed by its intermediates.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// The roots of the callers' certificates.
    pub client_ca: PathBuf,
}

/// An incomplete set of flags.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "--listen needs --tls-cert, --tls-key and --tls-client-ca: without certificates nothing is \
         served by TCP"
    )]
    NoCertificates,
    #[error("--tls-cert, --tls-key and --tls-client-ca need --listen")]
    NoAddress,
}

impl ListenConfig {
    /// The address and the files; `None` if the API is not served by TCP.
    pub fn address_and_files(&self) -> Result<Option<(SocketAddr, TlsFiles)>, ListenError> {
        let Self { listen, tls_cert, tls_key, tls_client_ca } = self.clone();
        match (listen, tls_cert, tls_key, tls_client_ca) {
            (None, None, None, None) => Ok(None),
            (Some(address), Some(cert), Some(key), Some(client_ca)) => {
                Ok(Some((address, TlsFiles { cert, key, client_ca })))
            }
            (Some(_), ..) => Err(ListenError::NoCertificates),
            (None, ..) => Err(ListenError::NoAddress),
        }
    }
}
