//! Commands in a running instance: one that is answered when it has ended, and one that is talked to.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Code, Response, Status};

use super::error::{field, invalid, refuse, status_of};
use super::probes::duration;
use super::{Api, Streaming};
use crate::domain::exit::{Caller, Operator};
use crate::pb::{self, exec_request, exec_response};
use crate::runtime::session::{Input, Order, Output, Session};

const SYNC_TIMEOUT: Duration = Duration::from_secs(60);
/// Within what a gRPC client takes as an answer, which is 4 MiB.
const SYNC_OUTPUT: usize = 3 << 20;
/// How long a caller may take to say what is to be run.
const FIRST: Duration = Duration::from_secs(10);

pub(super) async fn sync(
    api: &Api,
    by: Option<Caller>,
    request: pb::ExecSyncRequest,
) -> Result<Response<pb::ExecSyncResponse>, Status> {
    let pb::ExecSyncRequest { name, container, command, timeout } = request;
    let timeout = duration("timeout", timeout).map_err(|e| invalid(vec![e]))?;
    let timeout = timeout.unwrap_or(SYNC_TIMEOUT);
    let order = order("command", command, false, false)?;
    let all = async {
        let session = begin(api, by, (&name, &container), &order).await?;
        collect(session).await
    };
    match tokio::time::timeout(timeout, all).await {
        Ok(answer) => answer.map(Response::new),
        Err(_) => {
            let text = format!("the command did not end within {} s", timeout.as_secs_f64());
            Err(refuse(Code::DeadlineExceeded, text))
        }
    }
}

async fn collect(mut session: Session) -> Result<pb::ExecSyncResponse, Status> {
    let mut answer = pb::ExecSyncResponse::default();
    while let Some(output) = session.output.recv().await {
        match output {
            Output::Stdout(bytes) => answer.stdout.extend(bytes),
            Output::Stderr(bytes) => answer.stderr.extend(bytes),
            Output::Exit(code) => return Ok(pb::ExecSyncResponse { exit_code: code, ..answer }),
        }
        if answer.stdout.len() + answer.stderr.len() > SYNC_OUTPUT {
            let text = format!("the command wrote more than {SYNC_OUTPUT} bytes: use Exec");
            return Err(refuse(Code::ResourceExhausted, text));
        }
    }
    Err(unknown_end())
}

pub(super) async fn stream(
    api: &Api,
    by: Option<Caller>,
    mut requests: tonic::Streaming<pb::ExecRequest>,
) -> Result<Response<Streaming<pb::ExecResponse>>, Status> {
    let first = tokio::time::timeout(FIRST, requests.message()).await;
    let first = first.map_err(|_| refuse(Code::DeadlineExceeded, "no start was sent"))??;
    let start = match first.and_then(|request| request.message) {
        Some(exec_request::Message::Start(start)) => start,
        _ => return Err(invalid(vec![field("start", "Required value: it is the first message")])),
    };
    let pb::ExecStart { name, container, command, stdin, terminal } = start;
    let order = order("start.command", command, stdin, terminal)?;
    let Session { input, mut output } = begin(api, by, (&name, &container), &order).await?;
    Ok(Response::new(api.stream(move |_, sender| async move {
        let told = async {
            while let Some(output) = output.recv().await {
                let is_last = matches!(output, Output::Exit(_));
                if sender.send(Ok(answer(output))).await.is_err() || is_last {
                    return;
                }
            }
            let _ = sender.send(Err(unknown_end())).await;
        };
        let failure = tokio::select! {
            () = told => return,
            failure = forward(requests, input, &order) => failure,
        };
        let Err(status) = failure;
        let _ = sender.send(Err(status)).await;
    })))
}

fn order(path: &str, command: Vec<String>, stdin: bool, terminal: bool) -> Result<Order, Status> {
    if command.is_empty() {
        return Err(invalid(vec![field(path, "Required value")]));
    }
    Ok(Order { command, stdin, terminal })
}

async fn begin(
    api: &Api,
    by: Option<Caller>,
    (name, container): (&str, &str),
    order: &Order,
) -> Result<Session, Status> {
    let session = api.supervisor.exec(name, container, order).await.map_err(status_of)?;
    // Who did what in a container is asked for afterwards.
    let by = Operator::new("exec", by);
    let command = order.command.first();
    tracing::info!(pod = name, container, command, operator = %by, "a command is run");
    Ok(session)
}

/// Ends with the first message that makes no sense; a caller who says no more is still told.
async fn forward(
    mut requests: tonic::Streaming<pb::ExecRequest>,
    input: mpsc::Sender<Input>,
    order: &Order,
) -> Result<Infallible, Status> {
    use exec_request::Message;
    while let Ok(Some(request)) = requests.message().await {
        let refused = |path: &str, reason: &str| Err(invalid(vec![field(path, reason)]));
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
        // The command has ended, which is told by the other side.
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

fn unknown_end() -> Status {
    refuse(Code::Unavailable, "how the command ended is not known")
}
