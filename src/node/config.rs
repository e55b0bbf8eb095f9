//! Settings of the node: its namespace, and where the files of pods go.

use std::path::{Path, PathBuf};

use crate::domain::log::Limits;

use super::error::NodeError;

/// The namespaces whose foreign containers are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// All namespaces but those of Kubernetes and Docker.
    All,
    Only(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct Config {
    /// The runtime's socket, by which the leftovers of its containers are recognized.
    pub address: PathBuf,
    /// The runtime's namespace, which the first container creates.
    pub namespace: String,
    /// Folder of the logs: `POD/CONTAINER/ATTEMPT.log`, below `_namespaces/NAMESPACE` in another
    /// namespace than `default`.
    pub log_dir: PathBuf,
    pub log_limits: Limits,
    /// Folder that only this daemon uses. The FIFOs of commands are in `exec/` below it, beside the
    /// pins of pods' namespaces.
    pub run_dir: PathBuf,
    /// Namespaces whose foreign containers may request restarts and probes by label.
    pub watched: Watched,
    /// Folders below which the labels of adopted containers may name a file for their output.
    pub adopted_log_dirs: Vec<PathBuf>,
    /// Folder of the seccomp profiles that `localhostProfile` names.
    pub seccomp_dir: PathBuf,
    /// Folder of volumes that must survive a reboot, and of pods' files: both are in `pods/` below
    /// it.
    pub data_dir: PathBuf,
    /// Folder of CNI configurations. The first one is the pods' network.
    pub cni_conf_dir: PathBuf,
    /// Folders that are searched for CNI plugins, in this order.
    pub cni_bin_dirs: Vec<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "/run/containerd/containerd.sock".into(),
            namespace: "probelet".into(),
            log_dir: "/var/log/probelet".into(),
            log_limits: Limits::default(),
            run_dir: "/run/probelet".into(),
            watched: Watched::All,
            adopted_log_dirs: vec!["/var/log".into()],
            seccomp_dir: "/var/lib/probelet/seccomp".into(),
            data_dir: "/var/lib/probelet".into(),
            cni_conf_dir: "/etc/cni/net.d".into(),
            cni_bin_dirs: vec!["/opt/cni/bin".into(), "/usr/lib/cni".into()],
        }
    }
}

/// A path made absolute, as text. A path with one of the characters in `without` is refused.
pub fn absolute(name: &str, path: &Path, without: &[char]) -> Result<PathBuf, NodeError> {
    let bad =
        |reason: String| NodeError::Internal(format!("{name} folder {}: {reason}", path.display()));
    let path = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
    match path.to_str() {
        None => Err(bad("must be UTF-8".to_owned())),
        Some(text) if text.contains(without) => {
            Err(bad(format!("must be without {}", String::from_iter(without))))
        }
        Some(_) => Ok(path),
    }
}
