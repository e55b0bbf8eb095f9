//! The calls of the daemon that the screen makes, as events.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;

use super::super::connect::{Client, Connection, call};
use super::super::error::{Error, Result};
use super::super::{describe, pause, restart, resume};
use super::command::Call;
use super::event::Event;
use super::row::Id;
use probelet_api::pb;

/// The time for an answer about all containers.
const ANSWER: Duration = Duration::from_secs(10);
/// The time between two questions: at least this, and the daemon spends at most a tenth of its time
/// on them.
const PERIOD: Duration = Duration::from_secs(1);
const SHARE: u32 = 10;
/// The length of a pause of probes.
const PAUSE: Duration = Duration::from_secs(600);
/// The lines of a log that are read before new ones.
const TAIL: u32 = 500;

/// An answer about all containers, and the time until the next question.
pub struct Answer {
    pub event: Event,
    pub pause: Duration,
}

/// Asks about all containers after a time.
pub fn poll<'a>(
    connection: &'a Connection,
    client: &'a Client,
    after: Duration,
) -> BoxFuture<'a, Answer> {
    async move {
        tokio::time::sleep(after).await;
        let start = Instant::now();
        let event = match containers(client).await {
            Ok((containers, usage)) => Event::Polled { containers, usage },
            Err(error) => Event::Lost(text(connection, error)),
        };
        let pause = start.elapsed().saturating_mul(SHARE).max(PERIOD);
        Answer { event, pause }
    }
    .boxed()
}

async fn containers(client: &Client) -> Result<(Vec<pb::Container>, Vec<pb::Usage>)> {
    let (mut api, mut usage_api) = (client.containers(), client.containers());
    let request = pb::ListContainersRequest::default();
    let containers = call(request, ANSWER, |r| api.list_containers(r)).await?.containers;
    let request = pb::GetUsageRequest::default();
    let usage = call(request, ANSWER, |r| usage_api.get_usage(r)).await?.containers;
    Ok((containers, usage))
}

/// Makes a call that a key asked for.
pub fn carry_out<'a>(
    connection: &'a Connection,
    client: &'a Client,
    call: Call,
) -> BoxFuture<'a, Event> {
    async move {
        match answer(client, &call).await {
            Ok(event) => event,
            Err(error) => Event::Failed(text(connection, error)),
        }
    }
    .boxed()
}

async fn answer(client: &Client, call: &Call) -> Result<Event> {
    let id = call.id();
    let (pod, container) = (id.pod(), id.container.as_str());
    Ok(match call {
        Call::Describe(_) => Event::Shown(describe::describe(client, &pod).await?.to_string()),
        Call::Evidence(_) => {
            let evidence = describe::stored_evidence(client, &pod, Some(container)).await?;
            Event::Shown(evidence.to_string())
        }
        Call::Restart(_) => {
            restart::restart(client, &pod, Some(container), None).await?;
            Event::Done(format!("{id} restarted"))
        }
        Call::Pause(_) => Event::Done(pause::pause(client, &pod, container, PAUSE).await?),
        Call::Resume(_) => Event::Done(resume::resume(client, &pod, container).await?),
    })
}

/// The log of a container, from its last lines on. It ends with [`Event::LogEnded`].
pub fn follow<'a>(connection: &'a Connection, client: &'a Client, id: Id) -> BoxStream<'a, Event> {
    let ended = |error| stream::iter([Event::LogEnded(error)]);
    let failed = move |error: Error| ended(Some(text(connection, error)));
    let open = async move {
        let Id { namespace, pod, container } = id;
        let request = pb::GetLogsRequest {
            namespace,
            name: pod,
            container,
            follow: true,
            tail: Some(TAIL),
            ..pb::GetLogsRequest::default()
        };
        let chunks = match client.containers().get_logs(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return failed(status.into()).boxed(),
        };
        let chunk = move |chunk: std::result::Result<pb::LogChunk, tonic::Status>| match chunk {
            Ok(chunk) => Event::Log(chunk.data),
            Err(status) => Event::LogEnded(Some(text(connection, status.into()))),
        };
        chunks.map(chunk).chain(ended(None)).boxed()
    };
    stream::once(open).flatten().boxed()
}

/// An error in one line, with what to do about it.
fn text(connection: &Connection, error: Error) -> String {
    let lines = connection.explain(error).lines();
    let lines = lines.iter().map(|line| line.strip_prefix("error: ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("; ")
}
