//! `get`.

use super::connect::Client;
use super::error::Result;
use super::io::Io;
use super::names::{self, Kind};
use super::namespace::Namespaces;
use super::object_output::Output;
use super::{get_events, get_pods};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind, then names: `pods`, `pod NAME`, `pod/NAME`, `events`, `events POD`.
    #[arg(value_name = "TYPE [NAME]", required = true)]
    resource: Vec<String>,
    /// The output format.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Keep printing changes.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    namespaces: Namespaces,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        let (_, names) = names::resource(&self.resource)?;
        self.namespaces.check(&names)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (kind, names) = names::resource(&args.resource)?;
    let of = &args.namespaces;
    match kind {
        Kind::Pod => get_pods::get(client, (args.output, args.watch), (of, &names), io).await,
        Kind::Event => get_events::get(client, (args.output, args.watch), (of, &names), io).await,
    }
}
