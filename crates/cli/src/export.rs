//! `export POD`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::nearby;
use super::targets::Targets;
use probelet_api::{pb, structs};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }
}

/// Prints one manifest of all pods, or nothing of the rest after an error: a part of them is no backup.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let mut is_first = true;
    for pod in args.targets.resolve(client).await? {
        let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
        let request = pb::ExportPodRequest { namespace, name };
        let mut pods = client.pods();
        let answer = match call(request, UNARY, |r| pods.export_pod(r)).await {
            Ok(answer) => answer,
            Err(error) => {
                return Err(nearby::explain(client, (&pod.namespace, &pod.name), error).await);
            }
        };
        for note in &answer.notes {
            io.line(&format!("# {note}"))?;
        }
        for object in answer.objects {
            if !is_first {
                io.line("---")?;
            }
            is_first = false;
            io.yaml(&structs::to_json(object))?;
        }
    }
    Ok(())
}
