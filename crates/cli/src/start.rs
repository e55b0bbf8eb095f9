//! `start`.

use super::connect::{Client, START, call};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::{PodRef, Targets};
use probelet_api::pb;
use probelet_api::pb::container_state::State;

#[derive(Debug, clap::Args)]
pub struct Args {
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
    let start = async |pod: &PodRef| {
        let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
        let request = pb::StartContainerRequest { namespace, name };
        let mut containers = client.containers();
        let container = call(request, START, |r| containers.start_container(r)).await?;
        must_have_started(&pod.name, &container)?;
        Ok(format!("pod/{} started", pod.name))
    };
    args.targets.each(client, "to start", io, start).await
}

/// Reports a start that failed: the daemon answers when the container runs or could not be started, and
/// the state has the result. A container that has ended already has started.
pub fn must_have_started(pod: &str, container: &pb::Container) -> Result<()> {
    match container.state.as_ref().and_then(|s| s.state.as_ref()) {
        Some(State::Waiting(waiting)) => {
            let detail: Vec<&str> = [waiting.reason.as_str(), waiting.message.as_str()]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            Err(Error::Other(format!("pod/{pod} did not start: {}", detail.join(": "))))
        }
        _ => Ok(()),
    }
}
