//! The volumes that an image declares as `VOLUME` where its container mounts nothing: a writable
//! folder for one attempt, filled from the image, as in containerd's CRI plugin.

use std::os::fd::OwnedFd;

use probelet_runtime::Image;

use super::attempt::AttemptId;
use super::blocking::aside;
use super::error::NodeError;
use super::image_reader::ImageReader;
use crate::domain::spec::{ContainerSpec, Propagation};
use crate::domain::volume;
use crate::volumes::Volumes;
use probelet_oci::VolumeBind;

/// The pod's files that each container of an image has mounted.
const POD_FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];

/// Returns the paths at which a container has single files mounted, in addition to its volumes.
pub fn files_of(container: &ContainerSpec) -> impl Iterator<Item = &str> {
    POD_FILES.into_iter().chain([container.termination_message.path.as_str()])
}

/// Returns the paths of the image's volumes, without those already `mounted`. The error says why
/// there are none.
pub fn declared(
    image: &Image,
    container: &ContainerSpec,
    mounted: &[VolumeBind],
) -> Result<Vec<String>, String> {
    let config = image.content.config.config().as_ref();
    let declared = config.and_then(|config| config.volumes().clone()).unwrap_or_default();
    let mounted = mounted.iter().map(|bind| bind.destination.as_str());
    volume::image_volumes(&declared, &mounted.chain(files_of(container)).collect::<Vec<_>>())
}

/// The image's volumes of one attempt.
#[derive(Debug, Clone)]
pub struct ImageVolumes {
    volumes: Volumes,
    images: ImageReader,
}

impl ImageVolumes {
    pub fn new(volumes: Volumes, images: ImageReader) -> Self {
        Self { volumes, images }
    }

    pub fn binds(&self, uid: &str, id: &AttemptId, paths: &[String]) -> Vec<VolumeBind> {
        let bind = |(index, destination): (usize, &String)| VolumeBind {
            destination: destination.clone(),
            source: self.volumes.image_volume(uid, &id.container, id.attempt, index),
            access: "rw",
            no_exec: false,
            propagation: Propagation::None,
        };
        paths.iter().enumerate().map(bind).collect()
    }

    /// Creates the volumes with the image's content.
    pub async fn make(
        &self,
        uid: &str,
        id: &AttemptId,
        image: &Image,
        paths: &[String],
    ) -> Result<(), NodeError> {
        if paths.is_empty() {
            return Ok(());
        }
        self.volumes.claim(uid).map_err(|error| NodeError::Config(error.to_string()))?;
        let (volumes, binds) = (self.volumes.clone(), self.binds(uid, id, paths));
        let copy = move |root: &OwnedFd| {
            Ok(binds.iter().try_for_each(|bind| {
                let path = bind.destination.trim_start_matches('/');
                let made = volumes.make_image_volume(&bind.source, root, path);
                made.map_err(|error| format!("the image's volume {:?}: {error}", bind.destination))
            }))
        };
        self.images.in_view(image, copy).await?.map_err(NodeError::Config)
    }

    pub async fn remove(&self, uid: &str, id: &AttemptId) -> Result<(), NodeError> {
        let (volumes, uid, its) = (self.volumes.clone(), uid.to_owned(), id.clone());
        let removed = aside("removing an image's volumes", move || {
            volumes.remove_image_volumes(&uid, &its.container, its.attempt)
        });
        let failed = |error| NodeError::Internal(format!("the image's volumes of {id}: {error}"));
        removed.await?.map_err(failed)
    }
}
