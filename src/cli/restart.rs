//! `restart`.

use std::time::Duration;

use probelet_text::duration::parse_seconds;

use super::connect::{Client, START, call};
use super::error::Result;
use super::io::Io;
use super::namespace::Namespace;
use super::start::must_have_started;
use super::{grace, names};
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Seconds from SIGTERM to SIGKILL; by default the container's own.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    grace_period: Option<Duration>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let deadline = grace::deadline(client, &args.namespace, &name, args.grace_period)
        .await?
        .saturating_add(START);
    let request = pb::RestartContainerRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        container: args.container.clone().unwrap_or_default(),
        grace_period: grace::message(args.grace_period),
    };
    let mut containers = client.containers();
    let container = call(request, deadline, |r| containers.restart_container(r)).await?;
    must_have_started(&name, &container)?;
    io.line(&format!("pod/{name} restarted"))
}
