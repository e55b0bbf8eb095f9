//! Views of images that are pods' volumes: one for each volume and pod, with the image's content at
//! the time of its creation. It exists until the pod is removed.

use std::collections::BTreeMap;

use probelet_runtime::{CallError, Mount, Namespace, View};

use super::labels::POD_UID;
use crate::domain::image::VolumeSeen;

#[derive(Debug, Clone)]
pub struct ImageViews {
    namespace: Namespace,
}

impl ImageViews {
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    /// Returns the state of the image of a pod's volume.
    pub async fn check(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, CallError> {
        if self.namespace.snapshots.exists(&key(uid, volume)).await? {
            return Ok(VolumeSeen::Viewed);
        }
        let found = async {
            let found = self.namespace.images.get(image).await?;
            self.namespace.snapshots.check_unpacked(&found).await?;
            Ok(VolumeSeen::Here { from_registry: found.content.from_registry })
        };
        match found.await {
            Err(CallError::NoImage(_)) => Ok(VolumeSeen::Missing),
            other => other,
        }
    }

    /// Returns the view's mounts, and whether it is new. An existing one is used even if the image
    /// has changed.
    pub async fn view(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<(Vec<Mount>, bool), CallError> {
        let key = key(uid, volume);
        match self.namespace.snapshots.mounts(None, &key).await {
            Err(CallError::NotFound(_)) => {}
            mounts => return Ok((mounts?, false)),
        }
        let image = self.namespace.images.get(image).await?;
        let labels = BTreeMap::from([(POD_UID.to_owned(), uid.to_owned())]);
        let view = View { key: &key, image: &image, labels, is_kept: true };
        Ok((self.namespace.snapshots.view(view).await?, true))
    }

    /// Removes the views of a pod.
    pub async fn remove(&self, uid: &str) -> Result<(), CallError> {
        for (key, _) in self.namespace.snapshots.list(POD_UID, Some(uid)).await? {
            CallError::unless_missing(self.namespace.snapshots.remove(&key).await)?;
        }
        Ok(())
    }

    /// Returns the uids of the pods that have views.
    pub async fn pods(&self) -> Result<Vec<String>, CallError> {
        let views = self.namespace.snapshots.list(POD_UID, None).await?;
        Ok(views.into_iter().filter_map(|(_, mut labels)| labels.remove(POD_UID)).collect())
    }
}

fn key(uid: &str, volume: &str) -> String {
    format!("probelet-volume-{uid}-{volume}")
}
