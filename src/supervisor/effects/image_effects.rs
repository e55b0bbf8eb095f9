//! The images of a container, before it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::{EffectResult, Effects, failed};
use crate::domain::Incarnation;
use crate::domain::container::{ImageFacts, InstanceEvent, Memory};
use crate::domain::image::{PullFault, VolumeSeen};
use crate::domain::spec::volume_images;
use crate::node::{CallError, Node, NodeError, StartRequest};
use crate::supervisor::local_images::{local_image, local_volume};
use crate::supervisor::pulls::{Pulls, keyrings};

pub struct ImageEffects {
    runtime: Arc<dyn Node>,
    pulls: Arc<Pulls>,
}

impl ImageEffects {
    pub fn new(runtime: Arc<dyn Node>, pulls: Arc<Pulls>) -> Self {
        Self { runtime, pulls }
    }

    /// Finds out which of the container's images are present. The attempt's record is written
    /// first, because a later daemon continues from it.
    pub fn check(&self, effects: &mut Effects, index: usize, attempt: Incarnation, memory: Memory) {
        let request = effects.start_request(index, attempt, memory);
        let runtime = self.runtime.clone();
        effects.spawn("check_images", index, Some(attempt), async move {
            let event = match find(&*runtime, &request).await {
                Ok((image, volumes)) => InstanceEvent::ImagesChecked { image, volumes }.of(attempt),
                Err(error) => failed(attempt, &error),
            };
            EffectResult::Event(index, event)
        });
    }

    pub fn pull(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        image: String,
    ) -> AbortHandle {
        let (spec, pulls) = (effects.spec().clone(), self.pulls.clone());
        effects.spawn("pull", index, Some(incarnation), async move {
            let result = match pulls.join(&image, keyrings(&spec)) {
                Ok(mut pull) => pull.ended().await,
                Err(error) => Err((PullFault::InvalidName, error)),
            };
            let event = match result {
                Ok((image, pulled)) => InstanceEvent::Pulled { image, pulled },
                Err((fault, message)) => InstanceEvent::PullFailed { fault, message },
            };
            EffectResult::Event(index, event.of(incarnation))
        })
    }
}

async fn find(
    runtime: &dyn Node,
    request: &StartRequest,
) -> Result<(Option<ImageFacts>, BTreeMap<String, VolumeSeen>), NodeError> {
    runtime.create(request).await?;
    let container = request.container().ok_or_else(|| {
        NodeError::Internal(format!("{}: no container {}", request.id, request.index))
    })?;
    let image = match local_image(runtime, container).await {
        Err(NodeError::Call(CallError::NoImage(reason))) => {
            tracing::debug!(reason, "the image is not present yet");
            None
        }
        image => Some(image?),
    };
    let mut volumes = BTreeMap::new();
    for (volume, wanted) in volume_images(&request.pod, container) {
        let seen = local_volume(runtime, &request.pod.uid, volume, &wanted.reference).await?;
        volumes.insert(volume.to_owned(), seen);
    }
    Ok((image, volumes))
}
