//! `start`.

use super::args::NameArgs;
use super::connect::{Client, START, call};
use super::error::{Error, Result};
use super::io::Io;
use super::names;
use crate::pb;
use crate::pb::container_state::State;

pub(super) async fn start(client: &Client, args: &NameArgs, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let request = pb::StartContainerRequest { name: name.clone() };
    let mut containers = client.containers();
    let container = call(request, START, |r| containers.start_container(r)).await?;
    must_have_started(&name, &container)?;
    io.line(&format!("pod/{name} started"))
}

/// The daemon answers when the container runs or could not be started; only its state tells
/// which. One that has ended already did start.
pub(super) fn must_have_started(pod: &str, container: &pb::Container) -> Result<()> {
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
