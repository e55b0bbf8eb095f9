//! The flags of all verbs but `serve` for a daemon on another machine.

use std::path::{Path, PathBuf};

use clap::Args;
use http::uri::Authority;

use probelet_api::client::Remote;

use super::error::{Error, Result};
use probelet_host::files;

#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Another machine's daemon")]
pub struct RemoteArgs {
    /// The address of a daemon that was started with --listen, in place of the socket.
    #[arg(long, global = true, value_name = "HOST:PORT", env = "PROBELET_ADDRESS")]
    pub address: Option<Authority>,
    /// The client's certificate in PEM, followed by its intermediates.
    #[arg(long, global = true, value_name = "PATH", env = "PROBELET_CLIENT_CERTIFICATE")]
    pub client_certificate: Option<PathBuf>,
    /// The key of --client-certificate in PEM.
    #[arg(long, global = true, value_name = "PATH", env = "PROBELET_CLIENT_KEY")]
    pub client_key: Option<PathBuf>,
    /// The roots of the daemon's certificate in PEM.
    #[arg(long, global = true, value_name = "PATH", env = "PROBELET_CERTIFICATE_AUTHORITY")]
    pub certificate_authority: Option<PathBuf>,
    /// The name in the daemon's certificate, if it is not HOST.
    #[arg(long, global = true, value_name = "NAME", env = "PROBELET_TLS_SERVER_NAME")]
    pub tls_server_name: Option<String>,
}

impl RemoteArgs {
    /// The daemon of `--address`; `None` for the daemon of the socket.
    pub fn remote(&self) -> Result<Option<Remote>> {
        let Some(address) = &self.address else { return Ok(None) };
        if address.port_u16().is_none() {
            return Err(Error::Usage(format!("--address {address}: must be HOST:PORT")));
        }
        let files = (&self.client_certificate, &self.client_key, &self.certificate_authority);
        let (Some(certificate), Some(key), Some(authority)) = files else {
            return Err(Error::Usage(
                "--address needs --client-certificate, --client-key and --certificate-authority"
                    .to_owned(),
            ));
        };
        Ok(Some(Remote {
            address: address.to_string(),
            authority: pem(authority)?,
            certificate: pem(certificate)?,
            key: pem(key)?,
            name: self.tls_server_name.clone(),
        }))
    }
}

/// Reads a file with a certificate or a key.
fn pem(path: &Path) -> Result<Vec<u8>> {
    files::read(path, files::CONFIGURATION)
        .map_err(|error| Error::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        remote: RemoteArgs,
    }

    fn read(flags: &[&str]) -> String {
        let flags = Flags::parse_from([&["probelet"], flags].concat());
        match flags.remote.remote() {
            Ok(Some(remote)) => {
                format!("{} {}", remote.address, String::from_utf8_lossy(&remote.certificate))
            }
            Ok(None) => "the socket".to_owned(),
            Err(error) => format!("{} {error}", error.exit_code()),
        }
    }

    #[test]
    fn an_address_goes_with_a_port_and_three_files() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["client-certificate", "client-key", "certificate-authority"].map(|name| {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("the {name}")).unwrap();
            format!("--{name}={}", file.display())
        });
        let files = files.each_ref().map(String::as_str);
        let with = |address| [&["--address", address], files.as_slice()].concat();
        assert_eq!(read(&with("[::1]:7443")), "[::1]:7443 the client-certificate");
        assert_eq!(read(&files), "the socket");
        assert_eq!(read(&with("host")), "2 --address host: must be HOST:PORT");
        let error = read(&["--address", "host:1", "--client-key=/none", files[0], files[2]]);
        assert!(error.starts_with("1 /none: "), "{error}");
        let error = read(&["--address", "host:1", files[0], files[1]]);
        assert!(error.starts_with("2 --address needs --client-certificate, "), "{error}");
    }
}
