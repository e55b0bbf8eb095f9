//! Reads the root filesystem of an image: its users and groups, and the content of its volumes.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use probelet_runtime::{CallError, Image, Mount, Namespace, View};

use super::error::NodeError;
use crate::domain::user::ImageUsers;
use crate::rootfs::{self, Layers};

/// How often a view is made: it has no owner, so containerd's collector may remove it before it is
/// mounted.
const TRIES: u32 = 3;

#[derive(Debug, Clone)]
pub struct ImageReader {
    namespace: Namespace,
    /// The folder in which views are mounted.
    run_dir: PathBuf,
}

impl ImageReader {
    pub fn new(namespace: Namespace, run_dir: PathBuf) -> Self {
        Self { namespace, run_dir }
    }

    /// Returns the image's users. They are read once for each digest, whose content cannot change.
    pub async fn users(&self, image: &Image) -> Result<ImageUsers, NodeError> {
        let content = &image.content;
        let files = content.users.get_or_try_init(|| self.read_users(image)).await?;
        let (passwd, group) = files.clone();
        let config = content.config.config().clone().unwrap_or_default();
        Ok(ImageUsers { user: config.user().clone().unwrap_or_default(), passwd, group })
    }

    async fn read_users(&self, image: &Image) -> Result<(String, String), NodeError> {
        if image.content.chain_id.is_empty() {
            return Ok(Default::default());
        }
        let read = |root: &OwnedFd| {
            let read = |file| {
                let failed = |error| io::Error::other(format!("/{file}: {error}"));
                rootfs::read_file(root, file).map_err(failed)
            };
            Ok((read("etc/passwd")?, read("etc/group")?))
        };
        self.in_view(image, read).await
    }

    /// Runs `work` on the root of an image, in a view that is removed afterwards.
    pub async fn in_view<T: Send + 'static>(
        &self,
        image: &Image,
        work: impl Fn(&OwnedFd) -> io::Result<T> + Clone + Send + 'static,
    ) -> Result<T, NodeError> {
        let mut tries = 1..TRIES;
        loop {
            match self.try_in_view(image, work.clone()).await {
                Err(CallError::Failed(_) | CallError::Refused(_)) if tries.next().is_some() => {}
                done => return Ok(done?),
            }
        }
    }

    async fn try_in_view<T: Send + 'static>(
        &self,
        image: &Image,
        work: impl Fn(&OwnedFd) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CallError> {
        let snapshots = &self.namespace.snapshots;
        let key = format!("probelet-view-{}", uuid::Uuid::new_v4());
        let view = View { key: &key, image, labels: Default::default(), is_kept: false };
        let mount = snapshots.view(view).await?.into_iter().next().unwrap_or_default();
        let (layers, folder) = (layers(mount), self.run_dir.clone());
        let done = tokio::task::spawn_blocking(move || rootfs::within(&layers, &folder, work));
        let done = done.await;
        CallError::unless_missing(snapshots.remove(&key).await)?;
        let failed = |error: &dyn std::fmt::Display| {
            CallError::failed(format!("a view of the image: {error}"))
        };
        done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

pub fn layers(mount: Mount) -> Layers {
    Layers { kind: mount.kind, source: mount.source, options: mount.options }
}
