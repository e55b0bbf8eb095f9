//! `describe pod`.

use super::args::DescribeArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::get_events::kept_events;
use super::io::{Io, now};
use super::printed::cells;
use super::{evidence, layout, names, objects};
use crate::pb;

pub(super) async fn describe(client: &Client, args: &DescribeArgs, io: &mut Io<'_>) -> Result<()> {
    for (i, name) in names::pods(&args.resource.words)?.into_iter().enumerate() {
        let mut pods = client.pods();
        let request = pb::GetPodRequest { name: name.clone() };
        let live = call(request, UNARY, |r| pods.get_pod(r)).await?;
        let pod = objects::pod(&live)?;
        let events = kept_events(client, &name).await?;
        let events: Vec<_> = events.iter().map(objects::event).collect();
        if i > 0 {
            // As kubectl between several.
            io.print(&cells!("\n\n"))?;
        }
        io.print(&layout::describe(&pod, &live, &events, now()))?;
        if args.evidence {
            let container = args.container.clone().unwrap_or_default();
            let request = pb::GetEvidenceRequest { name, container };
            let mut containers = client.containers();
            let kept = call(request, UNARY, |r| containers.get_evidence(r)).await?.evidence;
            io.print(&evidence::layout(&kept)?)?;
        }
    }
    Ok(())
}
