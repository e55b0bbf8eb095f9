//! `probe`.

use std::time::Duration;

use clap::ValueEnum;

use super::connect::{Client, PROBE, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::times::latency;
use super::{names, nearby, objects};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// The probe's kind; by default the first of these that the container has.
    #[arg(long, value_enum)]
    kind: Option<ProbeKind>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    match one(client, args, &name, io).await {
        Err(error) => Err(nearby::explain(client, (&args.namespace.name(), &name), error).await),
        done => done,
    }
}

async fn one(client: &Client, args: &Args, name: &str, io: &mut Io<'_>) -> Result<()> {
    let deadline = deadline(client, args, name).await?;
    let kind = match args.kind {
        None => "",
        Some(ProbeKind::Liveness) => "liveness",
        Some(ProbeKind::Readiness) => "readiness",
        Some(ProbeKind::Startup) => "startup",
    };
    let container = args.container.clone().unwrap_or_default();
    let namespace = args.namespace.name();
    let (name, kind) = (name.to_owned(), kind.to_owned());
    let request = pb::RunProbeRequest { namespace, name, container, kind };
    let mut containers = client.containers();
    let answer = call(request, deadline, |r| containers.run_probe(r)).await?;

    let took = answer.latency.and_then(|took| Duration::try_from(took).ok()).unwrap_or_default();
    let code = answer.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    io.line(&format!("{} probe: {} in {}{code}", answer.kind, answer.outcome, latency(took)))?;
    for line in answer.output.lines() {
        io.line(&format!("  {line}"))?;
    }
    // The printed result is the report; the exit status only repeats it.
    if matches!(answer.outcome.as_str(), "success" | "warning") {
        Ok(())
    } else {
        Err(Error::Reported)
    }
}

/// The longest timeout of the pod's probes, and the time that the daemon adds.
async fn deadline(client: &Client, args: &Args, name: &str) -> Result<Duration> {
    let request = pb::GetPodRequest { namespace: args.namespace.name(), name: name.to_owned() };
    let mut pods = client.pods();
    let pod = objects::pod(&call(request, UNARY, |r| pods.get_pod(r)).await?)?;
    let spec = pod.spec.unwrap_or_default();
    let probes = spec.init_containers.iter().flatten().chain(&spec.containers).flat_map(|c| {
        [&c.liveness_probe, &c.readiness_probe, &c.startup_probe].into_iter().flatten()
    });
    let longest = probes.filter_map(|probe| probe.timeout_seconds).max().unwrap_or_default();
    Ok(PROBE.saturating_add(Duration::from_secs(u64::try_from(longest).unwrap_or_default())))
}
