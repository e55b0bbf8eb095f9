//! `export POD`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use super::namespace::Namespace;
use crate::{pb, structs};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.name).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (namespace, name) = (args.namespace.name(), names::pod(&args.name)?);
    let request = pb::ExportPodRequest { namespace, name };
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
