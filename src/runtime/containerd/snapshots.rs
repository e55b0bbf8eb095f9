//! Writable snapshots: each attempt has one, made from the image's layers.

use containerd_client::services::v1::snapshots::{
    MountsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::types::Mount;

use super::client::{Client, DEADLINE, call};
use crate::runtime::RuntimeError;

impl Client {
    /// Prepares the snapshot and returns its mounts. An existing one is used as it is.
    pub(super) async fn prepare(
        &self,
        key: &str,
        image: &str,
        chain_id: &str,
    ) -> Result<Vec<Mount>, RuntimeError> {
        let request = self.request(PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: key.to_owned(),
            parent: chain_id.to_owned(),
            ..PrepareSnapshotRequest::default()
        });
        match call("Snapshots.Prepare", DEADLINE, self.snapshots().prepare(request)).await {
            Ok(answer) => Ok(answer.mounts),
            // The existing snapshot is of an earlier version of the image.
            Err(RuntimeError::AlreadyExists(_))
                if self.parent_of(&self.snapshotter, key).await? != chain_id =>
            {
                self.remove_snapshot(key).await?;
                Box::pin(self.prepare(key, image, chain_id)).await
            }
            Err(RuntimeError::AlreadyExists(_)) => self.mounts(&self.snapshotter, key).await,
            Err(RuntimeError::NotFound(_)) => Err(self.not_unpacked(image)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn mounts(
        &self,
        snapshotter: &str,
        key: &str,
    ) -> Result<Vec<Mount>, RuntimeError> {
        let (snapshotter, key) = (snapshotter.to_owned(), key.to_owned());
        let request = self.request(MountsRequest { snapshotter, key });
        let answer = call("Snapshots.Mounts", DEADLINE, self.snapshots().mounts(request)).await;
        answer.map(|answer| answer.mounts)
    }

    pub(super) async fn parent_of(
        &self,
        snapshotter: &str,
        key: &str,
    ) -> Result<String, RuntimeError> {
        let (snapshotter, key) = (snapshotter.to_owned(), key.to_owned());
        let request = self.request(StatSnapshotRequest { snapshotter, key });
        let answer = call("Snapshots.Stat", DEADLINE, self.snapshots().stat(request)).await?;
        Ok(answer.info.map(|info| info.parent).unwrap_or_default())
    }

    pub(super) async fn check_unpacked(
        &self,
        image: &str,
        chain_id: &str,
    ) -> Result<(), RuntimeError> {
        if chain_id.is_empty() {
            return Ok(());
        }
        if self.has_snapshot(chain_id).await? { Ok(()) } else { Err(self.not_unpacked(image)) }
    }

    pub(super) fn not_unpacked(&self, image: &str) -> RuntimeError {
        let (snapshotter, namespace) = (&self.snapshotter, self.namespace());
        RuntimeError::NoImage(format!(
            "image {image:?} is in containerd's store but not unpacked for {snapshotter}; \
             import it again with: ctr -n {namespace} images import FILE"
        ))
    }

    pub(super) async fn remove_snapshot(&self, key: &str) -> Result<(), RuntimeError> {
        let request = self.request(RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: key.to_owned(),
        });
        call("Snapshots.Remove", DEADLINE, self.snapshots().remove(request)).await
    }
}
