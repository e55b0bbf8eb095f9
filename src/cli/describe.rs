//! `describe pod`.

use super::args::ResourceArgs;
use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::{Io, now};
use super::{layout, names, objects};
use crate::pb;

pub(super) async fn describe(client: &Client, args: &ResourceArgs, io: &mut Io<'_>) -> Result<()> {
    for (i, name) in names::pods(&args.words)?.into_iter().enumerate() {
        let (mut pods, mut events) = (client.pods(), client.events());
        let request = pb::GetPodRequest { name: name.clone() };
        let live = call(request, UNARY, |r| pods.get_pod(r)).await?;
        let pod = objects::pod(&live)?;
        let request = pb::ListEventsRequest { pod: name };
        let events = call(request, UNARY, |r| events.list_events(r)).await?.events;
        let events: Vec<_> = events.iter().map(objects::event).collect();
        if i > 0 {
            // As kubectl between several.
            write!(io.out, "\n\n")?;
        }
        io.out.write_all(layout::describe(&pod, &live.containers, &events, now()).as_bytes())?;
    }
    Ok(io.out.flush()?)
}
