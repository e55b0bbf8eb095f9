//! The errors that prevent the start of the daemon, or end it.

use std::io;
use std::path::PathBuf;

use super::namespace_lock::LockError;
use super::unix_listener::SocketError;
use crate::kube_authority::AuthorityError;
use crate::kube_objects::StoreError;
use crate::node::{CallError, NodeError};
use crate::supervisor::SupervisorError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("creating {}: {error}", path.display())]
    RunFolder {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Signals cannot be received.
    #[error(transparent)]
    Signals(io::Error),
    #[error("no thread for the pods: {0}")]
    PodThread(#[source] io::Error),
    #[error("containerd: {0}")]
    Containerd(#[source] CallError),
    #[error(transparent)]
    Node(NodeError),
    #[error("--kube-api: {0}")]
    KubeApi(#[from] AuthorityError),
    #[error("--kube-api: {0}")]
    KubeApiAddress(#[source] io::Error),
    #[error("--kube-api: {0}")]
    KubeObjects(#[from] StoreError),
    #[error("--manifest-dir: {0}")]
    ManifestDir(#[source] io::Error),
    #[error("--listen: {0}")]
    Listen(#[source] io::Error),
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("recovering what runs from containerd at {} (--containerd-address): {error}", address.display())]
    Recovery {
        address: PathBuf,
        #[source]
        error: SupervisorError,
    },
}
