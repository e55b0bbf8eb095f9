//! `pause`.

use std::time::Duration;

use probelet_text::duration::parse;

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::{Io, now};
use super::objects;
use super::targets::{PodRef, Targets};
use super::times::to_come;
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The length of the pause from now: `90`, `90s`, `10m`, `1h30m`.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse)]
    length: Duration,
    /// The container; by default all of the pod.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pause = async |pod: &PodRef| {
        pause(client, pod, args.container.as_deref().unwrap_or_default(), args.length).await
    };
    args.targets.each(client, "to pause its probes", io, pause).await
}

/// Pauses the probes of a container, or of all containers if its name is empty, and returns what to
/// print.
pub async fn pause(
    client: &Client,
    pod: &PodRef,
    container: &str,
    length: Duration,
) -> Result<String> {
    let request = pb::PauseProbesRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        container: container.to_owned(),
        length: prost_types::Duration::try_from(length).ok(),
    };
    let mut containers = client.containers();
    let container = call(request, UNARY, |r| containers.pause_probes(r)).await?;
    let until = objects::timestamp(container.probes_paused_until);
    let until = until.map(|until| format!(" until {}", to_come(until, now())));
    Ok(format!("pod/{} probes paused{}", pod.name, until.unwrap_or_default()))
}
