//! `export POD`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use crate::{pb, structs};

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
    let request = pb::ExportPodRequest { name: names::pod(&args.name)?.to_owned() };
    let mut pods = client.pods();
    let answer = call(request, UNARY, |r| pods.export_pod(r)).await?;
    for note in &answer.notes {
        io.line(&format!("# {note}"))?;
    }
    for (index, object) in answer.objects.into_iter().enumerate() {
        if index > 0 {
            io.line("---")?;
        }
        io.yaml(&structs::to_json(object))?;
    }
    Ok(())
}
