//! `get events`.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::Value;

use super::args::{GetArgs, Output};
use super::connect::{Client, UNARY, call};
use super::duration::since;
use super::error::{Error, Result};
use super::get::{none_found, print_objects, print_watched};
use super::io::{Io, now};
use super::layout::text;
use super::objects;
use super::table::Table;
use crate::pb;

const HEADER: [&str; 5] = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
const WIDE: [&str; 10] = [
    "LAST SEEN",
    "TYPE",
    "REASON",
    "OBJECT",
    "SUBOBJECT",
    "SOURCE",
    "MESSAGE",
    "FIRST SEEN",
    "COUNT",
    "NAME",
];

/// Reads all pages. An event that is repeated meanwhile comes again with a larger number; its older
/// state is dropped.
pub(super) async fn kept_events(client: &Client, pod: &str) -> Result<Vec<pb::Event>> {
    let mut api = client.events();
    let mut kept: Vec<pb::Event> = Vec::new();
    let mut after = 0;
    loop {
        let request = pb::ListEventsRequest { pod: pod.to_owned(), after, limit: 0 };
        let page = call(request, UNARY, |r| api.list_events(r)).await?;
        let about = |event: &pb::Event| {
            let pb::Event { pod_uid, field_path, r#type, reason, message, .. } = event.clone();
            [pod_uid, field_path, r#type, reason, message]
        };
        let again: HashSet<_> = page.events.iter().map(about).collect();
        kept.retain(|event| !again.contains(&about(event)));
        kept.extend(page.events);
        if page.next <= after {
            return Ok(kept);
        }
        after = page.next;
    }
}

pub(super) async fn get(
    client: &Client,
    args: &GetArgs,
    names: &[String],
    io: &mut Io<'_>,
) -> Result<()> {
    let pod = match names {
        [] => String::new(),
        [name] => name.clone(),
        _ => return Err(Error::Usage("events are of one pod or of all".to_owned())),
    };
    let mut api = client.events();
    let kept = kept_events(client, &pod).await?;
    let after = kept.iter().map(|e| e.sequence).max().unwrap_or(0);
    let events: Vec<Event> = kept.iter().map(objects::event).collect();
    let wide = args.output == Some(Output::Wide);
    let mut table = Table::new(if wide { &WIDE } else { &HEADER });
    match args.output {
        Some(output @ (Output::Json | Output::Yaml)) if args.watch => {
            events.iter().try_for_each(|e| print_watched(io, output, &json(e)?))?;
        }
        Some(output @ (Output::Json | Output::Yaml)) => {
            print_objects(io, output, events.iter().map(json).collect::<Result<_>>()?, false)?;
        }
        Some(Output::Name) => events.iter().try_for_each(|e| print_name(io, e))?,
        Some(Output::Wide) | None => {
            let rows: Vec<_> = events.iter().map(|e| row(e, wide, now())).collect();
            io.print(&table.lines(&rows))?;
            if rows.is_empty() && !args.watch {
                none_found(io)?;
            }
        }
    }
    if !args.watch {
        return Ok(());
    }
    let request = pb::WatchEventsRequest { pod, after };
    let mut stream = api.watch_events(request).await?.into_inner();
    while let Some(event) = stream.message().await? {
        let event = objects::event(&event);
        match args.output {
            Some(output @ (Output::Json | Output::Yaml)) => {
                print_watched(io, output, &json(&event)?)?;
            }
            Some(Output::Name) => print_name(io, &event)?,
            Some(Output::Wide) | None => io.print(&table.lines(&[row(&event, wide, now())]))?,
        }
    }
    Ok(())
}

fn json(event: &Event) -> Result<Value> {
    serde_json::to_value(event).map_err(|e| Error::Other(e.to_string()))
}

fn print_name(io: &mut Io<'_>, event: &Event) -> Result<()> {
    io.line(&format!("event/{}", text(&event.metadata.name)))
}

fn row(event: &Event, wide: bool, now: Timestamp) -> Vec<String> {
    let first = event.first_timestamp.as_ref().map(|t| t.0);
    let last = event.last_timestamp.as_ref().map(|t| t.0).or(first);
    let object = &event.involved_object;
    let mut cells = vec![
        since(last, now),
        text(&event.type_).to_owned(),
        text(&event.reason).to_owned(),
        format!("{}/{}", text(&object.kind).to_lowercase(), text(&object.name)),
    ];
    if wide {
        cells.push(text(&object.field_path).to_owned());
        cells
            .push(event.source.as_ref().map(|s| text(&s.component)).unwrap_or_default().to_owned());
    }
    cells.push(text(&event.message).trim().to_owned());
    if wide {
        cells.push(since(first, now));
        cells.push(event.count.unwrap_or(1).to_string());
        cells.push(text(&event.metadata.name).to_owned());
    }
    cells
}
