//! `get`.

use serde_json::Value;

use super::args::{GetArgs, Output};
use super::connect::Client;
use super::error::Result;
use super::io::Io;
use super::names::{self, Kind};
use super::{get_events, get_pods, objects};

pub(super) async fn get(client: &Client, args: &GetArgs, io: &mut Io<'_>) -> Result<()> {
    let (kind, names) = names::resource(&args.resource.words)?;
    match kind {
        Kind::Pod => get_pods::get(client, args, &names, io).await,
        Kind::Event => get_events::get(client, args, &names, io).await,
    }
}

/// Prints whole objects. One that was asked for by name stands alone, else it is a List.
pub(super) fn print_objects(
    io: &mut Io<'_>,
    output: Output,
    mut items: Vec<Value>,
    alone: bool,
) -> Result<()> {
    let object = match (alone, items.len()) {
        (true, 1) => items.pop().unwrap_or_default(),
        _ => objects::list(items),
    };
    match output {
        Output::Yaml => io.yaml(&object),
        _ => io.json(&object),
    }
}

/// One more object of a watch; YAML needs its separator.
pub(super) fn print_watched(io: &mut Io<'_>, output: Output, object: &Value) -> Result<()> {
    match output {
        Output::Yaml => {
            io.line("---")?;
            io.yaml(object)
        }
        _ => io.json(object),
    }
}

pub(super) fn none_found(io: &mut Io<'_>) -> Result<()> {
    io.note("No resources found.")
}
