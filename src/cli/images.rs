//! `images` and `rmi`.

use super::args::{ImagesArgs, RemoveImagesArgs};
use super::connect::{Client, REMOVE_IMAGE, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::table::Table;
use crate::domain::image::repository;
use crate::pb;

pub(super) async fn images(client: &Client, args: &ImagesArgs, io: &mut Io<'_>) -> Result<()> {
    let mut images = client.images();
    let list = call(pb::ListImagesRequest {}, UNARY, |r| images.list_images(r)).await?.images;
    if args.quiet {
        return list.iter().try_for_each(|image| io.line(&image.name));
    }
    let rows: Vec<_> = list.iter().map(row).collect();
    io.print(&Table::new(&["IMAGE", "TAG", "DIGEST", "SIZE"]).lines(&rows))
}

fn row(image: &pb::Image) -> Vec<String> {
    let repository = repository(&image.name);
    let tag = image.name.strip_prefix(repository).and_then(|rest| rest.strip_prefix(':'));
    let tag = tag.map_or("<none>", |tag| tag.split('@').next().unwrap_or(tag));
    let digest = image.digest.strip_prefix("sha256:").unwrap_or(&image.digest);
    vec![
        repository.to_owned(),
        tag.to_owned(),
        digest.chars().take(12).collect(),
        size(image.bytes),
    ]
}

/// As `docker images`: decimal, three digits.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB"].iter();
    let mut unit = units.next().unwrap_or(&"B");
    while value >= 1000.0
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = next;
    }
    match value {
        _ if *unit == "B" => format!("{bytes}B"),
        value if value < 10.0 => format!("{value:.2}{unit}"),
        value if value < 100.0 => format!("{value:.1}{unit}"),
        value => format!("{value:.0}{unit}"),
    }
}

/// All that can be are removed, whatever became of the others.
pub(super) async fn remove(
    client: &Client,
    args: &RemoveImagesArgs,
    io: &mut Io<'_>,
) -> Result<()> {
    let mut images = client.images();
    let mut result = Ok(());
    for image in &args.images {
        let request = pb::RemoveImageRequest { image: image.clone() };
        match call(request, REMOVE_IMAGE, |r| images.remove_image(r)).await {
            Ok(removed) => io.line(&format!("image {:?} deleted", removed.name))?,
            Err(error) => {
                io.tell(&error)?;
                result = Err(Error::Told);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_shown_as_docker_does() {
        let shown = |name: &str, bytes| {
            let digest = format!("sha256:{}", "ab".repeat(32));
            row(&pb::Image { name: name.into(), digest, bytes }).join(" ")
        };
        assert_eq!(
            shown("docker.io/library/a:1", 2_750_000),
            "docker.io/library/a 1 abababababab 2.75MB"
        );
        assert_eq!(shown("r:5000/a@sha256:00", 999), "r:5000/a <none> abababababab 999B");
        assert_eq!(size(12_345), "12.3kB");
        assert_eq!(size(187_000_000), "187MB");
    }
}
