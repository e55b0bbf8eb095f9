//! `get pods`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use probelet_kube_wire::selector::LabelSelector;

use super::columns::{self, HEADER, Row, WIDE};
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::{Io, now};
use super::namespace::Namespaces;
use super::object_output::{Output, none_found, print_objects, print_watched};
use super::table::Table;
use super::targets::matches;
use super::view::View;
use super::{nearby, objects};
use probelet_api::pb;

/// The pods that are listed.
pub struct Chosen<'a> {
    pub of: &'a Namespaces,
    /// All if empty.
    pub names: &'a [String],
    pub selector: Option<&'a LabelSelector>,
}

impl Chosen<'_> {
    fn has(&self, pod: &pb::Pod) -> Result<bool> {
        let is_named = self.names.is_empty() || self.names.contains(&pod.name);
        // A pod that was removed may come without its object, and then only its row counts.
        let is_matched = pod.object.is_none() || matches(self.selector, pod)?;
        Ok(self.of.shows_pod(pod) && is_named && is_matched)
    }
}

pub async fn get(client: &Client, view: &View, chosen: &Chosen<'_>, io: &mut Io<'_>) -> Result<()> {
    let (output, is_watch) = (view.output, view.watch);
    let Chosen { of, names, .. } = *chosen;
    let (pods, missing) = fetch(client, chosen).await?;
    let mut printer = Printer::new(view, of.are_all());
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
    if is_watch { watch(client, output, chosen, printer, io).await } else { Ok(()) }
}

/// The pods, and an error for each name without a pod.
async fn fetch(client: &Client, chosen: &Chosen<'_>) -> Result<(Vec<pb::Pod>, Vec<Error>)> {
    let Chosen { of, names, .. } = *chosen;
    let mut api = client.pods();
    if names.is_empty() {
        let request = pb::ListPodsRequest { namespace: of.of_list() };
        let mut pods = Vec::new();
        for pod in call(request, UNARY, |r| api.list_pods(r)).await?.pods {
            if chosen.has(&pod)? {
                pods.push(pod);
            }
        }
        return Ok((pods, Vec::new()));
    }
    let (mut pods, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let request = pb::GetPodRequest { namespace: of.name(), name: name.clone() };
        match call(request, UNARY, |r| api.get_pod(r)).await {
            Ok(pod) => pods.push(pod),
            Err(error) if error.is_not_found() => {
                missing.push(nearby::explain(client, (&of.name(), name), error).await);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((pods, missing))
}

async fn watch(
    client: &Client,
    output: Option<Output>,
    chosen: &Chosen<'_>,
    mut printer: Printer,
    io: &mut Io<'_>,
) -> Result<()> {
    let request = pb::ListPodsRequest { namespace: chosen.of.of_list() };
    let mut pods = client.pods().watch_pods(request).await?.into_inner();
    while let Some(pod) = pods.message().await? {
        if !chosen.has(&pod)? {
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
    has_labels: bool,
    has_namespaces: bool,
    table: Table,
    /// The last row of each pod: a change that no column shows prints no line.
    seen: BTreeMap<Key, Row>,
}

impl Printer {
    fn new(view: &View, has_namespaces: bool) -> Self {
        let wide = view.output == Some(Output::Wide);
        let mut header = if has_namespaces { vec!["NAMESPACE"] } else { Vec::new() };
        header.extend(HEADER);
        if wide {
            header.extend(WIDE);
        }
        if view.show_labels {
            header.push("LABELS");
        }
        let table = Table::new(&header).header(!view.no_headers);
        let has_labels = view.show_labels;
        Self { wide, has_labels, has_namespaces, table, seen: BTreeMap::new() }
    }

    fn rows(&mut self, io: &mut Io<'_>, pods: &[pb::Pod]) -> Result<()> {
        let now = now();
        let mut rows = Vec::with_capacity(pods.len());
        for pod in pods {
            let row = columns::row(&objects::pod(pod)?);
            // A change that no column shows prints no line.
            let row = if self.has_labels { row } else { row.without_labels() };
            if pod.removed || self.seen.get(&key(pod)) != Some(&row) {
                rows.push(self.cells(&pod.namespace, &row, now));
            }
            self.seen.insert(key(pod), row);
        }
        io.print(&self.table.lines(&rows))
    }

    fn cells(&self, namespace: &str, row: &Row, now: Timestamp) -> Vec<String> {
        let first = self.has_namespaces.then(|| namespace.to_owned());
        let last = self.has_labels.then(|| row.labels());
        first.into_iter().chain(row.cells(self.wide, now)).chain(last).collect()
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
