//! The flags of registries.

use std::path::PathBuf;
use std::time::Duration;

use probelet_text::duration;

use crate::domain::image::Realm;
use crate::registry::Registries;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryConfig {
    /// Docker's config.json with credentials for registries, read at each pull. [default:
    /// $DOCKER_CONFIG/config.json, with DOCKER_CONFIG=/root/.docker if it is unset]
    #[arg(long, value_name = "PATH", env = "PROBELET_REGISTRY_CONFIG")]
    registry_config: Option<PathBuf>,
    /// The folder of REGISTRY/hosts.toml files in containerd's format (mirrors, plain HTTP,
    /// certificates), read at each pull.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_REGISTRY_HOSTS_DIR",
        default_value = "/etc/containerd/certs.d"
    )]
    registry_hosts_dir: PathBuf,
    /// Hosts that may exchange a registry's logins for tokens beside the registry itself, such as
    /// registry.example.com=https://auth.example.com. Those of Docker Hub, gitlab.com and
    /// DigitalOcean are built in.
    #[arg(
        long,
        value_name = "REGISTRY=URL,…",
        env = "PROBELET_REGISTRY_REALM",
        value_delimiter = ','
    )]
    registry_realm: Vec<Realm>,
    /// A pull is abandoned and retried later if the registry sends nothing for this long.
    #[arg(
        long,
        value_name = "DURATION",
        env = "PROBELET_IMAGE_PULL_PROGRESS_TIMEOUT",
        default_value = "1m",
        value_parser = duration::parse
    )]
    image_pull_progress_timeout: Duration,
}

impl RegistryConfig {
    /// The settings of pulls.
    pub fn registries(&self) -> Registries {
        let folder = || std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty());
        let config = self.registry_config.clone().unwrap_or_else(|| {
            folder().map_or_else(|| "/root/.docker".into(), PathBuf::from).join("config.json")
        });
        Registries {
            hosts_dir: self.registry_hosts_dir.clone(),
            config,
            realms: self.registry_realm.clone().into(),
            stall: self.image_pull_progress_timeout,
        }
    }
}
