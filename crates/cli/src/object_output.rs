//! Printing of whole objects, as JSON or YAML.

use clap::ValueEnum;
use serde_json::Value;

use super::error::Result;
use super::io::Io;
use super::namespace::Namespaces;
use super::objects;

/// The formats of `get -o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Wide,
    Json,
    Yaml,
    Name,
}

/// Prints whole objects: as a List, or alone if `alone` and there is one.
pub fn print_objects(
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

/// Prints the next object of a watch; YAML needs a separator.
pub fn print_watched(io: &mut Io<'_>, output: Output, object: &Value) -> Result<()> {
    match output {
        Output::Yaml => {
            io.line("---")?;
            io.yaml(object)
        }
        _ => io.json(object),
    }
}

pub fn none_found(io: &mut Io<'_>, of: &Namespaces) -> Result<()> {
    io.note(&of.none_found())
}
