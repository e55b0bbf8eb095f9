//! Where containerd is, and where things of its containers go.

use std::path::{Path, PathBuf};

use super::Watched;
use crate::domain::log::Limits;
use crate::registry::Registries;
use crate::runtime::RuntimeError;

#[derive(Debug, Clone)]
pub struct Config {
    /// containerd's gRPC socket.
    pub address: PathBuf,
    /// containerd's namespace, made at the first container.
    pub namespace: String,
    /// Logs go to `POD/CONTAINER/ATTEMPT.log` under it.
    pub log_dir: PathBuf,
    pub log_limits: Limits,
    /// The FIFOs of commands go to `exec/` under it, which is this daemon's alone; the pins of
    /// pods' namespaces beside it.
    pub run_dir: PathBuf,
    pub snapshotter: String,
    /// Where others' containers may ask for care.
    pub watched: Watched,
    /// Below which the files are that their owners' labels may name for their output.
    pub adopted_log_dirs: Vec<PathBuf>,
    /// Where `localhostProfile` of a seccomp profile is looked for.
    pub seccomp_dir: PathBuf,
    pub registries: Registries,
    /// Volumes that must outlive a reboot, and pods' files, go to `pods/` under it.
    pub data_dir: PathBuf,
    /// The first configuration in it is the network of pods.
    pub cni_conf_dir: PathBuf,
    /// Where plugins are looked for, in turn.
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
            snapshotter: "overlayfs".into(),
            watched: Watched::All,
            adopted_log_dirs: vec!["/var/log".into()],
            seccomp_dir: "/var/lib/probelet/seccomp".into(),
            registries: Registries::default(),
            data_dir: "/var/lib/probelet".into(),
            cni_conf_dir: "/etc/cni/net.d".into(),
            cni_bin_dirs: vec!["/opt/cni/bin".into(), "/usr/lib/cni".into()],
        }
    }
}

/// A path that does not depend on who reads it, as text without some characters.
pub(super) fn absolute(name: &str, path: &Path, without: &[char]) -> Result<PathBuf, RuntimeError> {
    let bad = |reason: String| {
        RuntimeError::Internal(format!("{name} folder {}: {reason}", path.display()))
    };
    let path = std::path::absolute(path).map_err(|error| bad(error.to_string()))?;
    match path.to_str() {
        None => Err(bad("must be UTF-8".to_owned())),
        Some(text) if text.contains(without) => {
            Err(bad(format!("must be without {}", String::from_iter(without))))
        }
        Some(_) => Ok(path),
    }
}
