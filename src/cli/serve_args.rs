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
    /// From the global flag of the same name.
    #[arg(skip)]
    pub socket: PathBuf,
    /// A TOML file in which each of these flags may be a key, such as `log-dir = "/var/log"`. A
    /// flag goes before its environment variable, and both before the file.
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
    /// Where the containers that it creates live.
    #[arg(
        long,
        value_name = "NAME",
        env = "PROBELET_CONTAINERD_NAMESPACE",
        default_value = "probelet"
    )]
    pub containerd_namespace: String,
    /// containerd's namespaces in which containers that somebody else made are looked after if
    /// they ask for it by `probelet/…` labels or `adopt`; `*` is all but k8s.io and moby, whose
    /// own supervisors would fight a restart.
    #[arg(
        long,
        value_name = "NAME,…",
        env = "PROBELET_WATCH_NAMESPACES",
        default_value = "*",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,
    /// Pods' pinned namespaces, their hosts and resolv.conf, volumes in memory, pipes of commands. Made where it is
    /// missing; may vanish at boot.
    #[arg(long, value_name = "PATH", env = "PROBELET_RUN_DIR", default_value = "/run/probelet")]
    pub run_dir: PathBuf,
    /// Container logs in CRI format, `POD/CONTAINER/ATTEMPT.log` and what was rotated of it.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_LOG_DIR",
        default_value = "/var/log/probelet"
    )]
    pub log_dir: PathBuf,
    /// Seccomp profiles that manifests name as `localhostProfile`.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_SECCOMP_DIR",
        default_value = "/var/lib/probelet/seccomp"
    )]
    pub seccomp_dir: PathBuf,
    /// Pods' volumes that outlive a reboot, `pods/UID`, and how pods are connected, `cni/UID`; made
    /// where it is missing.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_DATA_DIR",
        default_value = "/var/lib/probelet"
    )]
    pub data_dir: PathBuf,
    /// A folder of manifests (.yaml, .yml, .json) whose pods are kept as they say: a new file
    /// makes its pods, an edit changes them, a removal deletes them. None if left out.
    #[arg(long, value_name = "PATH", env = "PROBELET_MANIFEST_DIR")]
    pub manifest_dir: Option<PathBuf>,
    /// Where the network of pods is configured for CNI plugins: the first `.conflist`, `.conf` or
    /// `.json` by its name. Without one a pod has its loopback alone.
    #[arg(
        long,
        value_name = "PATH",
        env = "PROBELET_CNI_CONF_DIR",
        default_value = "/etc/cni/net.d"
    )]
    pub cni_conf_dir: PathBuf,
    /// Where CNI plugins are looked for, in turn.
    #[arg(
        long,
        value_name = "PATH,…",
        env = "PROBELET_CNI_BIN_DIR",
        default_value = "/opt/cni/bin,/usr/lib/cni",
        value_delimiter = ','
    )]
    pub cni_bin_dir: Vec<PathBuf>,
    /// Metrics for Prometheus at http://ADDR/metrics, such as 127.0.0.1:9464; none if left out.
    #[arg(long, value_name = "ADDR", env = "PROBELET_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// How the daemon itself logs to stderr. [default: text on a terminal, else logfmt]
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
