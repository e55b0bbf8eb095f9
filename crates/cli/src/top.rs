//! `top`: the use of CPU and memory, from two samples.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::names;
use super::namespace::Namespaces;
use super::objects::timestamp;
use super::table::Table;
use probelet_api::pb;

/// The time between the samples.
const SAMPLE: Duration = Duration::from_secs(1);
const MEBI: u64 = 1 << 20;

/// Namespace and name of a pod.
type Pod = (String, String);
/// Thousandths of a core, and bytes.
type Load = (u64, u64);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pod`, then a name; by default all pods.
    #[arg(value_name = "pod [NAME]")]
    pod: Vec<String>,
    /// Print a line for each container.
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

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pod = pod(&args.pod)?;
    let of = &args.namespaces;
    let first = sample(client, of, &pod).await?;
    tokio::time::sleep(SAMPLE).await;
    let loads = loads(&first, &sample(client, of, &pod).await?);
    if loads.is_empty() {
        return Err(Error::Other("no container runs whose use could be measured".to_owned()));
    }
    let cells = |(cpu, memory): Load| [format!("{cpu}m"), format!("{}Mi", memory / MEBI)];
    let named = |(namespace, name): Pod| match of.are_all() {
        true => vec![namespace, name],
        false => vec![name],
    };
    let mut header = if of.are_all() { vec!["NAMESPACE"] } else { Vec::new() };
    let rows: Vec<_> = if args.containers {
        header.extend(["POD", "NAME"]);
        let row =
            |((pod, container), load)| [named(pod), vec![container], cells(load).into()].concat();
        loads.into_iter().map(row).collect()
    } else {
        header.push("NAME");
        let row = |(pod, load)| [named(pod), cells(load).into()].concat();
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

/// The loads of containers that are the same instance in both samples.
fn loads(first: &[pb::Usage], second: &[pb::Usage]) -> BTreeMap<(Pod, String), Load> {
    let name = |usage: &pb::Usage| {
        let pod = (usage.namespace.clone(), usage.pod.clone());
        (pod, usage.container.clone())
    };
    let both = second.iter().filter_map(|now| {
        let is_it = |then: &&pb::Usage| name(then) == name(now) && then.attempt == now.attempt;
        Some((first.iter().find(is_it)?, now))
    });
    both.filter_map(|(then, now)| {
        let spent = |usage: &pb::Usage| usage.cpu.and_then(|cpu| Duration::try_from(cpu).ok());
        let used = spent(now)?.saturating_sub(spent(then)?);
        let passed = timestamp(now.at)?.duration_since(timestamp(then.at)?);
        let passed = Duration::try_from(passed).ok().filter(|passed| !passed.is_zero())?;
        // Rounded up, as Kubernetes rounds quantities: a process that runs is never at 0.
        let millicores = (used.as_nanos() * 1000).div_ceil(passed.as_nanos());
        Some((name(now), (u64::try_from(millicores).unwrap_or(u64::MAX), now.memory_bytes)))
    })
    .collect()
}

fn of_pods(loads: BTreeMap<(Pod, String), Load>) -> BTreeMap<Pod, Load> {
    let mut pods = BTreeMap::<Pod, Load>::new();
    for ((pod, _), (cpu, memory)) in loads {
        let load = pods.entry(pod).or_default();
        *load = (load.0.saturating_add(cpu), load.1.saturating_add(memory));
    }
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Pod {
        ("default".to_owned(), "web".to_owned())
    }

    fn usage(container: &str, attempt: u32, at: (i64, i32), cpu_ms: u64, memory: u64) -> pb::Usage {
        pb::Usage {
            namespace: "default".to_owned(),
            pod: "web".to_owned(),
            container: container.to_owned(),
            attempt,
            at: Some(prost_types::Timestamp { seconds: at.0, nanos: at.1 }),
            cpu: prost_types::Duration::try_from(Duration::from_millis(cpu_ms)).ok(),
            memory_bytes: memory,
        }
    }

    #[test]
    fn the_load_is_the_use_of_one_instance_between_two_samples() {
        let first = [usage("a", 0, (10, 0), 1000, 1), usage("b", 0, (10, 0), 500, 1)];
        let second = [
            usage("a", 0, (12, 0), 1501, 3 * MEBI),
            usage("b", 1, (12, 0), 600, 1),
            usage("c", 0, (12, 0), 1, 1),
        ];
        let loads_of_both = loads(&first, &second);
        assert_eq!(loads_of_both, [((web(), "a".into()), (251, 3 * MEBI))].into());
        // Two samples of one moment have no load.
        assert!(loads(&first, &first).is_empty());
    }

    #[test]
    fn a_pod_uses_what_its_containers_use() {
        let of = |container: &str, load| ((web(), container.to_owned()), load);
        let other = ("other".to_owned(), "web".to_owned());
        let all = [of("a", (1, 10)), of("b", (2, 20)), ((other.clone(), "a".to_owned()), (4, 40))];
        assert_eq!(of_pods(all.into()), [(web(), (3, 30)), (other, (4, 40))].into());
    }
}
