//! A command in a container, or the output of a container, with a client attached to its streams:
//! `kubectl exec`, `cp` and `attach`, whatever carries the streams. `sources` begins them.
//!
//! [`Command::run`] runs behind the answer 101. A command that cannot be started is reported on the
//! error stream: kubectl would try its older protocol after a refused handshake. A pod that does not
//! exist is an answer before it.

use std::pin::Pin;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use probelet_kube_wire::channels::{ExitStatus, FrameError, Resizes};
use probelet_kube_wire::options::CommandOptions;
use probelet_kube_wire::status::Status;
use tokio::sync::mpsc;

use super::exchange::{FromClient, Gone, Incoming, ToClient, Until, UntilGone};
use crate::node::session::{Input, Output};

/// Bytes of input that may wait for a command.
pub const WAITING: usize = 1 << 20;

/// What a client is attached to.
#[async_trait]
pub trait Source: Send + Sync {
    async fn begin(&self, options: &CommandOptions, until: &Until) -> Result<Begun, Status>;
}

/// A source that has begun. Dropping the output ends it.
pub struct Begun {
    /// `None` if it takes none.
    pub input: Option<mpsc::Sender<Input>>,
    pub output: Pin<Box<dyn Stream<Item = Output> + Send>>,
}

/// A command that a user runs.
pub struct Command {
    pub source: Box<dyn Source>,
    pub options: CommandOptions,
    pub until: Until,
}

/// The streams of a client. Those that it did not ask for are `None`.
pub struct CommandStreams {
    pub stdin: Option<FromClient>,
    pub resize: Option<FromClient>,
    pub stdout: Option<ToClient>,
    pub stderr: Option<ToClient>,
    pub error: ToClient,
    /// True if the error stream has a `Status` as JSON.
    pub has_status: bool,
}

impl Command {
    /// Runs the command until it ends, the client leaves, or its credential ends. In the last two
    /// cases the command is killed.
    pub async fn run(&self, streams: CommandStreams, gone: UntilGone<'_>) {
        let begin = self.source.begin(&self.options, &self.until);
        run(begin, streams, gone).await;
    }
}

/// Begins the command and connects it to the client, until the command ends or the client has left.
async fn run(
    begin: impl Future<Output = Result<Begun, Status>>,
    streams: CommandStreams,
    mut gone: UntilGone<'_>,
) {
    let CommandStreams { stdin, resize, stdout, stderr, error, has_status } = streams;
    let exit = match begin.await {
        Ok(Begun { input, mut output }) => {
            // An empty part says that the command is connected.
            stdout.as_ref().or(stderr.as_ref()).unwrap_or(&error).data(Vec::new()).await;
            tokio::select! {
                exit = outputs(&mut output, stdout.as_ref(), stderr.as_ref()) => exit,
                status = inputs(stdin, resize, input) => ExitStatus::Failed(status),
                gone = &mut gone => match gone {
                    Gone::Left => return,
                    Gone::Failed(status) => ExitStatus::Failed(status),
                },
            }
        }
        Err(status) => ExitStatus::Failed(status),
    };
    if let Some(report) = exit.report(has_status) {
        error.data(report).await;
    }
    for stream in [Some(error), stdout, stderr].into_iter().flatten() {
        stream.end().await;
    }
}

async fn outputs(
    output: &mut (impl Stream<Item = Output> + Unpin),
    stdout: Option<&ToClient>,
    stderr: Option<&ToClient>,
) -> ExitStatus {
    loop {
        let (to, bytes) = match output.next().await {
            Some(Output::Stdout(bytes)) => (stdout, bytes),
            Some(Output::Stderr(bytes)) => (stderr, bytes),
            Some(Output::Exit(0)) => return ExitStatus::Success,
            Some(Output::Exit(code)) => {
                return ExitStatus::Code(i32::try_from(code).unwrap_or(i32::MAX));
            }
            None => {
                let status = Status::internal("how the command ended is not known");
                return ExitStatus::Failed(status);
            }
        };
        if let Some(to) = to.filter(|_| !bytes.is_empty()) {
            to.data(bytes).await;
        }
    }
}

/// Passes the input on. It resolves only if the client breaks the protocol: the end of the input is
/// not the command's, and a command that takes no more has ended, which its output reports.
async fn inputs(
    stdin: Option<FromClient>,
    resize: Option<FromClient>,
    input: Option<mpsc::Sender<Input>>,
) -> Status {
    let Some(input) = input else { return std::future::pending().await };
    let (_, status) = tokio::join!(data(stdin, input.clone()), sizes(resize, input));
    status
}

async fn data(stdin: Option<FromClient>, input: mpsc::Sender<Input>) {
    let Some(mut stdin) = stdin else { return };
    loop {
        // The share is kept until the command has the data.
        let (to, _share) = match stdin.next().await {
            Some(Incoming::Data(data, share)) => (Input::Data(data), Some(share)),
            Some(Incoming::End) => (Input::End, None),
            None => return,
        };
        let _ = input.send(to).await;
    }
}

async fn sizes(resize: Option<FromClient>, input: mpsc::Sender<Input>) -> Status {
    let broken = |error: FrameError| Status::bad_request(error.to_string());
    let mut resizes = Resizes::default();
    if let Some(mut resize) = resize {
        while let Some(Incoming::Data(bytes, _share)) = resize.next().await {
            match resizes.read(&bytes) {
                Ok(Some(size)) => {
                    let (width, height) = (size.width.into(), size.height.into());
                    let _ = input.send(Input::Size { width, height }).await;
                }
                Ok(None) => {}
                Err(error) => return broken(error),
            }
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
