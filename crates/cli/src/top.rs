//! `top`: at a terminal a screen that follows, else the use of CPU and memory, from two samples.

use std::time::Duration;

use super::connect::{Client, Connection, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::loads::{Load, Pod, loads, of_pods};
use super::namespace::Namespaces;
use super::table::Table;
use super::{names, screen};
use probelet_api::pb;

/// The time between the samples.
const SAMPLE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pod`, then a name; by default all pods.
    #[arg(value_name = "pod [NAME]")]
    pod: Vec<String>,
    /// Print a table once, also at a terminal; implied if stdin or stdout is no terminal.
    #[arg(long)]
    once: bool,
    /// Print a line for each container, once.
    #[arg(long)]
    containers: bool,
    #[command(flatten)]
    namespaces: Namespaces,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        let pod = pod(&self.pod)?;
        self.namespaces.check(if pod.is_empty() { &[] } else { std::slice::from_ref(&pod) })
    }
}

pub async fn run(
    connection: &Connection,
    client: &Client,
    args: &Args,
    io: &mut Io<'_>,
) -> Result<()> {
    let pod = pod(&args.pod)?;
    if io.has_screen() && !args.once && !args.containers {
        return screen::run(connection, client, args.namespaces.clone(), pod).await;
    }
    once(client, args, &pod, io).await
}

async fn once(client: &Client, args: &Args, pod: &str, io: &mut Io<'_>) -> Result<()> {
    let of = &args.namespaces;
    let first = sample(client, of, pod).await?;
    tokio::time::sleep(SAMPLE).await;
    let loads = loads(&first, &sample(client, of, pod).await?);
    if loads.is_empty() {
        return Err(Error::Other("no container runs whose use could be measured".to_owned()));
    }
    let named = |(namespace, name): Pod| match of.are_all() {
        true => vec![namespace, name],
        false => vec![name],
    };
    let mut header = if of.are_all() { vec!["NAMESPACE"] } else { Vec::new() };
    let rows: Vec<_> = if args.containers {
        header.extend(["POD", "NAME"]);
        let row = |((pod, container), load): ((Pod, String), Load)| {
            [named(pod), vec![container], load.cells().into()].concat()
        };
        loads.into_iter().map(row).collect()
    } else {
        header.push("NAME");
        let row = |(pod, load): (Pod, Load)| [named(pod), load.cells().into()].concat();
        of_pods(loads).into_iter().map(row).collect()
    };
    header.extend(["CPU(cores)", "MEMORY(bytes)"]);
    io.print(&Table::new(&header).lines(&rows))
}

/// The name of the pod; empty for all pods.
fn pod(args: &[String]) -> Result<String> {
    match args {
        [] => Ok(String::new()),
        [all] if matches!(all.as_str(), "pod" | "pods" | "po") => Ok(String::new()),
        args => match names::pods(args)?.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(Error::Usage("top takes one pod, or none for all".to_owned())),
        },
    }
}

async fn sample(client: &Client, of: &Namespaces, pod: &str) -> Result<Vec<pb::Usage>> {
    let request = pb::GetUsageRequest { namespace: of.of(pod), pod: pod.to_owned() };
    let mut containers = client.containers();
    let mut all = call(request, UNARY, |r| containers.get_usage(r)).await?.containers;
    all.retain(|usage| of.shows(&usage.namespace));
    Ok(all)
}
