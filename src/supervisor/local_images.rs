//! Images of the store. One that is not unpacked is unpacked, not pulled: it may be an image that was
//! imported without that, or another image's removal took its snapshots.

use super::clock::now;
use crate::domain::container::ImageFacts;
use crate::domain::image::VolumeSeen;
use crate::domain::spec::ContainerSpec;
use crate::node::{Node, NodeError};

/// Checks for the container's image, which is unpacked first if only that is missing.
pub async fn local_image(
    runtime: &dyn Node,
    container: &ContainerSpec,
) -> Result<ImageFacts, NodeError> {
    match runtime.check(container).await {
        Err(error) if error.no_image().is_some() => {
            match runtime.unpack(&container.image(), now().wall).await? {
                true => runtime.check(container).await,
                false => Err(error),
            }
        }
        checked => checked,
    }
}

/// Checks for the image of a volume, which is unpacked first if only that is missing.
pub async fn local_volume(
    runtime: &dyn Node,
    uid: &str,
    volume: &str,
    image: &str,
) -> Result<VolumeSeen, NodeError> {
    let seen = runtime.check_volume_image(uid, volume, image).await?;
    if seen == VolumeSeen::Missing && runtime.unpack(image, now().wall).await? {
        return runtime.check_volume_image(uid, volume, image).await;
    }
    Ok(seen)
}
