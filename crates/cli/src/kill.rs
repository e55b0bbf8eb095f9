//! `kill`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::targets::{PodRef, Targets};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// The signal by name or number: SIGTERM, TERM or 15.
    #[arg(short, long, default_value = "SIGKILL")]
    signal: String,
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
    let kill = async |pod: &PodRef| {
        let request = pb::KillContainerRequest {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            container: args.container.clone().unwrap_or_default(),
            signal: args.signal.clone(),
        };
        let mut containers = client.containers();
        call(request, UNARY, |r| containers.kill_container(r)).await?;
        Ok(format!("pod/{} signalled ({})", pod.name, args.signal))
    };
    args.targets.each(client, "to get the signal", io, kill).await
}
