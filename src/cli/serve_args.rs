//! The flags of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::brake_args::BrakeArgs;
use super::listen_args::ListenArgs;
use super::log_args::LogArgs;
use super::registry_args::RegistryArgs;

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The value of the global flag of the same name.
    #[arg(skip)]
    pub socket: PathBuf,
    /// A TOML file in which each of these flags may be a key, such as `log-dir = "/var/log"`. A
    /// flag overrides its environment variable, and both override the file.
    /// [default: /etc/probelet/config.toml if there is one]
    #[arg(long, value_name = "PATH", env = "PROBELET_CONFIG")]
    pub config: Option<PathBuf>,
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_CONTAINERD_ADDRESS",
        default_value = "/run/containerd/containerd.sock"
    )]
    pub containerd_address: PathBuf,
    /// The containerd namespace of the containers that probelet creates.
    #[arg(
        long,
        value_name = "NAME",
        env = "PROBELET_CONTAINERD_NAMESPACE",
        default_value = "probelet"
    )]
    pub containerd_namespace: String,
    /// The containerd namespaces in which containers of other clients may be adopted, by
    /// `probelet/…` labels or by `adopt`. Labels of their images do not count. `*` is all except
    /// k8s.io and moby, whose own supervisors would fight a restart.
    #[arg(
        long,
        value_name = "NAME,…",
        env = "PROBELET_WATCH_NAMESPACES",
        default_value = "*",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,
    /// Folders below which the labels of an adopted container (`containerd.io/restart.loguri`,
    /// `nerdctl/log-uri`) may name a regular file for its output, as `file:///PATH`. Labels of its
    /// image never do.
    #[arg(
        long,
        value_name = "PATH,…",
        env = "PROBELET_ADOPTED_LOG_DIRS",
        default_value = "/var/log",
        value_delimiter = ','
    )]
    pub adopted_log_dirs: Vec<PathBuf>,
    /// The folder of pinned namespaces, volumes in memory, loggers' sockets and pipes of commands.
    /// Created if it is missing; a reboot may empty it.
    #[arg(long, value_name = "PATH", env = "PROBELET_RUN_DIR", default_value = "/run/probelet")]
    pub run_dir: PathBuf,
    /// The folder of container logs in CRI format: `POD/CONTAINER/ATTEMPT.log` and rotated files.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_LOG_DIR",
        default_value = "/var/log/probelet"
    )]
    pub log_dir: PathBuf,
    /// The folder of seccomp profiles that manifests name as `localhostProfile`.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_SECCOMP_DIR",
        default_value = "/var/lib/probelet/seccomp"
    )]
    pub seccomp_dir: PathBuf,
    /// The folder of volumes that outlive a reboot and of pods' hosts and resolv.conf, `pods/UID`,
    /// and of network state, `cni/UID`. Created if it is missing.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_DATA_DIR",
        default_value = "/var/lib/probelet"
    )]
    pub data_dir: PathBuf,
    /// A folder of manifests (.yaml, .yml, .json) to keep running: a new file creates its pods, an
    /// edit changes them, a removal deletes them. [default: none]
    #[arg(long, value_name = "PATH", env = "PROBELET_MANIFEST_DIR")]
    pub manifest_dir: Option<PathBuf>,
    /// The folder of the CNI configuration: the first `.conflist`, `.conf` or `.json` by name is
    /// used. Without one a pod has only its loopback.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_CNI_CONF_DIR",
        default_value = "/etc/cni/net.d"
    )]
    pub cni_conf_dir: PathBuf,
    /// The folders that are searched for CNI plugins, in this order.
    #[arg(
        long,
        value_name = "PATH,…",
        env = "PROBELET_CNI_BIN_DIR",
        default_value = "/opt/cni/bin,/usr/lib/cni",
        value_delimiter = ','
    )]
    pub cni_bin_dir: Vec<PathBuf>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, for example 127.0.0.1:9464.
    /// [default: none]
    #[arg(long, value_name = "ADDR", env = "PROBELET_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// The format of the daemon's own log on stderr. [default: text on a terminal, else logfmt]
    #[arg(long, value_name = "FORMAT", value_enum, env = "PROBELET_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub logs: LogArgs,
    #[command(flatten)]
    pub registry: Box<RegistryArgs>,
    #[command(flatten)]
    pub brake: BrakeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Logfmt,
    Json,
}
