//! `kill`.

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
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// The signal by name or number: SIGTERM, TERM or 15.
    #[arg(short, long, default_value = "SIGKILL")]
    signal: String,
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
    let request = pb::KillContainerRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        container: args.container.clone().unwrap_or_default(),
        signal: args.signal.clone(),
    };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.kill_container(r)).await?;
    io.line(&format!("pod/{name} signalled ({})", args.signal))
}
