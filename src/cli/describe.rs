//! `describe pod`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::event_pages::all_events;
use super::io::{Io, now};
use super::namespace::Namespace;
use super::printed::cells;
use super::{evidence, layout, names, objects};
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pod NAME…` or `pod/NAME…`.
    #[arg(value_name = "pod NAME", required = true)]
    resource: Vec<String>,
    /// Also show what the container was doing when probes failed it, for its last three such exits.
    #[arg(long)]
    evidence: bool,
    /// The container whose evidence is shown; by default the first.
    #[arg(short, long, value_name = "NAME", requires = "evidence")]
    container: Option<String>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pods(&self.resource).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    for (i, name) in names::pods(&args.resource)?.into_iter().enumerate() {
        let mut pods = client.pods();
        let request = pb::GetPodRequest { namespace: args.namespace.name(), name: name.clone() };
        let live = call(request, UNARY, |r| pods.get_pod(r)).await?;
        let pod = objects::pod(&live)?;
        let events = all_events(client, &args.namespace.name(), &name).await?;
        let events: Vec<_> = events.iter().map(objects::event).collect();
        if i > 0 {
            // kubectl prints two empty lines between pods.
            io.print(&cells!("\n\n"))?;
        }
        io.print(&layout::describe(&pod, &live, &events, now()))?;
        if args.evidence {
            let container = args.container.clone().unwrap_or_default();
            let namespace = args.namespace.name();
            let request = pb::GetEvidenceRequest { namespace, name, container };
            let mut containers = client.containers();
            let stored = call(request, UNARY, |r| containers.get_evidence(r)).await?.evidence;
            io.print(&evidence::layout(&stored)?)?;
        }
    }
    Ok(())
}
