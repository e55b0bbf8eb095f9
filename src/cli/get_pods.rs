//! `get pods`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::columns::{self, HEADER, Row, WIDE};
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::{Io, now};
use super::namespace::Namespaces;
use super::object_output::{Output, none_found, print_objects, print_watched};
use super::objects;
use super::table::Table;
use crate::pb;

pub async fn get(
    client: &Client,
    (output, is_watch): (Option<Output>, bool),
    (of, names): (&Namespaces, &[String]),
    io: &mut Io<'_>,
) -> Result<()> {
    let (pods, missing) = fetch(client, of, names).await?;
    let mut printer = Printer::new(output, of.are_all());
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
        none_found(io, of)?;
    }
    if !missing.is_empty() {
        return Err(Error::Reported);
    }
    if is_watch { watch(client, output, (of, names), printer, io).await } else { Ok(()) }
}

/// The pods, and an error for each name without a pod.
async fn fetch(
    client: &Client,
    of: &Namespaces,
    names: &[String],
) -> Result<(Vec<pb::Pod>, Vec<Error>)> {
    let mut api = client.pods();
    if names.is_empty() {
        let request = pb::ListPodsRequest { namespace: of.of_list() };
        let mut pods = call(request, UNARY, |r| api.list_pods(r)).await?.pods;
        pods.retain(|pod| of.shows_pod(pod));
        return Ok((pods, Vec::new()));
    }
    let (mut pods, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let request = pb::GetPodRequest { namespace: of.name(), name: name.clone() };
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
    (of, names): (&Namespaces, &[String]),
    mut printer: Printer,
    io: &mut Io<'_>,
) -> Result<()> {
    let request = pb::ListPodsRequest { namespace: of.of_list() };
    let mut pods = client.pods().watch_pods(request).await?.into_inner();
    while let Some(pod) = pods.message().await? {
        if !of.shows_pod(&pod) || (!names.is_empty() && !names.contains(&pod.name)) {
            continue;
        }
        // A pod that was removed may come without its object; then its last row is printed.
        let gone = pod.removed && pod.object.is_none();
        match output {
            _ if gone => printer.forget(io, &pod)?,
            Some(output @ (Output::Json | Output::Yaml)) => {
                print_watched(io, output, &objects::pod_json(&pod)?)?;
            }
            Some(Output::Name) => printer.name(io, &pod)?,
            Some(Output::Wide) | None => {
                printer.rows(io, std::slice::from_ref(&pod))?;
                if pod.removed {
                    printer.seen.remove(&key(&pod));
                }
            }
        }
    }
    Ok(())
}

/// Namespace and name of a pod.
type Key = (String, String);

fn key(pod: &pb::Pod) -> Key {
    (pod.namespace.clone(), pod.name.clone())
}

struct Printer {
    wide: bool,
    has_namespaces: bool,
    table: Table,
    /// The last row of each pod: a change that no column shows prints no line.
    seen: BTreeMap<Key, Row>,
}

impl Printer {
    fn new(output: Option<Output>, has_namespaces: bool) -> Self {
        let wide = output == Some(Output::Wide);
        let mut header = if has_namespaces { vec!["NAMESPACE"] } else { Vec::new() };
        header.extend(HEADER);
        if wide {
            header.extend(WIDE);
        }
        Self { wide, has_namespaces, table: Table::new(&header), seen: BTreeMap::new() }
    }

    fn rows(&mut self, io: &mut Io<'_>, pods: &[pb::Pod]) -> Result<()> {
        let now = now();
        let mut rows = Vec::with_capacity(pods.len());
        for pod in pods {
            let row = columns::row(&objects::pod(pod)?);
            if pod.removed || self.seen.get(&key(pod)) != Some(&row) {
                rows.push(self.cells(&pod.namespace, &row, now));
            }
            self.seen.insert(key(pod), row);
        }
        io.print(&self.table.lines(&rows))
    }

    fn cells(&self, namespace: &str, row: &Row, now: Timestamp) -> Vec<String> {
        let first = self.has_namespaces.then(|| namespace.to_owned());
        first.into_iter().chain(row.cells(self.wide, now)).collect()
    }

    fn name(&mut self, io: &mut Io<'_>, pod: &pb::Pod) -> Result<()> {
        if pod.removed {
            self.seen.remove(&key(pod));
            return Ok(());
        }
        match self.seen.insert(key(pod), Row::default()) {
            None => io.line(&format!("pod/{}", pod.name)),
            Some(_) => Ok(()),
        }
    }

    fn forget(&mut self, io: &mut Io<'_>, pod: &pb::Pod) -> Result<()> {
        match self.seen.remove(&key(pod)) {
            Some(row) if row != Row::default() => {
                let cells = self.cells(&pod.namespace, &row, now());
                io.print(&self.table.lines(&[cells]))
            }
            _ => Ok(()),
        }
    }
}
