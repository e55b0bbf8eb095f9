//! `kubectl exec` and `kubectl cp`: a command in a container, whose streams are the channels of a
//! WebSocket.
//!
//! [`Exec::serve`] runs behind the answer 101 of [`super::websocket`]. A command that cannot be
//! started is reported on the error channel: kubectl would try SPDY after a refused handshake.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use probelet_kube_wire::channels::{
    ClientMessage, CommandFramer, ExitStatus, FrameError, Protocol, Resizes,
};
use probelet_kube_wire::options::CommandOptions;
use probelet_kube_wire::status::{GroupResource, Status};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_util::sync::CancellationToken;

use super::errors;
use super::identity::Identity;
use super::websocket::{self, Receiver, Sender};
use crate::domain::exit::Operator;
use crate::domain::pod_key::PodKey;
use crate::node::session::{Input, Order, Output, Session};
use crate::supervisor::{Supervisor, SupervisorError};

/// A command that a user runs.
pub struct Exec {
    pub supervisor: Arc<Supervisor>,
    pub identity: Identity,
    pub pod: PodKey,
    /// The container is empty for the only one of the pod.
    pub options: CommandOptions,
    pub protocol: Protocol,
    /// Ends the command when the daemon stops.
    pub cancel: CancellationToken,
}

/// Why no more is exchanged with the client.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client gets this status.
    Exit(ExitStatus),
    /// The client has left.
    Left,
}

impl Exec {
    /// Runs the command until it ends, the client leaves, or its credential is revoked. In the last
    /// two cases the command is killed.
    pub async fn serve(self, upgrade: OnUpgrade) {
        if let Some(stream) = websocket::upgraded(upgrade).await {
            self.serve_on(stream).await;
        }
    }

    async fn serve_on<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let ended = async {
            tokio::select! {
                () = self.identity.revoked() => Status::unauthorized(),
                () = self.cancel.cancelled() => Status::unavailable("the daemon stops", 1),
            }
        };
        let talk = Talk { framer: CommandFramer::new(self.protocol), options: &self.options };
        talk.run(stream, self.begin(), ended).await;
    }

    async fn begin(&self) -> Result<Session, Status> {
        let CommandOptions { command, stdin, tty, container, .. } = &self.options;
        let order = Order { command: command.clone(), stdin: *stdin, terminal: *tty };
        let container = container.as_deref().unwrap_or_default();
        let (pod, user) = (&self.pod, self.identity.name());
        let session = self.supervisor.requests().exec(pod, container, &order).await;
        let session = session.map_err(|error| of_supervisor(pod, error))?;
        // The log records the user of each command.
        let by = Operator::new("exec", Some(self.identity.caller()));
        let command = order.command.first();
        tracing::info!(%pod, container, command, user, operator = %by, "a command is run");
        Ok(session)
    }
}

/// The status of a request about a pod that the supervisor has refused.
pub fn of_supervisor(pod: &PodKey, error: SupervisorError) -> Status {
    errors::of_service(&GroupResource::new("", "pods"), pod.name(), error.into())
}

/// The answer to `kubectl attach`.
pub fn attach_is_not_served() -> Status {
    Status::bad_request(
        "attach is not served: the output of a container is its log (kubectl logs -f), and a \
         command of your own has its own streams (kubectl exec)",
    )
}

fn failed(status: Status) -> End {
    End::Exit(ExitStatus::Failed(status))
}

/// The exchange between a client and a command.
struct Talk<'a> {
    framer: CommandFramer,
    options: &'a CommandOptions,
}

impl Talk<'_> {
    /// Begins the command and connects it to the client, until it ends, the client leaves, or
    /// `ended` has a reason.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        begin: impl Future<Output = Result<Session, Status>>,
        ended: impl Future<Output = Status>,
    ) {
        let (mut sender, mut receiver) = websocket::open(stream).await;
        let end = match begin.await {
            Ok(Session { input, mut output }) => tokio::select! {
                end = self.outputs(&mut sender, &mut output) => end,
                end = self.inputs(&mut receiver, input) => end,
                status = ended => failed(status),
            },
            Err(status) => failed(status),
        };
        let End::Exit(status) = end else { return };
        if let Some(bytes) = self.framer.exit(&status) {
            // A client that has left does not need it.
            let _ = sender.send(websocket::message(bytes, self.framer.is_text())).await;
        }
        websocket::close(sender, receiver).await;
    }

    async fn outputs<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        sender: &mut Sender<S>,
        output: &mut mpsc::Receiver<Output>,
    ) -> End {
        let mut pings = websocket::pings();
        let is_text = self.framer.is_text();
        let mut next = Some(websocket::message(self.framer.greeting(self.options), is_text));
        loop {
            if let Some(message) = next.take()
                && sender.send(message).await.is_err()
            {
                return End::Left;
            }
            let output = tokio::select! {
                output = output.recv() => output,
                _ = pings.tick() => {
                    next = Some(websocket::ping());
                    continue;
                }
            };
            let bytes = match output {
                Some(Output::Stdout(bytes)) if self.options.stdout => self.framer.stdout(&bytes),
                Some(Output::Stderr(bytes)) if self.options.stderr => self.framer.stderr(&bytes),
                Some(Output::Stdout(_) | Output::Stderr(_)) => continue,
                Some(Output::Exit(0)) => return End::Exit(ExitStatus::Success),
                Some(Output::Exit(code)) => {
                    let code = i32::try_from(code).unwrap_or(i32::MAX);
                    return End::Exit(ExitStatus::Code(code));
                }
                None => return failed(Status::internal("how the command ended is not known")),
            };
            next = Some(websocket::message(bytes, is_text));
        }
    }

    /// Passes the input on. It ends with the client: the end of the input is not the command's.
    async fn inputs<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        receiver: &mut Receiver<S>,
        input: mpsc::Sender<Input>,
    ) -> End {
        let mut resizes = Resizes::default();
        while let Some(message) = receiver.next().await {
            let bytes = match message {
                Ok(message) => websocket::payload(message),
                Err(SocketError::Capacity(error)) => {
                    return failed(Status::bad_request(error.to_string()));
                }
                Err(_) => return End::Left,
            };
            let Some(bytes) = bytes else { continue };
            match self.input(&bytes, &mut resizes) {
                // An error means that the command has ended, which its output reports.
                Ok(Some(to)) => drop(input.send(to).await),
                Ok(None) => {}
                Err(error) => return failed(Status::bad_request(error.to_string())),
            }
        }
        End::Left
    }

    fn input(&self, bytes: &[u8], resizes: &mut Resizes) -> Result<Option<Input>, FrameError> {
        let CommandOptions { stdin, tty, .. } = *self.options;
        Ok(match self.framer.read(bytes)? {
            ClientMessage::Stdin(data) if stdin => Some(Input::Data(data.into_owned())),
            ClientMessage::StdinClosed if stdin => Some(Input::End),
            ClientMessage::Resize(bytes) if tty => resizes
                .read(&bytes)?
                .map(|size| Input::Size { width: size.width.into(), height: size.height.into() }),
            // Streams that the request did not ask for, as in Kubernetes.
            ClientMessage::Stdin(_)
            | ClientMessage::StdinClosed
            | ClientMessage::Resize(_)
            | ClientMessage::Ignored => None,
        })
    }
}

#[cfg(test)]
mod tests;
