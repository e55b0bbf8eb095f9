//! `kill`.

use super::args::KillArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use crate::pb;

pub(super) async fn kill(client: &Client, args: &KillArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let request = pb::KillContainerRequest {
        name: name.clone(),
        container: args.container.clone().unwrap_or_default(),
        signal: args.signal.clone(),
    };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.kill_container(r)).await?;
    io.line(&format!("pod/{name} signalled ({})", args.signal))
}
