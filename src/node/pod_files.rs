//! A pod's files on the host: `hosts`, `resolv.conf`, `/dev/shm`, termination messages.

use std::io;
use std::path::PathBuf;

use super::attempt::{AttemptId, StartRequest};
use super::error::NodeError;
use crate::claims::Claims;
use crate::domain::hosts;
use crate::domain::spec::PodSpec;
use crate::files;
use crate::pod_files::{PodFiles, Texts};
use crate::volumes::Volumes;

const HOSTS: &str = "/etc/hosts";
const RESOLVER: &str = "/etc/resolv.conf";
/// Limit for a file, in bytes: hosts files that block many names are long.
const LONGEST: usize = 16 << 20;
const SYSTEMD_RESOLVER: &str = "/run/systemd/resolve/resolv.conf";

fn shares_shm(pod: &PodSpec) -> bool {
    pod.is_several() && !pod.host_namespaces.ipc
}

#[derive(Debug, Clone)]
pub struct FilesOfPods {
    files: PodFiles,
    volumes: Volumes,
    claims: Claims,
}

impl FilesOfPods {
    pub fn new(files: PodFiles, volumes: Volumes, claims: Claims) -> Self {
        Self { files, volumes, claims }
    }

    pub fn folder(&self, uid: &str) -> PathBuf {
        self.files.folder(uid)
    }

    /// Returns the pod's shared `/dev/shm`, if it has one.
    pub fn shm(&self, pod: &PodSpec) -> Option<PathBuf> {
        shares_shm(pod).then(|| self.files.shm(&pod.uid))
    }

    /// Returns the file that is mounted in the container as its termination message.
    pub fn message(&self, uid: &str, id: &AttemptId) -> PathBuf {
        self.files.message(uid, &id.container, id.attempt)
    }

    /// Creates the pod's files. `ip` is the pod's address. The caller holds the pod's lock.
    pub async fn make(&self, pod: &PodSpec, ip: Option<String>) -> Result<(), NodeError> {
        let failed = |error: &dyn std::fmt::Display| {
            NodeError::start_failed(format!("the pod's files: {error}"))
        };
        let claim = claim(&self.claims, &pod.uid)?;
        let (pod_files, volumes, pod) = (self.files.clone(), self.volumes.clone(), pod.clone());
        let made = tokio::task::spawn_blocking(move || {
            volumes.claim(&pod.uid)?;
            let mut resolver = text(RESOLVER)?;
            // systemd also writes a file that names the real servers instead of its stub.
            if !pod.host_namespaces.network && hosts::is_out_of_reach(&resolver) {
                let own = Some(text(SYSTEMD_RESOLVER)?).filter(|text| !text.is_empty());
                resolver = own.unwrap_or(resolver);
            }
            let texts = Texts {
                hosts: hosts::hosts_file(&pod, &text(HOSTS)?, ip.as_deref()),
                resolver: hosts::resolver_file(&pod, &resolver),
            };
            pod_files.make(&claim, &texts, shares_shm(&pod))
        });
        made.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// Creates the termination message, empty and writable by any user that the container may run
    /// as, with a link beside the log.
    pub async fn make_message(
        &self,
        creation: &StartRequest,
        link: PathBuf,
    ) -> Result<(), NodeError> {
        let uid = creation.pod.uid.clone();
        let (file, files) = (self.message(&uid, &creation.id), self.files.clone());
        let volumes = self.volumes.clone();
        let made = move || volumes.claim(&uid).and_then(|()| files.make_message(&file, &link));
        let made = tokio::task::spawn_blocking(made).await.map_err(io::Error::other);
        made.and_then(|made| made).map_err(|error| {
            NodeError::start_failed(format!("file for the termination message: {error}"))
        })
    }

    pub fn have_traces(&self, uid: &str) -> bool {
        self.files.have_traces(uid)
    }

    pub fn remove(&self, uid: &str) -> io::Result<()> {
        self.files.remove(uid)
    }
}

/// Claims the pod's uid. This must precede anything that is pinned or mounted for the pod.
pub fn claim(claims: &Claims, uid: &str) -> Result<crate::claims::Claim, NodeError> {
    claims.claim(uid).map_err(|error| {
        NodeError::start_failed(format!("the claim of pod {uid} in the run folder: {error}"))
    })
}

/// Reads a file of the host. A missing file is treated as empty, as libc does.
fn text(path: &str) -> io::Result<String> {
    match files::read(path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
