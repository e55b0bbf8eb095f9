//! `restart`.

use std::time::Duration;

use futures_util::future::try_join_all;
use probelet_text::duration::parse_or_zero;

use super::connect::{Client, START, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::start::must_have_started;
use super::targets::{PodRef, Targets};
use super::{grace, objects};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container; by default all of the pod that run as long as it: the regular ones and sidecars.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// The time from SIGTERM to SIGKILL, such as `10` or `1m30s`; by default the container's own.
    #[arg(long, value_name = "DURATION", value_parser = parse_or_zero)]
    grace_period: Option<Duration>,
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let restart = async |pod: &PodRef| {
        restart(client, pod, args.container.as_deref(), args.grace_period).await?;
        Ok(format!("pod/{} restarted", pod.name))
    };
    args.targets.each(client, "to restart", io, restart).await
}

/// Restarts one container, or all that run as long as the pod.
pub async fn restart(
    client: &Client,
    pod: &PodRef,
    container: Option<&str>,
    grace_period: Option<Duration>,
) -> Result<()> {
    let names = match container {
        Some(name) => vec![name.to_owned()],
        // Of a pod without containers, such as that of a wrong manifest, the daemon says why.
        None => match containers_of(client, pod).await? {
            none if none.is_empty() => vec![String::new()],
            names => names,
        },
    };
    let deadline = grace::deadline(client, pod, grace_period).await?;
    let deadline = deadline.saturating_add(START);
    let one = |container| async move {
        let request = pb::RestartContainerRequest {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            container,
            grace_period: grace::message(grace_period),
        };
        let mut containers = client.containers();
        let container = call(request, deadline, |r| containers.restart_container(r)).await?;
        must_have_started(&pod.name, &container)
    };
    try_join_all(names.into_iter().map(one)).await.map(drop)
}

/// The containers that run as long as the pod.
async fn containers_of(client: &Client, pod: &PodRef) -> Result<Vec<String>> {
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let mut pods = client.pods();
    let request = pb::GetPodRequest { namespace, name };
    let pod = objects::pod(&call(request, UNARY, |r| pods.get_pod(r)).await?)?;
    let spec = pod.spec.unwrap_or_default();
    let init = spec.init_containers.unwrap_or_default();
    let sidecars = init.into_iter().filter(|one| one.restart_policy.as_deref() == Some("Always"));
    Ok(sidecars.chain(spec.containers).map(|one| one.name).collect())
}
