//! `GetLogs`: a container's log as a whole, its last lines, or as it grows; and the output of a running
//! container for a client that is attached to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::convert;
use super::error::{Error, Result, field};
use super::streams::{Sender, Streaming, Streams};
use crate::domain::adopt::ContainerRef;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::SpecError;
use crate::domain::status::ContainerState;
use crate::logs::format::{Printer, Selection, Stream};
use crate::logs::{Read, Reader, Tail};
use crate::node::AttemptId;
use crate::node::session::{Input, Output, Session, Wants};
use crate::pb;
use crate::supervisor::{Adopter, Supervisor, SupervisorError, now};

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

/// The streams of a container for a client that is attached to it.
pub struct Attached {
    /// `None` if it takes no input.
    pub input: Option<mpsc::Sender<Input>>,
    /// The output. A container with an input or a terminal ends it with its exit code.
    pub output: Streaming<Output>,
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
        let log = Log { reader, printer: Text(Printer::new(selection)), buffer: Vec::new() };
        let supervisor = self.supervisor.clone();
        Ok(self.streams.open(move |sender| async move {
            copy(&supervisor, log, id, follow, &sender).await;
        }))
    }

    /// Attaches a client to a running container, until the container ends. Of a container with neither
    /// an input nor a terminal the client gets the output from now on, as it is in the log.
    pub async fn attach(&self, pod: &PodKey, container: &str, wants: Wants) -> Result<Attached> {
        let request = pb::GetLogsRequest {
            namespace: pod.namespace().to_owned(),
            name: pod.name().to_owned(),
            container: container.to_owned(),
            ..pb::GetLogsRequest::default()
        };
        let id = self.attempt_of(&request)?;
        if !is_running(&self.supervisor, &id) {
            let (pod, container) = (id.pod, id.container);
            return Err(SupervisorError::NotRunning { pod, container }.into());
        }
        let view = self.supervisor.get(&id.pod)?;
        let spec = view.spec.all().find(|spec| spec.name == id.container);
        let streams = spec.map(|spec| spec.streams).unwrap_or_default();
        if wants.input && !streams.stdin {
            let (pod, container) = (id.pod, id.container);
            return Err(Error::NoInput { pod, container });
        }
        if streams.is_interactive()
            && let Some(Session { input, output }) = self.supervisor.attach(&id, wants).await?
        {
            let output = Box::pin(ReceiverStream::new(output).map(Ok));
            return Ok(Attached { input: wants.input.then_some(input), output });
        }
        // Its logger has ended or cannot be reached, so the input leads nowhere.
        if wants.input {
            let (pod, container) = (id.pod, id.container);
            return Err(SupervisorError::NotRunning { pod, container }.into());
        }
        let path = self.supervisor.log_path(&id);
        let opened =
            blocking(move || Reader::open(&path, Some(Tail { lines: 0, within: None }), true));
        let reader = match opened.await? {
            Ok(reader) => reader,
            Err(error) => return Err(self.no_log(id, error).await),
        };
        let log = Log { reader, printer: Outputs::default(), buffer: Vec::new() };
        let supervisor = self.supervisor.clone();
        let output = self.streams.open(move |sender| async move {
            copy(&supervisor, log, id, true, &sender).await;
        });
        Ok(Attached { input: None, output })
    }

    fn attempt_of(&self, request: &pb::GetLogsRequest) -> Result<AttemptId> {
        let view =
            self.supervisor.get(&self.supervisor.find(&request.namespace, &request.name)?)?;
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
    let limit = request.limit_bytes;
    Ok(Selection { since, timestamps: request.timestamps, limit, stream: None })
}

/// What a log is converted into.
trait Print: Send + 'static {
    type Message: Send + 'static;

    fn push(&mut self, bytes: &[u8]) -> Vec<Self::Message>;
    /// The rest of a log that has ended.
    fn finish(&mut self) -> Vec<Self::Message>;
    /// Files were removed before they could be read.
    fn missing(&mut self, files: u64) -> Vec<Self::Message>;
    fn is_done(&self) -> bool;
}

/// Both streams in one, for `logs`.
struct Text(Printer);

