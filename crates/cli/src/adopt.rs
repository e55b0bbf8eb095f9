//! `adopt` and `release`.

use std::time::Duration;

use probelet_text::duration::parse;

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container as `ID` or `NAMESPACE/ID`; by default in the namespace `default`.
    #[arg(value_name = "[NAMESPACE/]ID")]
    id: String,
    /// The liveness probe: `http://:8080/healthz`, `tcp://:5432`, `grpc://:9000`, `exec:cat /tmp/healthy`.
    #[arg(long, value_name = "PROBE")]
    liveness: Option<String>,
    /// The readiness probe.
    #[arg(long, value_name = "PROBE")]
    readiness: Option<String>,
    /// The startup probe.
    #[arg(long, value_name = "PROBE")]
    startup: Option<String>,
    /// The restart policy: `always`, `on-failure`, `on-failure:N` (at most N restarts in a row) or `never`.
    #[arg(long, value_name = "POLICY", default_value = "always")]
    restart: String,
    /// The time from SIGTERM to SIGKILL.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    grace: Duration,
}

/// A probe by its short form.
pub fn probe(url: Option<&String>) -> Option<pb::Probe> {
    let handler = Some(pb::probe::Handler::Url(url?.clone()));
    Some(pb::Probe { handler, ..pb::Probe::default() })
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (namespace, id) = args.id.split_once('/').unwrap_or(("default", &args.id));
    let request = pb::AdoptContainerRequest {
        namespace: namespace.to_owned(),
        id: id.to_owned(),
        liveness_probe: probe(args.liveness.as_ref()),
        readiness_probe: probe(args.readiness.as_ref()),
        startup_probe: probe(args.startup.as_ref()),
        restart: args.restart.clone(),
        termination_grace_period: prost_types::Duration::try_from(args.grace).ok(),
    };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.adopt_container(r)).await?;
    io.line(&format!("pod/{namespace}/{id} adopted"))
}
