//! `Attach`: a client that is attached to the streams of a running container.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use super::error::{Error, Result, field};
use super::logs::{Attached, Logs};
use super::streams::{Streaming, Streams};
use crate::domain::exit::{Caller, Operator};
use crate::node::session::{Input, Output, Wants};
use crate::pb::{self, attach_request, attach_response};
use crate::supervisor::Supervisor;

/// The time that a caller has to name the container.
const FIRST: Duration = Duration::from_secs(10);

/// The call that attaches clients.
#[derive(Clone)]
pub struct Attachments {
    supervisor: Arc<Supervisor>,
    logs: Logs,
    streams: Streams,
}

impl Attachments {
    pub fn new(supervisor: Arc<Supervisor>, logs: Logs, streams: Streams) -> Self {
        Self { supervisor, logs, streams }
    }

    /// Connects the caller to the container's streams, until the container ends or the caller leaves.
    pub async fn open(
        &self,
        by: Option<Caller>,
        mut requests: tonic::Streaming<pb::AttachRequest>,
    ) -> Result<Streaming<pb::AttachResponse>> {
        let first = tokio::time::timeout(FIRST, requests.message()).await;
        let first = first.map_err(|_| Error::NoStart)?;
        let first = first.map_err(|status| Error::CallerStream(Box::new(status)))?;
        let start = match first.and_then(|request| request.message) {
            Some(attach_request::Message::Start(start)) => start,
            _ => return Err(field("start", "Required value: it is the first message").into()),
        };
        let pb::AttachStart { namespace, name, container, stdin } = start;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let wants = Wants { input: stdin, stdout: true, stderr: true };
        let Attached { input, mut output } = self.logs.attach(&pod, &container, wants).await?;
        // The log records the user of each session.
        let by = Operator::new("attach", by);
        tracing::info!(%pod, container, stdin, operator = %by, "a client is attached");
        Ok(self.streams.open(move |sender| async move {
            let answers = async {
                // The client learns that it is connected, also to a container that writes nothing.
                let connected = attach_response::Message::Stdout(Vec::new());
                let _ = sender.send(Ok(answer(connected))).await;
                while let Some(Ok(output)) = output.next().await {
                    let is_last = matches!(output, Output::Exit(_));
                    let message = match output {
                        Output::Stdout(bytes) => attach_response::Message::Stdout(bytes),
                        Output::Stderr(bytes) => attach_response::Message::Stderr(bytes),
                        Output::Exit(code) => attach_response::Message::ExitCode(code),
                    };
                    if sender.send(Ok(answer(message))).await.is_err() || is_last {
                        return;
                    }
                }
            };
            let failure = tokio::select! {
                () = answers => return,
                failure = forward(requests, input) => failure,
            };
            let Err(error) = failure;
            let _ = sender.send(Err(error)).await;
        }))
    }
}

fn answer(message: attach_response::Message) -> pb::AttachResponse {
    pb::AttachResponse { message: Some(message) }
}

/// Forwards the messages of the caller, and ends with the first one that is not valid. After the last
/// message it waits: the end of the input is not the end of the container.
async fn forward(
    mut requests: tonic::Streaming<pb::AttachRequest>,
    input: Option<mpsc::Sender<Input>>,
) -> Result<Infallible> {
    use attach_request::Message;
    while let Ok(Some(request)) = requests.message().await {
        let refused = |path: &str, reason: &str| Err(field(path, reason).into());
        let message = match request.message {
            Some(Message::Start(_)) => return refused("start", "is the first message only"),
            None => return refused("message", "Required value"),
            Some(Message::CloseStdin(false)) => continue,
            Some(Message::Stdin(bytes)) => Input::Data(bytes),
            Some(Message::CloseStdin(true)) => Input::End,
            Some(Message::Resize(pb::TerminalSize { width, height })) => {
                Input::Size { width, height }
            }
        };
        let Some(input) = &input else { return refused("stdin", "start.stdin is not set") };
        // The container has ended; its output reports that.
        if input.send(message).await.is_err() {
            break;
        }
    }
    drop(input);
    pending().await
}
