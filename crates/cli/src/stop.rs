//! `stop`.

use std::time::Duration;

use probelet_text::duration::parse_or_zero;

use super::connect::{Client, call};
use super::error::Result;
use super::grace;
use super::io::Io;
use super::targets::{PodRef, Targets};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The time from SIGTERM to SIGKILL, such as `10` or `1m30s`; by default the pod's own.
    #[arg(long, value_name = "DURATION", value_parser = parse_or_zero)]
    grace_period: Option<Duration>,
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
    let stop = async |pod: &PodRef| {
        let deadline = grace::deadline(client, pod, args.grace_period).await?;
        let request = pb::StopContainerRequest {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            grace_period: grace::message(args.grace_period),
        };
        let mut containers = client.containers();
        call(request, deadline, |r| containers.stop_container(r)).await?;
        Ok(format!("pod/{} stopped", pod.name))
    };
    args.targets.each(client, "to stop", io, stop).await
}
