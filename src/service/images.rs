//! `probelet.v1.Images`.

use tokio::sync::mpsc;
use tonic::{Code, Request, Response, Status, async_trait};

use super::error::{field, invalid, refuse, status_of};
use super::{Api, Streaming};
use crate::domain::image::{Progress, PullFault};
use crate::pb;
use crate::pb::images_server::Images;
use crate::supervisor::Pull;

#[async_trait]
impl Images for Api {
    type PullImageStream = Streaming<pb::PullProgress>;

    async fn pull_image(
        &self,
        request: Request<pb::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        let image = named(request.into_inner().image)?;
        let pull = self.supervisor.pull(&image);
        let pull = pull.map_err(|reason| invalid(vec![field("image", reason)]))?;
        Ok(Response::new(self.stream(move |_, sender| follow(pull, sender))))
    }

    async fn list_images(
        &self,
        _: Request<pb::ListImagesRequest>,
    ) -> Result<Response<pb::ListImagesResponse>, Status> {
        let images = self.supervisor.images().await.map_err(status_of)?;
        let images = images.into_iter().map(|image| pb::Image {
            name: image.name,
            digest: image.digest,
            bytes: image.bytes,
        });
        Ok(Response::new(pb::ListImagesResponse { images: images.collect() }))
    }

    async fn remove_image(
        &self,
        request: Request<pb::RemoveImageRequest>,
    ) -> Result<Response<pb::RemoveImageResponse>, Status> {
        let image = named(request.into_inner().image)?;
        let name = self.supervisor.remove_image(&image).await.map_err(status_of)?;
        Ok(Response::new(pb::RemoveImageResponse { name }))
    }
}

fn named(image: String) -> Result<String, Status> {
    if image.trim().is_empty() {
        return Err(invalid(vec![field("image", "Required value")]));
    }
    Ok(image)
}

/// How far it is with each change, then how it ended. A slow reader misses steps, not the end.
async fn follow(mut pull: Pull, sender: mpsc::Sender<Result<pb::PullProgress, Status>>) {
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
        Err((PullFault::Unreachable, error)) => Err(refuse(Code::Unavailable, error)),
        Err((PullFault::Failed | PullFault::InvalidName, error)) => {
            Err(refuse(Code::FailedPrecondition, error))
        }
    };
    // The caller may have gone.
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
