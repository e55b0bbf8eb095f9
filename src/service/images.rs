//! `probelet.v1.Images`.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::error::{self, Error, answer, field};
use super::streams::{Sender, Streaming, Streams};
use crate::domain::image::Progress;
use crate::pb;
use crate::pb::images_server::Images;
use crate::supervisor::{Pull, Supervisor};

/// The service `Images`.
#[derive(Clone)]
pub struct ImagesApi {
    supervisor: Arc<Supervisor>,
    streams: Streams,
}

impl ImagesApi {
    pub fn new(supervisor: Arc<Supervisor>, streams: Streams) -> Self {
        Self { supervisor, streams }
    }

    fn pull(&self, image: String) -> error::Result<Streaming<pb::PullProgress>> {
        let image = required(image)?;
        let pull =
            self.supervisor.images().pull(&image).map_err(|reason| field("image", reason))?;
        Ok(self.streams.open(move |sender| send_progress(pull, sender)))
    }

    async fn list(&self) -> error::Result<pb::ListImagesResponse> {
        let images = self.supervisor.images().list().await?.into_iter();
        let images = images.map(|image| pb::Image {
            name: image.name,
            digest: image.digest,
            bytes: image.bytes,
        });
        Ok(pb::ListImagesResponse { images: images.collect() })
    }

    async fn remove(&self, image: String) -> error::Result<pb::RemoveImageResponse> {
        let name = self.supervisor.images().remove(&required(image)?).await?;
        Ok(pb::RemoveImageResponse { name })
    }
}

#[async_trait]
impl Images for ImagesApi {
    type PullImageStream = Streaming<pb::PullProgress>;

    async fn pull_image(
        &self,
        request: Request<pb::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        answer(self.pull(request.into_inner().image))
    }

    async fn list_images(
        &self,
        _: Request<pb::ListImagesRequest>,
    ) -> Result<Response<pb::ListImagesResponse>, Status> {
        answer(self.list().await)
    }

    async fn remove_image(
        &self,
        request: Request<pb::RemoveImageRequest>,
    ) -> Result<Response<pb::RemoveImageResponse>, Status> {
        answer(self.remove(request.into_inner().image).await)
    }
}

fn required(image: String) -> error::Result<String> {
    if image.trim().is_empty() {
        return Err(field("image", "Required value").into());
    }
    Ok(image)
}

/// Sends the progress with each change, then the result. A slow reader misses steps, not the result.
async fn send_progress(mut pull: Pull, sender: Sender<pb::PullProgress>) {
    let mut progress = pull.progress.clone();
    let ending = loop {
        let step = message(&progress.borrow_and_update());
        if sender.send(Ok(step)).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            ending = pull.ended() => break ending,
            changed = progress.changed() => {
                if changed.is_err() {
                    break pull.ended().await;
                }
            }
        }
    };
    let last = match ending {
        Ok((image, pulled)) => Ok(pb::PullProgress {
            image_id: image.id,
            bytes: pulled.bytes,
            ..message(&progress.borrow())
        }),
        Err((fault, text)) => Err(Error::Pull { fault, text }),
    };
    // The caller may have left.
    let _ = sender.send(last).await;
}

fn message(progress: &Progress) -> pb::PullProgress {
    let layers = progress.layers.iter().map(|layer| pb::LayerProgress {
        digest: layer.digest.clone(),
        bytes: layer.size,
        done: layer.done,
        status: layer.state.as_str().to_owned(),
    });
    pb::PullProgress { layers: layers.collect(), ..pb::PullProgress::default() }
}
