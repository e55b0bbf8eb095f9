//! `get events`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::Value;

use super::connect::Client;
use super::error::{Error, Result};
use super::event_pages::all_events;
use super::io::{Io, now};
use super::namespace::Namespaces;
use super::object_output::{Output, none_found, print_objects, print_watched};
use super::objects::{self, text};
use super::table::Table;
use super::times::since;
use super::view::View;
use probelet_api::pb;

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

pub async fn get(
    client: &Client,
    view: &View,
    (of, names): (&Namespaces, &[String]),
    io: &mut Io<'_>,
) -> Result<()> {
    let (output, is_watch) = (view.output, view.watch);
    let pod = match names {
        [] => String::new(),
        [name] => name.clone(),
        _ => return Err(Error::Usage("events are of one pod or of all".to_owned())),
    };
    let mut api = client.events();
    let mut stored = all_events(client, &of.of(&pod), &pod).await?;
    let after = stored.iter().map(|e| e.sequence).max().unwrap_or(0);
    stored.retain(|event| shows(of, event));
    let events: Vec<Event> = stored.iter().map(objects::event).collect();
    let wide = output == Some(Output::Wide);
    let mut header = if of.are_all() { vec!["NAMESPACE"] } else { Vec::new() };
    header.extend(if wide { &WIDE[..] } else { &HEADER });
    let mut table = Table::new(&header).header(!view.no_headers);
    let row = |event: &Event| {
        let namespace = of.are_all().then(|| text(&event.metadata.namespace).to_owned());
        namespace.into_iter().chain(row(event, wide, now())).collect()
    };
    match output {
        Some(output @ (Output::Json | Output::Yaml)) if is_watch => {
            events.iter().try_for_each(|e| print_watched(io, output, &json(e)?))?;
        }
        Some(output @ (Output::Json | Output::Yaml)) => {
            print_objects(io, output, events.iter().map(json).collect::<Result<_>>()?, false)?;
        }
        Some(Output::Name) => events.iter().try_for_each(|e| print_name(io, e))?,
        Some(Output::Wide) | None => {
            let rows: Vec<_> = events.iter().map(row).collect();
            io.print(&table.lines(&rows))?;
            if rows.is_empty() && !is_watch {
                none_found(io, of)?;
            }
        }
    }
    if !is_watch {
        return Ok(());
    }
    let request = pb::WatchEventsRequest { namespace: of.of(&pod), pod, after };
    let mut stream = api.watch_events(request).await?.into_inner();
    while let Some(event) = stream.message().await? {
        if !shows(of, &event) {
            continue;
        }
        let event = objects::event(&event);
        match output {
            Some(output @ (Output::Json | Output::Yaml)) => {
                print_watched(io, output, &json(&event)?)?;
            }
            Some(Output::Name) => print_name(io, &event)?,
            Some(Output::Wide) | None => io.print(&table.lines(&[row(&event)]))?,
        }
    }
    Ok(())
}

/// True if the event is of a pod that is listed. Older builds recorded the events of adopted
/// containers with containerd's namespace.
fn shows(of: &Namespaces, event: &pb::Event) -> bool {
    event.pod.contains('/') && of.shows("") || of.shows(&event.namespace)
}

fn json(event: &Event) -> Result<Value> {
    serde_json::to_value(event).map_err(Error::Json)
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
