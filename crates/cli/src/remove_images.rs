//! `rmi`.

use super::connect::{Client, REMOVE_IMAGE, call};
use super::error::{Error, Result};
use super::io::Io;
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images to remove.
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Removes each image, also after the removal of another one has failed.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let mut images = client.images();
    let mut result = Ok(());
    for image in &args.images {
        let request = pb::RemoveImageRequest { image: image.clone() };
        match call(request, REMOVE_IMAGE, |r| images.remove_image(r)).await {
            Ok(removed) => io.line(&format!("image {:?} deleted", removed.name))?,
            Err(error) => {
                io.report(&error)?;
                result = Err(Error::Reported);
            }
        }
    }
    result
}
