//! `describe pod`.

use super::args::DescribeArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::{Io, now};
use super::{evidence, layout, names, objects};
use crate::pb;

pub(super) async fn describe(client: &Client, args: &DescribeArgs, io: &mut Io<'_>) -> Result<()> {
    for (i, name) in names::pods(&args.resource.words)?.into_iter().enumerate() {
        let (mut pods, mut events) = (client.pods(), client.events());
        let request = pb::GetPodRequest { name: name.clone() };
        let live = call(request, UNARY, |r| pods.get_pod(r)).await?;
        let pod = objects::pod(&live)?;
        let request = pb::ListEventsRequest { pod: name.clone() };
        let events = call(request, UNARY, |r| events.list_events(r)).await?.events;
        let events: Vec<_> = events.iter().map(objects::event).collect();
        if i > 0 {
            // As kubectl between several.
            write!(io.out, "\n\n")?;
        }
        io.out.write_all(layout::describe(&pod, &live, &events, now()).as_bytes())?;
        if args.evidence {
            let container = args.container.clone().unwrap_or_default();
            let request = pb::GetEvidenceRequest { name, container };
            let mut containers = client.containers();
            let kept = call(request, UNARY, |r| containers.get_evidence(r)).await?.evidence;
            io.out.write_all(evidence::layout(&kept)?.as_bytes())?;
        }
    }
    Ok(io.out.flush()?)
}
