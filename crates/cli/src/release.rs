//! `release`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "NAME")]
    name: String,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.name).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let request = pb::ReleaseContainerRequest { name: name.clone() };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.release_container(r)).await?;
    io.line(&format!("pod/{name} released"))
}
