//! `resume`.

use super::args::ResumeArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use crate::pb;

pub(super) async fn resume(client: &Client, args: &ResumeArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let container = args.container.clone().unwrap_or_default();
    let request = pb::ResumeProbesRequest { name: name.clone(), container };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.resume_probes(r)).await?;
    io.line(&format!("pod/{name} probes resumed"))
}
