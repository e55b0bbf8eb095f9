//! Reading a container's log back: whole, its last lines, or as it grows.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tonic::{Code, Response, Status};

use super::error::{field, invalid, refuse, status_of};
use super::{Api, Streaming, convert};
use crate::domain::adopt::ContainerRef;
use crate::domain::spec::SpecError;
use crate::domain::status::ContainerState;
use crate::logs::format::{Printer, Selection};
use crate::logs::{Read, Reader, Tail};
use crate::pb;
use crate::runtime::AttemptId;
use crate::supervisor;

/// How often a followed log is looked at for more.
const POLL: Duration = Duration::from_millis(200);
/// So often a log whose container has ended, and whose writer has not yet.
const LAST_POLLS: u32 = 10;

pub(super) async fn read(
    api: &Api,
    request: pb::GetLogsRequest,
) -> Result<Response<Streaming<pb::LogChunk>>, Status> {
    let id = attempt_of(api, &request)?;
    let selection = selection(&request, supervisor::now().wall).map_err(|e| invalid(vec![e]))?;
    let path = api.supervisor.log_path(&id);
    let tail = request.tail.map(|lines| Tail { lines: lines.into(), within: None });
    let follow = request.follow;
    let opened = blocking(move || Reader::open(&path, tail, follow)).await?;
    let reader = match opened {
        Ok(reader) => reader,
        Err(error) => return Err(no_log(api, &id, &error).await),
    };
    let log = Log { reader, printer: Printer::new(selection), buffer: Vec::new() };
    Ok(Response::new(api.stream(move |api, sender| async move {
        copy(&api, log, id, follow, &sender).await;
    })))
}

fn selection(request: &pb::GetLogsRequest, now: SystemTime) -> Result<Selection, SpecError> {
    let ago = request.since.map(|since| {
        let since = Duration::try_from(since).map_err(|error| field("since", error.to_string()))?;
        now.checked_sub(since).ok_or_else(|| field("since", "is before all times"))
    });
    let time = request.since_time.map(|time| {
        SystemTime::try_from(time).map_err(|error| field("since_time", error.to_string()))
    });
    if ago.is_some() && time.is_some() {
        return Err(field("since_time", "cannot be set together with since"));
    }
    let since = ago.or(time).transpose()?;
    Ok(Selection { since, timestamps: request.timestamps, limit: request.limit_bytes })
}

fn attempt_of(api: &Api, request: &pb::GetLogsRequest) -> Result<AttemptId, Status> {
    let view = api.supervisor.get(&request.name).map_err(status_of)?;
    let status = convert::status_of_container(&view, &request.container).map_err(status_of)?;
    // As in Kubernetes: the previous instance is the one of the last state, so that of a container
    // that waits for its next start it is the newest.
    let attempt = match (request.previous, &status.last_state) {
        (false, _) => status.instance,
        (true, Some(previous)) => previous.attempt,
        (true, None) => {
            let (pod, container) = (&view.spec.name, &status.name);
            return Err(refuse(
                Code::NotFound,
                format!("previous terminated container {container:?} in pod {pod:?} not found"),
            ));
        }
    };
    Ok(AttemptId { pod: view.spec.name.clone(), container: status.name.clone(), attempt })
}

/// In kubectl's words where that is why.
async fn no_log(api: &Api, id: &AttemptId, error: &std::io::Error) -> Status {
    if let Some(place) = ContainerRef::of_pod(&id.pod)
        && let Ok(Some(output)) = api.adopter.output_of(&place).await
        && !output.is_ours()
    {
        let ContainerRef { namespace, id } = place;
        return refuse(
            Code::NotFound,
            format!(
                "container {id:?} in containerd's namespace {namespace:?} was started by its owner, and \
             its output goes {output}; probelet has no log of it"
            ),
        );
    }
    let (pod, container) = (&id.pod, &id.container);
    let view = api.supervisor.get(pod).ok();
    match view.as_ref().and_then(|view| Some(&view.status.of(container)?.state)) {
        Some(ContainerState::Waiting { reason, .. }) => refuse(
            Code::FailedPrecondition,
            format!("container {container:?} in pod {pod:?} is waiting to start: {reason}"),
        ),
        _ => refuse(Code::NotFound, format!("no log of {id}: {error}")),
    }
}

struct Log {
    reader: Reader,
    printer: Printer,
    buffer: Vec<u8>,
}

impl Log {
    fn step(&mut self, chunk: &mut pb::LogChunk) -> std::io::Result<Read> {
        let read = self.reader.read(&mut self.buffer)?;
        match read {
            Read::Data => self.printer.push(&self.buffer, &mut chunk.data),
            Read::Missing(files) => chunk.missing_files = files,
            Read::End => {}
        }
        Ok(read)
    }
}

async fn copy(
    api: &Api,
    mut log: Log,
    id: AttemptId,
    follow: bool,
    sender: &mpsc::Sender<Result<pb::LogChunk, Status>>,
) {
    let mut idle = 0;
    while !log.printer.is_done() {
        // Only an attempt that had ended before the read has nothing more to say.
        let ended = !follow || !is_running(api, &id);
        let stepped = blocking(move || {
            let mut chunk = pb::LogChunk::default();
            // As the read, so the lock: who was gone before it has written all.
            let complete = !follow || (ended && log.reader.is_complete());
            let read = log.step(&mut chunk);
            (log, chunk, complete, read)
        });
        let (back, mut chunk, complete, read) = match stepped.await {
            Ok(stepped) => stepped,
            Err(status) => return drop(sender.send(Err(status)).await),
        };
        log = back;
        let over = match read {
            Ok(Read::End) if ended && (complete || idle >= LAST_POLLS) => {
                log.printer.finish(&mut chunk.data);
                true
            }
            Ok(Read::End) => {
                idle = if ended { idle + 1 } else { 0 };
                tokio::time::sleep(POLL).await;
                continue;
            }
            Ok(Read::Data | Read::Missing(_)) => false,
            Err(error) => {
                tracing::warn!(%id, %error, "log not readable");
                return drop(sender.send(Err(broken(&error))).await);
            }
        };
        let is_empty = chunk.data.is_empty() && chunk.missing_files == 0;
        if (!is_empty && sender.send(Ok(chunk)).await.is_err()) || over {
            return;
        }
    }
}

fn is_running(api: &Api, id: &AttemptId) -> bool {
    api.supervisor.get(&id.pod).is_ok_and(|view| {
        let mut statuses = view.status.all();
        statuses.any(|s| s.name == id.container && s.instance == id.attempt && s.pid.is_some())
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> Status {
    refuse(Code::Internal, format!("log not readable: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn since_is_an_age_or_a_moment_and_not_both() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let age = prost_types::Duration { seconds: 10, nanos: 0 };
        let moment = prost_types::Timestamp { seconds: 7, nanos: 0 };
        let since = |since, since_time| {
            let request = pb::GetLogsRequest { since, since_time, ..Default::default() };
            selection(&request, now).map(|selection| selection.since).map_err(|error| error.field)
        };
        assert_eq!(since(None, None), Ok(None));
        assert_eq!(since(Some(age), None), Ok(Some(now - Duration::from_secs(10))));
        assert_eq!(since(None, Some(moment)), Ok(Some(UNIX_EPOCH + Duration::from_secs(7))));
        assert_eq!(since(Some(age), Some(moment)), Err("since_time".to_owned()));
        let negative = prost_types::Duration { seconds: -10, nanos: 0 };
        assert_eq!(since(Some(negative), None), Err("since".to_owned()));
    }
}
