//! The users and groups in an image's `/etc/passwd` and `/etc/group`.

use std::io;
use std::os::fd::OwnedFd;

use containerd_client::services::v1::snapshots::ViewSnapshotRequest;
use containerd_client::types::Mount;

use super::Containerd;
use super::client::{DEADLINE, call, missing_is_fine};
use super::images::Image;
use crate::domain::user::ImageUsers;
use crate::rootfs::{self, Layers};
use crate::runtime::RuntimeError;

/// How often a view is made: it has no owner, so containerd's collector may remove it before it is
/// mounted.
const TRIES: u32 = 3;

impl Containerd {
    /// Returns the image's users. They are read once for each digest, whose content cannot change.
    pub(super) async fn users(&self, image: &Image) -> Result<ImageUsers, RuntimeError> {
        let content = &image.content;
        let files = content.users.get_or_try_init(|| self.read_users(image)).await?;
        let (passwd, group) = files.clone();
        let config = content.config.config().clone().unwrap_or_default();
        Ok(ImageUsers { user: config.user().clone().unwrap_or_default(), passwd, group })
    }

    async fn read_users(&self, image: &Image) -> Result<(String, String), RuntimeError> {
        let chain_id = &image.content.chain_id;
        if chain_id.is_empty() {
            return Ok(Default::default());
        }
        let read = |root: &OwnedFd| {
            let read = |file| {
                let failed = |error| io::Error::other(format!("/{file}: {error}"));
                rootfs::read_file(root, file).map_err(failed)
            };
            Ok((read("etc/passwd")?, read("etc/group")?))
        };
        self.in_view(&image.name, chain_id, read).await
    }

    /// Runs `work` on the root of an image, in a view that is removed afterwards.
    pub(super) async fn in_view<T: Send + 'static>(
        &self,
        image: &str,
        chain_id: &str,
        work: impl Fn(&OwnedFd) -> io::Result<T> + Clone + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let mut tries = 1..TRIES;
        loop {
            match self.try_in_view(chain_id, work.clone()).await {
                Err(RuntimeError::NotFound(_)) => return Err(self.client.not_unpacked(image)),
                Err(RuntimeError::Internal(_) | RuntimeError::Refused { .. })
                    if tries.next().is_some() => {}
                other => return other,
            }
        }
    }

    async fn try_in_view<T: Send + 'static>(
        &self,
        chain_id: &str,
        work: impl Fn(&OwnedFd) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let key = format!("probelet-view-{}", uuid::Uuid::new_v4());
        let request = self.client.request(ViewSnapshotRequest {
            snapshotter: self.client.snapshotter.to_string(),
            key: key.clone(),
            parent: chain_id.to_owned(),
            ..ViewSnapshotRequest::default()
        });
        let mut snapshots = self.client.snapshots();
        let view = call("Snapshots.View", DEADLINE, snapshots.view(request)).await?;
        let mount = view.mounts.into_iter().next().unwrap_or_default();
        let layers = layers(mount);
        let place = self.run_dir.clone();
        let done = tokio::task::spawn_blocking(move || rootfs::within(&layers, &place, work));
        let done = done.await;
        missing_is_fine(self.client.remove_snapshot(&key).await)?;
        let failed = |error: &dyn std::fmt::Display| {
            RuntimeError::Internal(format!("a view of the image: {error}"))
        };
        done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

pub(super) fn layers(mount: Mount) -> Layers {
    Layers { kind: mount.r#type, source: mount.source, options: mount.options }
}
