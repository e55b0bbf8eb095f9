//! `pause`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::args::PauseArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::layout::rfc1123;
use super::{names, objects};
use crate::pb;

pub(super) async fn pause(client: &Client, args: &PauseArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let request = pb::PauseProbesRequest {
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
