//! `images`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::table::Table;
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only names.
    #[arg(short, long)]
    quiet: bool,
    /// Leave out the line with the names of the columns.
    #[arg(long)]
    no_headers: bool,
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let mut images = client.images();
    let list = call(pb::ListImagesRequest {}, UNARY, |r| images.list_images(r)).await?.images;
    if args.quiet {
        return list.iter().try_for_each(|image| io.line(&image.name));
    }
    let rows: Vec<_> = list.iter().map(row).collect();
    let table = Table::new(&["IMAGE", "TAG", "DIGEST", "SIZE"]);
    io.print(&table.header(!args.no_headers).lines(&rows))
}

fn row(image: &pb::Image) -> Vec<String> {
    let (repository, tag) = repository_and_tag(&image.name);
    let digest = image.digest.strip_prefix("sha256:").unwrap_or(&image.digest);
    vec![
        repository.to_owned(),
        tag.to_owned(),
        digest.chars().take(12).collect(),
        size(image.bytes),
    ]
}

/// The parts of a name such as `docker.io/library/nginx:1`, which may end with a digest.
fn repository_and_tag(name: &str) -> (&str, &str) {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "<none>"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_printed_as_docker_does() {
        let shown = |name: &str, bytes| {
            let digest = format!("sha256:{}", "ab".repeat(32));
            row(&pb::Image { name: name.into(), digest, bytes }).join(" ")
        };
        assert_eq!(
            shown("docker.io/library/a:1", 2_750_000),
            "docker.io/library/a 1 abababababab 2.75MB"
        );
        assert_eq!(shown("r:5000/a@sha256:00", 999), "r:5000/a <none> abababababab 999B");
        assert_eq!(shown("a:1@sha256:00", 1), "a 1 abababababab 1B");
        assert_eq!(size(12_345), "12.3kB");
        assert_eq!(size(187_000_000), "187MB");
    }
}
