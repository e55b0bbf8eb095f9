//! Views of images that are pods' volumes: one for each volume and pod, with the image's content at
//! the time of its creation. It exists until the pod is removed.

use std::collections::HashMap;

use containerd_client::services::v1::snapshots::{Info, ListSnapshotsRequest, ViewSnapshotRequest};
use containerd_client::types::Mount;

use super::client::{Client, DEADLINE, call, missing_is_fine};
use super::records::POD_UID;
use crate::domain::image::VolumeSeen;
use crate::runtime::RuntimeError;

/// The label that makes containerd's collector keep a view and the snapshots below it.
const ROOT: &str = "containerd.io/gc.root";

impl Client {
    pub(super) async fn look_at_volume(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, RuntimeError> {
        if self.has_snapshot(&key(uid, volume)).await? {
            return Ok(VolumeSeen::Viewed);
        }
        let found = async {
            let found = self.image(image).await?;
            self.check_unpacked(image, &found.content.chain_id).await?;
            Ok(VolumeSeen::Here { from_registry: found.content.from_registry })
        };
        match found.await {
            Err(RuntimeError::NoImage(_)) => Ok(VolumeSeen::Missing),
            other => other,
        }
    }

    /// Returns the view's mounts, and whether it is new. An existing one is used even if the image
    /// has changed.
    pub(super) async fn view(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<(Vec<Mount>, bool), RuntimeError> {
        let key = key(uid, volume);
        match self.mounts(&self.snapshotter, &key).await {
            Err(RuntimeError::NotFound(_)) => {}
            mounts => return Ok((mounts?, false)),
        }
        let found = self.image(image).await?;
        let labels = HashMap::from([
            (ROOT.to_owned(), "probelet".to_owned()),
            (POD_UID.to_owned(), uid.to_owned()),
        ]);
        let request = self.request(ViewSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key,
            parent: found.content.chain_id.clone(),
            labels,
        });
        match call("Snapshots.View", DEADLINE, self.snapshots().view(request)).await {
            Ok(answer) => Ok((answer.mounts, true)),
            Err(RuntimeError::NotFound(_)) => Err(self.not_unpacked(image)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove_views(&self, uid: &str) -> Result<(), RuntimeError> {
        for view in self.list_views(&format!("labels.{POD_UID:?}=={uid:?}")).await? {
            missing_is_fine(self.remove_snapshot(&view.name).await)?;
        }
        Ok(())
    }

    /// Returns the uids of the pods that have views.
    pub(super) async fn viewers(&self) -> Result<Vec<String>, RuntimeError> {
        let views = self.list_views(&format!("labels.{POD_UID:?}")).await?;
        Ok(views.into_iter().filter_map(|mut view| view.labels.remove(POD_UID)).collect())
    }

    async fn list_views(&self, filter: &str) -> Result<Vec<Info>, RuntimeError> {
        let request = self.request(ListSnapshotsRequest {
            snapshotter: self.snapshotter.to_string(),
            filters: vec![filter.to_owned()],
        });
        let mut snapshots = self.snapshots();
        let listed = async {
            let mut stream = snapshots.list(request).await?.into_inner();
            let mut all = Vec::new();
            while let Some(message) = stream.message().await? {
                all.extend(message.info);
            }
            Ok(tonic::Response::new(all))
        };
        call("Snapshots.List", DEADLINE, listed).await
    }
}

fn key(uid: &str, volume: &str) -> String {
    format!("probelet-volume-{uid}-{volume}")
}
