//! `images`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

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
    /// Keep printing changes; a removed image with the digest `<removed>`.
    #[arg(short, long)]
    watch: bool,
}

/// The time between two lists of a watch: at least this, and the daemon and containerd spend at most a
/// tenth of their time on them.
const PERIOD: Duration = Duration::from_secs(1);
const SHARE: u32 = 10;
/// The digest of an image that was removed.
const REMOVED: &str = "<removed>";

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let table = Table::new(&["IMAGE", "TAG", "DIGEST", "SIZE"]);
    let mut table = table.header(!args.no_headers);
    let mut images = client.images();
    let mut known = BTreeMap::new();
    loop {
        let start = Instant::now();
        let list = call(pb::ListImagesRequest {}, UNARY, |r| images.list_images(r)).await?.images;
        let took = start.elapsed();
        let changed = changes(&mut known, list);
        if args.quiet {
            let present = changed.iter().filter(|image| image.digest != REMOVED);
            present.into_iter().try_for_each(|image| io.line(&image.name))?;
        } else {
            io.print(&table.lines(&changed.iter().map(row).collect::<Vec<_>>()))?;
        }
        if !args.watch {
            return Ok(());
        }
        // The daemon has no stream of images: containerd has none either.
        sleep(took.saturating_mul(SHARE).max(PERIOD)).await;
    }
}

/// The images that are new, have changed or were removed since the list before, in the order of the list.
fn changes(known: &mut BTreeMap<String, pb::Image>, list: Vec<pb::Image>) -> Vec<pb::Image> {
    let mut before = std::mem::take(known);
    let mut changed = Vec::new();
    for image in list {
        if before.remove(&image.name).as_ref() != Some(&image) {
            changed.push(image.clone());
        }
        known.insert(image.name.clone(), image);
    }
    let removed = |image| pb::Image { digest: REMOVED.to_owned(), ..image };
    changed.extend(before.into_values().map(removed));
    changed
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
    fn a_watch_has_what_is_new_changed_or_removed() {
        let image = |name: &str, digest: &str| pb::Image {
            name: name.to_owned(),
            digest: digest.to_owned(),
            bytes: 1,
        };
        let mut known = BTreeMap::new();
        let mut next = |list: &[(&str, &str)]| -> Vec<_> {
            let list = list.iter().map(|(name, digest)| image(name, digest)).collect();
            let changed = changes(&mut known, list).into_iter();
            changed.map(|image| format!("{} {}", image.name, image.digest)).collect()
        };
        assert_eq!(next(&[("b", "1"), ("a", "1")]), ["b 1", "a 1"]);
        assert!(next(&[("a", "1"), ("b", "1")]).is_empty());
        assert_eq!(next(&[("a", "2"), ("c", "1")]), ["a 2", "c 1", "b <removed>"]);
        assert_eq!(next(&[("b", "1")]), ["b 1", "a <removed>", "c <removed>"]);
    }

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
