//! The configuration of the daemon: the flags of `serve`, which are also the keys of its
//! configuration file.

mod brake;
mod file;
mod listen;
mod logs;
mod registries;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use brake::BrakeConfig;
pub use file::{ConfigFileError, DEFAULT_FILE, NO_KEYS, defaults_from_file};
pub use listen::{ListenConfig, ListenError, TlsFiles};
use logs::LogConfig;
use registries::RegistryConfig;

use crate::domain::spec::ExecVia;
use crate::trusted::{self, TrustError};

/// The snapshotter of root filesystems: containerd's default.
pub const SNAPSHOTTER: &str = "overlayfs";

/// The values of the flags of `serve`, by the flag's name, by which two configurations are compared.
pub type Settings = BTreeMap<String, Vec<OsString>>;

/// A folder whose writers are root of the host in effect, and which others than root can write to.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {error}")]
pub struct FolderError {
    flag: &'static str,
    #[source]
    error: TrustError,
}

// No doc comment: clap would print it as the description of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// The path of the Unix socket, which is the value of the global flag of that name.
    #[arg(skip)]
    pub socket: PathBuf,
    /// A TOML file in which each of these flags may be a key, such as `log-dir = "/var/log"`. A
    /// flag overrides its environment variable, and both override the file.
    /// [default: /etc/probelet/config.toml if there is one]
    #[arg(long = "config", value_name = "PATH", env = "PROBELET_CONFIG")]
    pub config_file: Option<PathBuf>,
    /// The path of containerd's socket.
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
    /// The folder of container logs in CRI format: `POD/CONTAINER/ATTEMPT.log` and rotated files,
    /// below `_namespaces/NAMESPACE` in another namespace than `default`.
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
        long = "cni-bin-dir",
        value_name = "PATH,…",
        env = "PROBELET_CNI_BIN_DIR",
        default_value = "/opt/cni/bin,/usr/lib/cni",
        value_delimiter = ','
    )]
    pub cni_bin_dirs: Vec<PathBuf>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, for example 127.0.0.1:9464, and a page
    /// about the pods of this host at http://ADDR/. [default: none]
    #[arg(long, value_name = "ADDR", env = "PROBELET_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// Show on that page also what containers wrote: answers to probes, messages, and the last lines of
    /// logs. They may have secrets, and everyone who reaches the address sees them.
    #[arg(
        long,
        value_name = "BOOL",
        env = "PROBELET_METRICS_PAGE_TEXTS",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub metrics_page_texts: bool,
    /// Serve a Kubernetes API for kubectl and other clients at https://ADDR, for example
    /// 127.0.0.1:6443. `probelet kubeconfig` issues their credentials. [default: none]
    #[arg(long, value_name = "ADDR", env = "PROBELET_KUBE_API")]
    pub kube_api: Option<SocketAddr>,
    /// The format of the daemon's own log on stderr. [default: text on a terminal, else logfmt]
    #[arg(long, value_name = "FORMAT", value_enum, env = "PROBELET_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The least level of the lines in the daemon's own log. Levels of single modules in RUST_LOG
    /// (`probelet=debug,hyper=trace`) take precedence.
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        env = "PROBELET_LOG_LEVEL",
        default_value = "info"
    )]
    pub log_level: LogLevel,
    /// How the commands of exec probes run: through containerd, or by a process of the daemon that
    /// joins the container, which costs much less. The annotation
    /// `probelet.io/CONTAINER.PROBE.execVia` overrides it for a probe. A command that cannot be run
    /// directly with all that its container has is not run, and the probe reports why.
    #[arg(
        long,
        value_name = "VIA",
        value_enum,
        env = "PROBELET_EXEC_VIA",
        default_value = "containerd"
    )]
    pub exec_via: ExecWay,
    #[command(flatten)]
    pub listen: ListenConfig,
    #[command(flatten)]
    pub logs: LogConfig,
    #[command(flatten)]
    pub registries: Box<RegistryConfig>,
    #[command(flatten)]
    pub brake: BrakeConfig,
}

impl Config {
    /// The flags whose values a running daemon takes over at SIGHUP. The files of --tls-cert, --tls-key
    /// and --tls-client-ca are also read again if their names are the same.
    pub const RELOADED: [&str; 15] = [
        "log-level",
        "tls-cert",
        "tls-key",
        "tls-client-ca",
        "registry-config",
        "registry-hosts-dir",
        "registry-realm",
        "image-pull-progress-timeout",
        "kill-burst",
        "kill-refill",
        "storm-containers",
        "storm-share",
        "storm-window",
        "pressure-limit",
        "no-brake",
    ];

    /// The same configuration with this path of the Unix socket.
    pub fn with_socket(self, socket: PathBuf) -> Self {
        Self { socket, ..self }
    }

    /// Checks the folders whose writers are root of the host in effect. A user that can replace the
    /// socket gets what callers send.
    ///
    /// # Errors
    ///
    /// The flag of the first folder that others than root can write to.
    pub fn check_folders(&self) -> Result<(), FolderError> {
        let registries = self.registries.registries();
        let bin_dirs = self.cni_bin_dirs.iter().map(|dir| ("--cni-bin-dir", dir));
        let manifest_dir = self.manifest_dir.iter().map(|dir| ("--manifest-dir", dir));
        let folders = [
            ("--socket", &self.socket),
            ("--run-dir", &self.run_dir),
            ("--data-dir", &self.data_dir),
            ("--log-dir", &self.log_dir),
            ("--seccomp-dir", &self.seccomp_dir),
            ("--cni-conf-dir", &self.cni_conf_dir),
            ("--registry-config", &registries.config),
            ("--registry-hosts-dir", &registries.hosts_dir),
        ];
        let mut all = folders.into_iter().chain(bin_dirs).chain(manifest_dir);
        all.try_for_each(|(flag, folder)| {
            trusted::check(folder).map_err(|error| FolderError { flag, error })
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExecWay {
    Containerd,
    Direct,
}

impl From<ExecWay> for ExecVia {
    fn from(way: ExecWay) -> Self {
        match way {
            ExecWay::Containerd => Self::Containerd,
            ExecWay::Direct => Self::Direct,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Logfmt,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
