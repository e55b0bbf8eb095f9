//! The volumes that an image declares as `VOLUME` where its container mounts nothing: a writable
//! folder for one attempt, filled from the image, as in containerd's CRI plugin.

use std::os::fd::OwnedFd;

use super::Containerd;
use super::images::Image;
use super::volumes::aside;
use crate::domain::spec::{ContainerSpec, Propagation};
use crate::domain::volume;
use crate::runtime::{AttemptId, RuntimeError, StartRequest};
use probelet_oci::VolumeBind;

/// The pod's files that each container of an image has mounted.
const POD_FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];

/// Paths at which a container has single files mounted, in addition to its volumes.
pub(super) fn files_of(container: &ContainerSpec) -> impl Iterator<Item = &str> {
    POD_FILES.into_iter().chain([container.termination_message.path.as_str()])
}

/// Paths of the image's volumes, without those already `mounted`. The error says why there are
/// none.
pub(super) fn of(
    image: &Image,
    container: &ContainerSpec,
    mounted: &[VolumeBind],
) -> Result<Vec<String>, String> {
    let config = image.content.config.config().as_ref();
    let declared = config.and_then(|config| config.volumes().clone()).unwrap_or_default();
    let mounted = mounted.iter().map(|bind| bind.destination.as_str());
    volume::image_volumes(&declared, &mounted.chain(files_of(container)).collect::<Vec<_>>())
}

impl Containerd {
    pub(super) fn image_volume_binds(
        &self,
        creation: &StartRequest,
        paths: &[String],
    ) -> Vec<VolumeBind> {
        let (uid, id) = (&creation.pod.uid, &creation.id);
        let bind = |(index, destination): (usize, &String)| VolumeBind {
            destination: destination.clone(),
            source: self.volumes.image_volume(uid, &id.container, id.attempt, index),
            access: "rw",
            no_exec: false,
            propagation: Propagation::None,
        };
        paths.iter().enumerate().map(bind).collect()
    }

    /// Creates the volumes. `image` is the image's name and the snapshot of its layers.
    pub(super) async fn make_image_volumes(
        &self,
        creation: &StartRequest,
        (image, chain_id): &(String, String),
        paths: &[String],
    ) -> Result<(), RuntimeError> {
        if paths.is_empty() {
            return Ok(());
        }
        let claimed = self.volumes.claim(&creation.pod.uid);
        claimed.map_err(|error| RuntimeError::Config(error.to_string()))?;
        let (volumes, binds) = (self.volumes.clone(), self.image_volume_binds(creation, paths));
        let copy = move |root: &OwnedFd| {
            Ok(binds.iter().try_for_each(|bind| {
                let path = bind.destination.trim_start_matches('/');
                let made = volumes.make_image_volume(&bind.source, root, path);
                made.map_err(|error| format!("the image's volume {:?}: {error}", bind.destination))
            }))
        };
        self.in_view(image, chain_id, copy).await?.map_err(RuntimeError::Config)
    }

    pub(super) async fn remove_image_volumes(
        &self,
        uid: &str,
        id: &AttemptId,
    ) -> Result<(), RuntimeError> {
        let (volumes, uid, its) = (self.volumes.clone(), uid.to_owned(), id.clone());
        let removed = aside("removing an image's volumes", move || {
            volumes.remove_image_volumes(&uid, &its.container, its.attempt)
        });
        let failed =
            |error| RuntimeError::Internal(format!("the image's volumes of {id}: {error}"));
        removed.await?.map_err(failed)
    }
}
