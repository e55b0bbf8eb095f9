//! `resume`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use super::namespace::Namespace;
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
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
    let container = args.container.clone().unwrap_or_default();
    let namespace = args.namespace.name();
    let request = pb::ResumeProbesRequest { namespace, name: name.clone(), container };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.resume_probes(r)).await?;
    io.line(&format!("pod/{name} probes resumed"))
}
