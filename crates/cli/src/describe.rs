//! `describe pod`.

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::event_pages::all_events;
use super::io::{Io, now};
use super::printed::{Printed, cells};
use super::targets::{PodRef, Targets};
use super::{evidence, layout, nearby, objects};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also show what the container was doing when probes failed it, for its last three such exits.
    #[arg(long)]
    evidence: bool,
    /// The container whose evidence is shown; by default the first.
    #[arg(short, long, value_name = "NAME", requires = "evidence")]
    container: Option<String>,
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check_typed()
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pods = args.targets.resolve(client).await?;
    let mut failed = false;
    for (i, pod) in pods.iter().enumerate() {
        if i > 0 {
            // kubectl prints two empty lines between pods.
            io.print(&cells!("\n\n"))?;
        }
        match one(client, pod, args, io).await {
            Err(error) if !error.is_of_output() => {
                let error = nearby::explain(client, (&pod.namespace, &pod.name), error).await;
                io.report(&error)?;
                failed = true;
            }
            other => other?,
        }
    }
    if failed { Err(Error::Reported) } else { Ok(()) }
}

async fn one(client: &Client, pod: &PodRef, args: &Args, io: &mut Io<'_>) -> Result<()> {
    io.print(&describe(client, pod).await?)?;
    if args.evidence {
        io.print(&stored_evidence(client, pod, args.container.as_deref()).await?)?;
    }
    Ok(())
}

/// The pod in detail, with its events.
pub async fn describe(client: &Client, pod: &PodRef) -> Result<Printed> {
    let PodRef { namespace, name } = pod.clone();
    let mut pods = client.pods();
    let request = pb::GetPodRequest { namespace: namespace.clone(), name: name.clone() };
    let live = call(request, UNARY, |r| pods.get_pod(r)).await?;
    let object = objects::pod(&live)?;
    let events = all_events(client, &namespace, &name).await?;
    let events: Vec<_> = events.iter().map(objects::event).collect();
    Ok(layout::describe(&object, &live, &events, now()))
}

/// The evidence of a container, by default of the first.
pub async fn stored_evidence(
    client: &Client,
    pod: &PodRef,
    container: Option<&str>,
) -> Result<Printed> {
    let PodRef { namespace, name } = pod.clone();
    let container = container.unwrap_or_default().to_owned();
    let request = pb::GetEvidenceRequest { namespace, name, container };
    let mut containers = client.containers();
    let stored = call(request, UNARY, |r| containers.get_evidence(r)).await?.evidence;
    evidence::layout(&stored)
}
