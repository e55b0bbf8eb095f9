//! `run --rm` and `run -i`: a pod whose output is printed until it ends; with `--rm` it is deleted then.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::attached::{End, Streams, attach};
use super::connect::{Client, UNARY, call, deadline_for};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::PodRef;
use probelet_api::pb;
use probelet_api::pb::container_state::State;
use probelet_api::pb::wait_container_request::Condition;

/// The longest wait that the API accepts.
const WAIT: Duration = Duration::from_secs(3600);
/// The exit status of a shell's command that Ctrl-C has ended.
const INTERRUPTED: u32 = 130;

/// Attaches to the container until it or the session has ended. The exit status is the container's,
/// unless the container is started again.
pub async fn attend(
    client: &Client,
    pod: &PodRef,
    streams: &Streams<'_>,
    io: &mut Io<'_>,
) -> Result<()> {
    match session(client, pod, streams, io).await? {
        Some(End::Exit(0) | End::Unknown) => Ok(()),
        Some(End::Exit(code)) => Err(Error::Command(code)),
        Some(End::Detached) => detached(pod, io),
        // It has ended before the session.
        None => follow(client, pod, io).await,
    }
}

/// `None` if the container does not run (any more).
async fn session(
    client: &Client,
    pod: &PodRef,
    streams: &Streams<'_>,
    io: &mut Io<'_>,
) -> Result<Option<End>> {
    match attach(client, pod, String::new(), streams, io).await {
        Err(Error::Status(status)) if status.code() == tonic::Code::FailedPrecondition => Ok(None),
        end => end.map(Some),
    }
}

fn detached(pod: &PodRef, io: &mut Io<'_>) -> Result<()> {
    let name = &pod.name;
    io.note(&format!("detached; pod/{name} runs on: `probelet attach -it {name}` comes back"))
}

/// Attaches to the container, or prints its log, until it has ended for good, and deletes the pod in
/// any case, unless the user has detached. Ctrl-C ends it early.
pub async fn attend_and_delete(
    client: &Client,
    pod: &PodRef,
    streams: Option<Streams<'_>>,
    io: &mut Io<'_>,
) -> Result<()> {
    let (mut interrupted, mut ended) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let followed = async {
        let end = match &streams {
            Some(streams) => session(client, pod, streams, io).await?,
            None => None,
        };
        match end {
            None => follow(client, pod, io).await.map(|()| false),
            Some(End::Detached) => Ok(true),
            Some(_) => result_of(client, pod, io).await.map(|()| false),
        }
    };
    let result = tokio::select! {
        result = followed => result,
        _ = interrupted.recv() => Err(Error::Command(INTERRUPTED)),
        _ = ended.recv() => Err(Error::Command(INTERRUPTED)),
    };
    let result = match result {
        Ok(true) => return detached(pod, io),
        result => result.map(drop),
    };
    let deleted = delete(client, pod).await;
    // The result of the container counts; a pod that could not be deleted is reported beside it.
    match (result, deleted) {
        (Err(error), Err(left)) => {
            io.report(&left)?;
            Err(error)
        }
        (result, deleted) => result.and(deleted),
    }
}

async fn follow(client: &Client, pod: &PodRef, io: &mut Io<'_>) -> Result<()> {
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let request =
        pb::GetLogsRequest { namespace, name, follow: true, ..pb::GetLogsRequest::default() };
    match client.containers().get_logs(request).await {
        Ok(chunks) => {
            let mut chunks = chunks.into_inner();
            while let Some(chunk) = chunks.message().await? {
                io.raw(&chunk.data)?;
            }
        }
        // It did not start, and its state says why.
        Err(status) if status.code() == tonic::Code::FailedPrecondition => {}
        Err(status) => return Err(status.into()),
    }
    result_of(client, pod, io).await
}

/// Waits until the container has ended for good.
async fn result_of(client: &Client, pod: &PodRef, io: &mut Io<'_>) -> Result<()> {
    let request = pb::WaitContainerRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        condition: Some(Condition::Exited(true)),
        timeout: prost_types::Duration::try_from(WAIT).ok(),
        ..pb::WaitContainerRequest::default()
    };
    let mut containers = client.containers();
    let deadline = WAIT.saturating_add(UNARY);
    let container = call(request, deadline, |r| containers.wait_container(r)).await?;
    match container.state.and_then(|state| state.state) {
        Some(State::Terminated(end)) if end.exit_code == 0 => Ok(()),
        Some(State::Terminated(end)) => {
            if !end.message.is_empty() {
                io.warn(&end.message)?;
            }
            Err(Error::Command(u32::try_from(end.exit_code).unwrap_or(1)))
        }
        _ => Err(Error::Other(format!("pod/{} did not end", pod.name))),
    }
}

async fn delete(client: &Client, pod: &PodRef) -> Result<()> {
    let request = pb::RemovePodRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        grace_period: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        no_wait: false,
    };
    let mut pods = client.pods();
    let deadline = deadline_for(Duration::from_secs(1));
    call(request, deadline, |r| pods.remove_pod(r)).await.map(drop)
}
