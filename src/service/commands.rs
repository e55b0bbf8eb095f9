//! `ExecSync` and `Exec`: commands in a running instance.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::{Error, Result, field};
use super::probes::duration;
use super::streams::{Streaming, Streams};
use crate::domain::exit::{Caller, Operator};
use crate::domain::pod_key::PodKey;
use crate::node::session::{Input, Order, Output, Session};
use crate::pb::{self, exec_request, exec_response};
use crate::supervisor::Supervisor;

const SYNC_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of output in one answer, below the 4 MiB that gRPC clients take.
const SYNC_OUTPUT: usize = 3 << 20;
/// The time that a caller has to send the command.
const FIRST: Duration = Duration::from_secs(10);

/// Calls that run commands.
#[derive(Clone)]
pub struct Commands {
    supervisor: Arc<Supervisor>,
    streams: Streams,
}

impl Commands {
    pub fn new(supervisor: Arc<Supervisor>, streams: Streams) -> Self {
        Self { supervisor, streams }
    }

    /// Runs a command to its end and returns its output.
    pub async fn run(
        &self,
        by: Option<Caller>,
        request: pb::ExecSyncRequest,
    ) -> Result<pb::ExecSyncResponse> {
        let pb::ExecSyncRequest { namespace, name, container, command, timeout } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let timeout = duration("timeout", timeout)?.unwrap_or(SYNC_TIMEOUT);
        let order = order("command", command, false, false)?;
        let all = async { collect(self.begin(by, (&pod, &container), &order).await?).await };
        let ended = tokio::time::timeout(timeout, all).await;
        ended.map_err(|_| Error::CommandTimeout(timeout.as_secs_f64()))?
    }

    /// Runs a command whose streams are connected to the caller.
    pub async fn open(
        &self,
        by: Option<Caller>,
        mut requests: tonic::Streaming<pb::ExecRequest>,
    ) -> Result<Streaming<pb::ExecResponse>> {
        let first = tokio::time::timeout(FIRST, requests.message()).await;
        let first = first.map_err(|_| Error::NoStart)?;
        let first = first.map_err(|status| Error::CallerStream(Box::new(status)))?;
        let start = match first.and_then(|request| request.message) {
            Some(exec_request::Message::Start(start)) => start,
            _ => return Err(field("start", "Required value: it is the first message").into()),
        };
        let pb::ExecStart { namespace, name, container, command, stdin, terminal } = start;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let order = order("start.command", command, stdin, terminal)?;
        let Session { input, mut output } = self.begin(by, (&pod, &container), &order).await?;
        Ok(self.streams.open(move |sender| async move {
            let answers = async {
                while let Some(output) = output.recv().await {
                    let is_last = matches!(output, Output::Exit(_));
                    if sender.send(Ok(answer(output))).await.is_err() || is_last {
                        return;
                    }
                }
                let _ = sender.send(Err(Error::UnknownExit)).await;
            };
            let failure = tokio::select! {
                () = answers => return,
                failure = forward(requests, input, &order) => failure,
            };
            let Err(error) = failure;
            let _ = sender.send(Err(error)).await;
        }))
    }

    async fn begin(
        &self,
        by: Option<Caller>,
        (pod, container): (&PodKey, &str),
        order: &Order,
    ) -> Result<Session> {
        let session = self.supervisor.requests().exec(pod, container, order).await?;
        // The log records the user of each command.
        let by = Operator::new("exec", by);
        let command = order.command.first();
        tracing::info!(%pod, container, command, operator = %by, "a command is run");
        Ok(session)
    }
}

async fn collect(mut session: Session) -> Result<pb::ExecSyncResponse> {
    let mut answer = pb::ExecSyncResponse::default();
    while let Some(output) = session.output.recv().await {
        match output {
            Output::Stdout(bytes) => answer.stdout.extend(bytes),
            Output::Stderr(bytes) => answer.stderr.extend(bytes),
            Output::Exit(code) => return Ok(pb::ExecSyncResponse { exit_code: code, ..answer }),
        }
        if answer.stdout.len() + answer.stderr.len() > SYNC_OUTPUT {
            return Err(Error::CommandOutput(SYNC_OUTPUT));
        }
    }
    Err(Error::UnknownExit)
}

fn order(path: &str, command: Vec<String>, stdin: bool, terminal: bool) -> Result<Order> {
    if command.is_empty() {
        return Err(field(path, "Required value").into());
    }
    Ok(Order { command, stdin, terminal })
}

/// Forwards the messages of the caller, and ends with the first one that is not valid. After the last
/// message it waits: the end of the input is not the end of the command.
async fn forward(
    mut requests: tonic::Streaming<pb::ExecRequest>,
    input: mpsc::Sender<Input>,
    order: &Order,
) -> Result<Infallible> {
    use exec_request::Message;
    while let Ok(Some(request)) = requests.message().await {
        let refused = |path: &str, reason: &str| Err(field(path, reason).into());
        let input_of = match request.message {
            Some(Message::Stdin(_) | Message::CloseStdin(_)) if !order.stdin => {
                return refused("stdin", "start.stdin is not set");
            }
            Some(Message::Resize(_)) if !order.terminal => {
                return refused("resize", "start.terminal is not set");
            }
            Some(Message::Start(_)) => return refused("start", "is the first message only"),
            None => return refused("message", "Required value"),
            Some(Message::Stdin(bytes)) => Input::Data(bytes),
            Some(Message::CloseStdin(false)) => continue,
            Some(Message::CloseStdin(true)) => Input::End,
            Some(Message::Resize(pb::TerminalSize { width, height })) => {
                Input::Size { width, height }
            }
        };
        // The command has ended; its output reports that.
        if input.send(input_of).await.is_err() {
            break;
        }
    }
    drop(input);
    pending().await
}

fn answer(output: Output) -> pb::ExecResponse {
    let message = match output {
        Output::Stdout(bytes) => exec_response::Message::Stdout(bytes),
        Output::Stderr(bytes) => exec_response::Message::Stderr(bytes),
        Output::Exit(code) => exec_response::Message::ExitCode(code),
    };
    pb::ExecResponse { message: Some(message) }
}