impl Text {
    fn chunk(data: Vec<u8>, missing_files: u64) -> Vec<pb::LogChunk> {
        let is_empty = data.is_empty() && missing_files == 0;
        if is_empty { Vec::new() } else { vec![pb::LogChunk { data, missing_files }] }
    }
}

impl Print for Text {
    type Message = pb::LogChunk;

    fn push(&mut self, bytes: &[u8]) -> Vec<pb::LogChunk> {
        let mut data = Vec::new();
        self.0.push(bytes, &mut data);
        Self::chunk(data, 0)
    }

    fn finish(&mut self) -> Vec<pb::LogChunk> {
        let mut data = Vec::new();
        self.0.finish(&mut data);
        Self::chunk(data, 0)
    }

    fn missing(&mut self, files: u64) -> Vec<pb::LogChunk> {
        Self::chunk(Vec::new(), files)
    }

    fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// Each stream by itself, for `attach`.
struct Outputs {
    stdout: Printer,
    stderr: Printer,
}

impl Default for Outputs {
    fn default() -> Self {
        let printer =
            |stream| Printer::new(Selection { stream: Some(stream), ..Selection::default() });
        Self { stdout: printer(Stream::Stdout), stderr: printer(Stream::Stderr) }
    }
}

impl Outputs {
    fn both(&mut self, print: impl Fn(&mut Printer, &mut Vec<u8>)) -> Vec<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        print(&mut self.stdout, &mut stdout);
        print(&mut self.stderr, &mut stderr);
        let mut outputs = vec![Output::Stdout(stdout), Output::Stderr(stderr)];
        outputs.retain(|output| {
            !matches!(output, Output::Stdout(bytes) | Output::Stderr(bytes) if bytes.is_empty())
        });
        outputs
    }
}

impl Print for Outputs {
    type Message = Output;

    fn push(&mut self, bytes: &[u8]) -> Vec<Output> {
        self.both(|printer, out| printer.push(bytes, out))
    }

    fn finish(&mut self) -> Vec<Output> {
        self.both(Printer::finish)
    }

    fn missing(&mut self, files: u64) -> Vec<Output> {
        let text =
            format!("probelet: {files} files of the log were removed before they were read\n");
        vec![Output::Stderr(text.into_bytes())]
    }

    fn is_done(&self) -> bool {
        false
    }
}

struct Log<P> {
    reader: Reader,
    printer: P,
    buffer: Vec<u8>,
}

impl<P: Print> Log<P> {
    fn step(&mut self) -> io::Result<(Read, Vec<P::Message>)> {
        let read = self.reader.read(&mut self.buffer)?;
        let messages = match read {
            Read::Data => self.printer.push(&self.buffer),
            Read::Missing(files) => self.printer.missing(files),
            Read::End => Vec::new(),
        };
        Ok((read, messages))
    }
}

async fn copy<P: Print>(
    supervisor: &Supervisor,
    mut log: Log<P>,
    id: AttemptId,
    follow: bool,
    sender: &Sender<P::Message>,
) {
    let mut idle = 0;
    while !log.printer.is_done() {
        // Only the log of an attempt that had ended before the read is complete.
        let ended = !follow || !is_running(supervisor, &id);
        let stepped = blocking(move || {
            // The lock is tried before the read: a writer that had ended then has written all.
            let complete = !follow || (ended && log.reader.is_complete());
            let read = log.step();
            (log, complete, read)
        });
        let (back, complete, read) = match stepped.await {
            Ok(stepped) => stepped,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        log = back;
        let (messages, is_over) = match read {
            Ok((Read::End, _)) if ended && (complete || idle >= LAST_POLLS) => {
                (log.printer.finish(), true)
            }
            Ok((Read::End, _)) => {
                idle = if ended { idle + 1 } else { 0 };
                tokio::time::sleep(POLL).await;
                continue;
            }
            Ok((Read::Data | Read::Missing(_), messages)) => (messages, false),
            Err(error) => {
                tracing::warn!(%id, %error, "log not readable");
                return drop(sender.send(Err(Error::UnreadableLog(error))).await);
            }
        };
        for message in messages {
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
        if is_over {
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
