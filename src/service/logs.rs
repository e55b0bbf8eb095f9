//! `GetLogs`: a container's log as a whole, its last lines, or as it grows.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::convert;
use super::error::{Error, Result, field};
use super::streams::{Sender, Streaming, Streams};
use crate::domain::adopt::ContainerRef;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::SpecError;
use crate::domain::status::ContainerState;
use crate::logs::format::{Printer, Selection};
use crate::logs::{Read, Reader, Tail};
use crate::node::AttemptId;
use crate::pb;
use crate::supervisor::{Adopter, Supervisor, now};

/// The interval at which a followed log is read.
const POLL: Duration = Duration::from_millis(200);
/// The number of reads after the container has ended, while its log's writer has not.
const LAST_POLLS: u32 = 10;

/// Calls that read logs.
#[derive(Clone)]
pub struct Logs {
    supervisor: Arc<Supervisor>,
    adopter: Arc<Adopter>,
    streams: Streams,
}

impl Logs {
    pub fn new(supervisor: Arc<Supervisor>, adopter: Arc<Adopter>, streams: Streams) -> Self {
        Self { supervisor, adopter, streams }
    }

    pub async fn read(&self, request: &pb::GetLogsRequest) -> Result<Streaming<pb::LogChunk>> {
        let id = self.attempt_of(request)?;
        let selection = selection(request, now().wall)?;
        let path = self.supervisor.log_path(&id);
        let tail = request.tail.map(|lines| Tail { lines: lines.into(), within: None });
        let follow = request.follow;
        let opened = blocking(move || Reader::open(&path, tail, follow)).await?;
        let reader = match opened {
            Ok(reader) => reader,
            Err(error) => return Err(self.no_log(id, error).await),
        };
        let log = Log { reader, printer: Printer::new(selection), buffer: Vec::new() };
        let supervisor = self.supervisor.clone();
        Ok(self.streams.open(move |sender| async move {
            copy(&supervisor, log, id, follow, &sender).await;
        }))
    }

    fn attempt_of(&self, request: &pb::GetLogsRequest) -> Result<AttemptId> {
        let view = self.supervisor.get(&PodKey::named(&request.namespace, &request.name))?;
        let status = convert::status_of_container(&view, &request.container)?;
        // As in Kubernetes, the previous instance is the one of the last state: of a container that
        // waits for its next start it is the newest.
        let attempt = match (request.previous, &status.last_state) {
            (false, _) => status.instance,
            (true, Some(previous)) => previous.attempt,
            (true, None) => {
                let (pod, container) = (view.spec.key(), status.name.clone());
                return Err(Error::NoPreviousInstance { container, pod });
            }
        };
        Ok(AttemptId::of(&view.spec, &status.name, attempt))
    }

    /// The reason that there is no log, with kubectl's text if kubectl has one for it.
    async fn no_log(&self, id: AttemptId, error: io::Error) -> Error {
        if let Some(container) = ContainerRef::of_pod(&id.pod)
            && let Ok(Some(output)) = self.adopter.output_of(&container).await
            && !output.is_ours()
        {
            let ContainerRef { namespace, id } = container;
            return Error::ForeignOutput { id, namespace, output: output.to_string() };
        }
        let view = self.supervisor.get(&id.pod).ok();
        match view.as_ref().and_then(|view| Some(&view.status.of(&id.container)?.state)) {
            Some(ContainerState::Waiting { reason, .. }) => Error::WaitingToStart {
                container: id.container,
                pod: id.pod,
                reason: reason.to_string(),
            },
            _ => Error::NoLog { id, error },
        }
    }
}

fn selection(
    request: &pb::GetLogsRequest,
    now: SystemTime,
) -> std::result::Result<Selection, SpecError> {
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

struct Log {
    reader: Reader,
    printer: Printer,
    buffer: Vec<u8>,
}

impl Log {
    fn step(&mut self, chunk: &mut pb::LogChunk) -> io::Result<Read> {
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
    supervisor: &Supervisor,
    mut log: Log,
    id: AttemptId,
    follow: bool,
    sender: &Sender<pb::LogChunk>,
) {
    let mut idle = 0;
    while !log.printer.is_done() {
        // Only the log of an attempt that had ended before the read is complete.
        let ended = !follow || !is_running(supervisor, &id);
        let stepped = blocking(move || {
            let mut chunk = pb::LogChunk::default();
            // The lock is tried before the read: a writer that had ended then has written all.
            let complete = !follow || (ended && log.reader.is_complete());
            let read = log.step(&mut chunk);
            (log, chunk, complete, read)
        });
        let (back, mut chunk, complete, read) = match stepped.await {
            Ok(stepped) => stepped,
            Err(error) => return drop(sender.send(Err(error)).await),
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
                return drop(sender.send(Err(Error::UnreadableLog(error))).await);
            }
        };
        let is_empty = chunk.data.is_empty() && chunk.missing_files == 0;
        if (!is_empty && sender.send(Ok(chunk)).await.is_err()) || over {
            return;
        }
    }
}

fn is_running(supervisor: &Supervisor, id: &AttemptId) -> bool {
    supervisor.get(&id.pod).is_ok_and(|view| {
        let mut statuses = view.status.all();
        statuses.any(|s| s.name == id.container && s.instance == id.attempt && s.pid.is_some())
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::UnreadableLog(io::Error::other(error)))
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
