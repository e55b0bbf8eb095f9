//! `stop`.

use super::args::StopArgs;
use super::connect::{Client, call};
use super::error::Result;
use super::io::Io;
use super::{grace, names};
use crate::pb;

pub(super) async fn stop(client: &Client, args: &StopArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let deadline = grace::deadline(client, &name, args.grace_period).await?;
    let request = pb::StopContainerRequest {
        name: name.clone(),
        grace_period: grace::message(args.grace_period),
    };
    let mut containers = client.containers();
    call(request, deadline, |r| containers.stop_container(r)).await?;
    io.line(&format!("pod/{name} stopped"))
}
