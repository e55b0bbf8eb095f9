//! The flags of `serve` for callers by TCP.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "By TCP, with certificates on both sides")]
pub struct ListenArgs {
    /// Serve the API at ADDR too, such as 0.0.0.0:7443, to 64 connections at a time. Whoever has
    /// a certificate that --tls-client-ca has signed may do all that root may do by the socket.
    #[arg(long, value_name = "ADDR", env = "PROBELET_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The daemon's certificate in PEM, then those between it and its root. This and the other two
    /// files are read at the start.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, in PEM.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// The roots of those who may call, in PEM.
    #[arg(long, value_name = "PATH", env = "PROBELET_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Where to listen, and the three files.
type Listen = (SocketAddr, [PathBuf; 3]);

impl ListenArgs {
    /// All four or none.
    pub fn all(self) -> Result<Option<Listen>, String> {
        match (self.listen, self.tls_cert, self.tls_key, self.tls_client_ca) {
            (None, None, None, None) => Ok(None),
            (Some(at), Some(cert), Some(key), Some(ca)) => Ok(Some((at, [cert, key, ca]))),
            (Some(_), ..) => Err("--listen needs --tls-cert, --tls-key and --tls-client-ca: \
                                  without certificates nothing is served by TCP"
                .to_owned()),
            (None, ..) => Err("--tls-cert, --tls-key and --tls-client-ca need --listen".to_owned()),
        }
    }
}
