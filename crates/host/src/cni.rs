//! CNI plugins: the network of new pods, and how pods are attached to it and detached.
//!
//! A pod's attachment is stored in `DATA_DIR/cni/UID`, from before its first plugin is run until
//! the last one has detached it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::fs;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::files;
use crate::trusted::{self, TrustError};
use probelet_domain::cni::{Attachment, Command, INTERFACE, Network, first, is_result, parse};

mod exec;
mod store;

use exec::Call;
use store::Store;

/// Limit for one plugin call. Some plugins ask a server, and none may block a pod for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a pod is not connected.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CniError {
    /// A file of the configuration cannot be used.
    #[error("CNI configuration {file}: {reason}")]
    Configuration {
        /// The file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// A plugin refused, failed, or did not end in time.
    #[error("CNI network {network:?}: {reason}")]
    Plugin {
        /// The name of the network.
        network: String,
        /// The plugin's error.
        reason: String,
    },
    /// The stored result of an earlier call cannot be read or written.
    #[error("CNI state {file}: {reason}")]
    State {
        /// The file.
        file: String,
        /// The error of the operating system.
        reason: String,
    },
}

/// CNI plugins and their configuration.
#[derive(Debug, Clone)]
pub struct Cni {
    conf_dir: PathBuf,
    bin_dirs: Vec<PathBuf>,
    store: Store,
    patience: Duration,
}

impl Cni {
    /// Returns the plugins of these folders. `owner` names the runtime that the pods belong to.
    pub fn new(conf_dir: PathBuf, bin_dirs: Vec<PathBuf>, data_dir: &Path, owner: String) -> Self {
        let store = Store::new(data_dir.join("cni"), owner);
        Self { conf_dir, bin_dirs, store, patience: PATIENCE }
    }

    /// The folder of the configuration.
    pub fn conf_dir(&self) -> &Path {
        &self.conf_dir
    }

    /// The network of new pods, as the configuration is now.
    pub async fn network(&self) -> Result<Option<Network>, CniError> {
        let unreadable = |path: &Path, error: io::Error| CniError::Configuration {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut names = Vec::new();
        match fs::read_dir(&self.conf_dir).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&self.conf_dir, error)),
            Ok(mut folder) => loop {
                let entry = folder.next_entry().await;
                match entry.map_err(|error| unreadable(&self.conf_dir, error))? {
                    Some(entry) => names.extend(entry.file_name().into_string().ok()),
                    None => break,
                }
            },
        }
        let Some(name) = first(names) else { return Ok(None) };
        let file = self.conf_dir.join(&name);
        let text = trusted::read_text(file.clone(), files::CONFIGURATION)
            .await
            .map_err(|error| unreadable(&file, error))?;
        let network = parse(&name, &text);
        network
            .map(Some)
            .map_err(|reason| CniError::Configuration { file: file.display().to_string(), reason })
    }

    /// Stores the attachment, so that the pod is detached later even if the daemon dies now.
    pub async fn prepare(&self, pod: &Attachment) -> Result<(), CniError> {
        self.store.write(pod).await
    }

    /// Runs all plugins, each with the result of the one before. The caller has to detach a pod
    /// that fails. The call is cancelled when `given_up` resolves.
    pub async fn attach(
        &self,
        pod: &mut Attachment,
        netns: &Path,
        given_up: &CancellationToken,
    ) -> Result<(), CniError> {
        let mut result = None;
        for plugin in &pod.network.plugins {
            let request = pod.network.request(plugin, result.as_ref(), &pod.ports);
            let call = (Command::Add, plugin.kind.as_str());
            let answer = self.call(pod, call, netns, &request, given_up).await?;
            if !is_result(&answer) {
                return Err(failed(pod, format!("plugin type={:?} gave no result", plugin.kind)));
            }
            result = Some(answer);
        }
        pod.result = result;
        self.store.write(pod).await
    }

    /// Detaches the pod. Plugins report success if nothing is left to remove, so callers may repeat
    /// the call.
    pub async fn detach(&self, pod: &Attachment, netns: Option<&Path>) -> Result<(), CniError> {
        let netns = netns.unwrap_or(Path::new(""));
        for plugin in pod.network.plugins.iter().rev() {
            let request = pod.network.request(plugin, pod.past(), &pod.ports);
            let (call, never) = ((Command::Del, plugin.kind.as_str()), CancellationToken::new());
            self.call(pod, call, netns, &request, &never).await?;
        }
        Ok(())
    }

    /// Removes the stored attachment of a pod that does not have to be detached any more.
    pub async fn forget(&self, uid: &str) -> Result<(), CniError> {
        self.store.remove(uid).await
    }

    /// Whether the network is still as it was made.
    pub async fn check(
        &self,
        pod: &Attachment,
        netns: &Path,
        given_up: &CancellationToken,
    ) -> Result<(), CniError> {
        for plugin in &pod.network.plugins {
            let request = pod.network.request(plugin, pod.past(), &pod.ports);
            let call = (Command::Check, plugin.kind.as_str());
            self.call(pod, call, netns, &request, given_up).await?;
        }
        Ok(())
    }

    /// The stored attachment of a pod, if the pod is attached or an attempt to attach it began.
    pub async fn attachment(&self, uid: &str) -> Result<Option<Attachment>, CniError> {
        self.store.read(uid).await
    }

    /// Whether results of the pod are stored.
    pub fn has_traces(&self, uid: &str) -> bool {
        self.store.has(uid)
    }

    /// The stored attachments of all pods of this runtime.
    pub async fn attachments(&self) -> Vec<Attachment> {
        self.store.all().await
    }

    async fn call(
        &self,
        pod: &Attachment,
        (command, kind): (Command, &str),
        netns: &Path,
        request: &Value,
        given_up: &CancellationToken,
    ) -> Result<Value, CniError> {
        let found = self.find(kind).await.map_err(|error| failed(pod, error.to_string()))?;
        let Some(program) = found else {
            let folders: Vec<_> =
                self.bin_dirs.iter().map(|dir| dir.display().to_string()).collect();
            return Err(failed(pod, format!("no plugin {kind:?} in {}", folders.join(", "))));
        };
        let call = Call {
            program: &program,
            kind,
            command,
            container: &pod.uid,
            netns,
            interface: INTERFACE,
            args: &pod.args(),
            path: &self.bin_dirs,
        };
        let bound = async {
            match timeout(self.patience, given_up.cancelled()).await {
                Ok(()) => "given up, the pod is deleted".to_owned(),
                Err(_) => format!("not within {} s", self.patience.as_secs_f32()),
            }
        };
        call.run(request, bound).await.map_err(|reason| failed(pod, reason))
    }

    /// Finds a plugin; `None` if no folder has it.
    async fn find(&self, kind: &str) -> Result<Option<PathBuf>, TrustError> {
        for folder in &self.bin_dirs {
            let program = folder.join(kind);
            if fs::metadata(&program).await.is_ok_and(|found| found.is_file()) {
                return trusted::check(&program).map(|()| Some(program));
            }
        }
        Ok(None)
    }
}

fn failed(pod: &Attachment, reason: String) -> CniError {
    CniError::Plugin { network: pod.network.name.clone(), reason }
}

#[cfg(test)]
mod tests;
