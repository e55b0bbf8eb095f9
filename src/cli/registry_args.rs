//! `serve`'s flags about registries.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::registry::Registries;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArgs {
    /// Docker's config.json with logins for registries. Without it config.json in the folder
    /// DOCKER_CONFIG, which is /root/.docker if unset. Read anew with each pull.
    #[arg(long, value_name = "PATH", env = "PROBELET_REGISTRY_CONFIG")]
    registry_config: Option<PathBuf>,
    /// Folder of REGISTRY/hosts.toml in containerd's format: mirrors, plain HTTP, certificates.
    /// Read anew with each pull.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_REGISTRY_HOSTS_DIR",
        default_value = "/etc/containerd/certs.d"
    )]
    registry_hosts_dir: PathBuf,
    /// A registry that sends nothing of an image for so long is given up till the next try.
    #[arg(
        long,
        value_name = "DURATION",
        env = "PROBELET_IMAGE_PULL_PROGRESS_TIMEOUT",
        default_value = "1m",
        value_parser = duration::parse
    )]
    image_pull_progress_timeout: Duration,
}

impl RegistryArgs {
    pub fn registries(self) -> Registries {
        let folder = || std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty());
        let config = self.registry_config.unwrap_or_else(|| {
            folder().map_or_else(|| "/root/.docker".into(), PathBuf::from).join("config.json")
        });
        Registries {
            hosts_dir: self.registry_hosts_dir,
            config,
            stall: self.image_pull_progress_timeout,
        }
    }
}
