//! `stop`.

use std::time::Duration;

use probelet_text::duration::parse_seconds;

use super::connect::{Client, call};
use super::error::Result;
use super::io::Io;
use super::namespace::Namespace;
use super::{grace, names};
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "NAME")]
    name: String,
    /// Seconds from SIGTERM to SIGKILL; by default the container's own.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    grace_period: Option<Duration>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.name).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let deadline = grace::deadline(client, &args.namespace, &name, args.grace_period).await?;
    let request = pb::StopContainerRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        grace_period: grace::message(args.grace_period),
    };
    let mut containers = client.containers();
    call(request, deadline, |r| containers.stop_container(r)).await?;
    io.line(&format!("pod/{name} stopped"))
}
