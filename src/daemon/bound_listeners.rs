//! The addresses of the configuration, bound before the daemon starts: a wrong one prevents the start.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::config::{Config, FolderError, ListenError};
use super::tls_listener::{BoundTls, TlsError};
use crate::metrics;

/// A configuration with which the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("--metrics-address {address}: {error}")]
    Metrics {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error("--kube-api {address}: {error}")]
    KubeApi {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// The bound addresses that are not served yet.
#[derive(Debug)]
pub struct BoundListeners {
    pub metrics: Option<TcpListener>,
    pub tls: Option<BoundTls>,
    pub kube_api: Option<TcpListener>,
}

impl BoundListeners {
    /// Checks the configuration and binds its addresses.
    ///
    /// # Errors
    ///
    /// The flag whose value cannot be used.
    pub fn bind(config: &Config) -> Result<Self, ConfigError> {
        let tls = match config.listen.address_and_files()? {
            Some((address, files)) => Some(BoundTls::bind(address, &files)?),
            None => None,
        };
        let metrics = config.metrics_address.map(|address| {
            metrics::bind(address).map_err(|error| ConfigError::Metrics { address, error })
        });
        let metrics = metrics.transpose()?;
        let kube_api = config
            .kube_api
            .map(|address| bind(address).map_err(|error| ConfigError::KubeApi { address, error }));
        let kube_api = kube_api.transpose()?;
        config.check_folders()?;
        Ok(Self { metrics, tls, kube_api })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
