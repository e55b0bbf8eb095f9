//! `restart`.

use super::args::RestartArgs;
use super::connect::{Client, START, call};
use super::error::Result;
use super::io::Io;
use super::start::must_have_started;
use super::{grace, names};
use crate::pb;

pub(super) async fn restart(client: &Client, args: &RestartArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let deadline = grace::deadline(client, &name, args.grace_period).await?.saturating_add(START);
    let request = pb::RestartContainerRequest {
        name: name.clone(),
        container: args.container.clone().unwrap_or_default(),
        grace_period: grace::message(args.grace_period),
    };
    let mut containers = client.containers();
    let container = call(request, deadline, |r| containers.restart_container(r)).await?;
    must_have_started(&name, &container)?;
    io.line(&format!("pod/{name} restarted"))
}
