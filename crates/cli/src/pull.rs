//! `pull`, with a bar for each layer on a terminal.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use probelet_text::escape::Escaped;

use super::connect::Client;
use super::error::Result;
use super::io::Io;
use probelet_api::pb;

/// Characters of a digest, as Docker prints it.
const SHORT: usize = 12;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `busybox`, `registry.k8s.io/pause:3.9`, `r.io:5000/app@sha256:…`.
    #[arg(value_name = "IMAGE")]
    image: String,
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let request = pb::PullImageRequest { image: args.image.clone() };
    let mut images = client.images();
    let mut steps = images.pull_image(request).await?.into_inner();
    // indicatif prints nothing if stderr is no terminal.
    let mut bars = Bars::new();
    let mut id = String::new();
    while let Some(step) = steps.message().await? {
        bars.show(&step.layers);
        id = step.image_id;
    }
    bars.leave();
    io.line(&id)
}

struct Bars {
    all: MultiProgress,
    of: HashMap<String, ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        Self { all: MultiProgress::new(), of: HashMap::new() }
    }

    fn show(&mut self, layers: &[pb::LayerProgress]) {
        for layer in layers {
            let bar = self.of.entry(layer.digest.clone()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(layer.bytes));
                bar.set_prefix(Escaped(short(&layer.digest)).to_string());
                if let Ok(style) = ProgressStyle::with_template(
                    "{prefix}  {msg:17} [{bar:30}] {bytes:>10}/{total_bytes}",
                ) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar
            });
            bar.set_position(layer.done);
            bar.set_message(Escaped(&layer.status).to_string());
        }
    }

    /// Leaves the bars on the screen as they are.
    fn leave(&self) {
        self.of.values().for_each(ProgressBar::abandon);
    }
}

fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.chars().take(SHORT).collect()
}
