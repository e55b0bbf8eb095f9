//! `get pods`.

use std::collections::BTreeMap;

use super::columns::{self, HEADER, Row, WIDE};
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::{Io, now};
use super::object_output::{Output, none_found, print_objects, print_watched};
use super::objects;
use super::table::Table;
use crate::pb;

pub async fn get(
    client: &Client,
    (output, is_watch): (Option<Output>, bool),
    names: &[String],
    io: &mut Io<'_>,
) -> Result<()> {
    let (pods, missing) = fetch(client, names).await?;
    let mut printer = Printer::new(output);
    match output {
        // A watch streams every pod once anyway.
        Some(Output::Json | Output::Yaml) if is_watch => {}
        Some(output @ (Output::Json | Output::Yaml)) => {
            // kubectl prints no list at all if none of the names exists.
            if missing.is_empty() || !pods.is_empty() {
                let items = pods.iter().map(objects::pod_json).collect::<Result<_>>()?;
                print_objects(io, output, items, names.len() == 1)?;
            }
        }
        Some(Output::Name) => pods.iter().try_for_each(|p| printer.name(io, p))?,
        Some(Output::Wide) | None => printer.rows(io, &pods)?,
    }
    for error in &missing {
        io.report(error)?;
    }
    let structured = matches!(output, Some(Output::Json | Output::Yaml));
    if names.is_empty() && pods.is_empty() && !structured && !is_watch {
        none_found(io)?;
    }
    if !missing.is_empty() {
        return Err(Error::Reported);
    }
    if is_watch { watch(client, output, names, printer, io).await } else { Ok(()) }
}

/// The pods, and an error for each name without a pod.
async fn fetch(client: &Client, names: &[String]) -> Result<(Vec<pb::Pod>, Vec<Error>)> {
    let mut api = client.pods();
    if names.is_empty() {
        let answer = call(pb::ListPodsRequest {}, UNARY, |r| api.list_pods(r)).await?;
        return Ok((answer.pods, Vec::new()));
    }
    let (mut pods, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let request = pb::GetPodRequest { name: name.clone() };
        match call(request, UNARY, |r| api.get_pod(r)).await {
            Ok(pod) => pods.push(pod),
            Err(error) if error.is_not_found() => missing.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((pods, missing))
}

async fn watch(
    client: &Client,
    output: Option<Output>,
    names: &[String],
    mut printer: Printer,
    io: &mut Io<'_>,
) -> Result<()> {
    let mut pods = client.pods().watch_pods(pb::ListPodsRequest {}).await?.into_inner();
    while let Some(pod) = pods.message().await? {
        if !names.is_empty() && !names.contains(&pod.name) {
            continue;
        }
        // A pod that was removed may come without its object; then its last row is printed.
        let gone = pod.removed && pod.object.is_none();
        match output {
            _ if gone => printer.forget(io, &pod.name)?,
            Some(output @ (Output::Json | Output::Yaml)) => {
                print_watched(io, output, &objects::pod_json(&pod)?)?;
            }
            Some(Output::Name) => printer.name(io, &pod)?,
            Some(Output::Wide) | None => {
                printer.rows(io, std::slice::from_ref(&pod))?;
                if pod.removed {
                    printer.seen.remove(&pod.name);
                }
            }
        }
    }
    Ok(())
}

struct Printer {
    wide: bool,
    table: Table,
    /// The last row of each pod: a change that no column shows prints no line.
    seen: BTreeMap<String, Row>,
}

impl Printer {
    fn new(output: Option<Output>) -> Self {
        let wide = output == Some(Output::Wide);
        let mut header = HEADER.to_vec();
        if wide {
            header.extend(WIDE);
        }
        Self { wide, table: Table::new(&header), seen: BTreeMap::new() }
    }

    fn rows(&mut self, io: &mut Io<'_>, pods: &[pb::Pod]) -> Result<()> {
        let now = now();
        let mut rows = Vec::with_capacity(pods.len());
        for pod in pods {
            let row = columns::row(&objects::pod(pod)?);
            if pod.removed || self.seen.get(&pod.name) != Some(&row) {
                rows.push(row.cells(self.wide, now));
            }
            self.seen.insert(pod.name.clone(), row);
        }
        io.print(&self.table.lines(&rows))
    }

    fn name(&mut self, io: &mut Io<'_>, pod: &pb::Pod) -> Result<()> {
        if pod.removed {
            self.seen.remove(&pod.name);
            return Ok(());
        }
        match self.seen.insert(pod.name.clone(), Row::default()) {
            None => io.line(&format!("pod/{}", pod.name)),
            Some(_) => Ok(()),
        }
    }

    fn forget(&mut self, io: &mut Io<'_>, name: &str) -> Result<()> {
        match self.seen.remove(name) {
            Some(row) if row != Row::default() => {
                io.print(&self.table.lines(&[row.cells(self.wide, now())]))
            }
            _ => Ok(()),
        }
    }
}
