//! `pause`.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use probelet_text::duration::parse;

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::namespace::Namespace;
use super::times::rfc1123;
use super::{names, objects};
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The length of the pause from now: `90s`, `10m`, `1h30m`.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse)]
    length: Duration,
    /// The container; by default all of the pod.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
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
    let request = pb::PauseProbesRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        container: args.container.clone().unwrap_or_default(),
        length: prost_types::Duration::try_from(args.length).ok(),
    };
    let mut containers = client.containers();
    let container = call(request, UNARY, |r| containers.pause_probes(r)).await?;
    let until = objects::timestamp(container.probes_paused_until);
    let until = until.map(|until| format!(" until {}", rfc1123(Some(&Time(until)))));
    io.line(&format!("pod/{name} probes paused{}", until.unwrap_or_default()))
}
