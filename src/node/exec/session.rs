//! A command with a client attached, from its start to the end of its last child.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use probelet_runtime::Exec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::Execs;
use super::command::{Created, Left, hold};
use super::pipes::Pipes;
use super::process::Template;
use crate::node::session::{BACKLOG, Input, Order, Output, Session, SessionError};
use crate::process::Process;

const CHUNK: usize = 16 << 10;
const END_OF_TRANSMISSION: u8 = 4;
/// How long a stream may be silent once the command has ended, since a child may hold it.
const SILENCE: Duration = Duration::from_millis(100);

/// The task that a session runs in.
#[derive(Clone)]
pub struct Within {
    pub(in crate::node) container: String,
    pub(in crate::node) init: Arc<Process>,
}

/// The daemon's ends of a session.
struct Ends {
    input: mpsc::Receiver<Input>,
    output: mpsc::Sender<Output>,
}

impl Execs {
    /// Starts a session and returns when the command runs.
    pub async fn open(
        &self,
        within: Within,
        template: &Template,
        order: &Order,
    ) -> Result<Session, SessionError> {
        let busy = || SessionError::Busy;
        let session = self.0.sessions.clone().try_acquire_owned().map_err(|_| busy())?;
        let place = self.place().ok_or_else(busy)?;
        let mark = self.new_mark();
        let process = template.session(order, &mark);
        let (input, inputs) = mpsc::channel(BACKLOG);
        let (outputs, output) = mpsc::channel(BACKLOG);
        let (tell, told) = oneshot::channel();
        let (this, order) = (self.clone(), order.clone());
        // The session continues when the caller stops waiting, as any command.
        self.0.tasks.spawn(async move {
            let ends = Ends { input: inputs, output: outputs };
            this.host(within, (process, mark), &order, tell, ends).await;
            drop((session, place));
        });
        told.await.map_err(|_| SessionError::Failed("the command was given up".to_owned()))??;
        Ok(Session { input, output })
    }

    async fn host(
        &self,
        Within { container, init }: Within,
        (process, mark): (Vec<u8>, String),
        order: &Order,
        tell: oneshot::Sender<Result<(), SessionError>>,
        ends: Ends,
    ) {
        let open = |folder: &_, id: &str| Pipes::open(folder, id, order);
        let (Created { id, streams }, pid) = match self.start(&container, process, open).await {
            Ok(started) => started,
            Err(error) => return drop(tell.send(Err(SessionError::Failed(error.to_string())))),
        };
        let leader = pid.as_ref().ok().and_then(|pid| hold(*pid, &init));
        let started =
            pid.as_ref().map(drop).map_err(|error| SessionError::Failed(error.to_string()));
        // The caller may have stopped waiting.
        let is_heard = tell.send(started).is_ok();
        let left = match pid {
            Ok(_) if is_heard => self.talk((&container, &id), streams, leader.as_ref(), ends).await,
            Ok(_) => Left::Running,
            Err(error) => Left::after(&error),
        };
        self.end_all(&container, &mark, leader, &init, left).await;
        self.delete(&container, &id).await;
        if left == Left::Unknown {
            self.end_all(&container, &mark, None, &init, left).await;
        }
    }

    /// Copies the streams. It returns when the command has ended or the client has gone.
    async fn talk(
        &self,
        (container, id): (&str, &str),
        pipes: Pipes,
        leader: Option<&Process>,
        Ends { input, output }: Ends,
    ) -> Left {
        let (over, is_over) = watch::channel(false);
        let is_terminal = pipes.stderr.is_none();
        let mut copies = JoinSet::new();
        copies.spawn(copy(pipes.stdout, output.clone(), Output::Stdout, is_over.clone()));
        if let Some(stderr) = pipes.stderr {
            copies.spawn(copy(stderr, output.clone(), Output::Stderr, is_over));
        }
        let exit = tokio::select! {
            exit = self.exit(container, id, leader) => exit,
            () = output.closed() => return Left::Running,
            never = self.feed((container, id), pipes.stdin, is_terminal, input) => match never {},
        };
        over.send_replace(true);
        while copies.join_next().await.is_some() {}
        match exit {
            Ok(code) => {
                let _ = output.send(Output::Exit(code)).await;
                Left::Nothing
            }
            Err(error) => {
                tracing::warn!(container, id, %error, "how a command ended is not known");
                Left::Running
            }
        }
    }

    async fn feed(
        &self,
        (container, id): (&str, &str),
        mut stdin: Option<Sender>,
        is_terminal: bool,
        mut input: mpsc::Receiver<Input>,
    ) -> Infallible {
        while let Some(input) = input.recv().await {
            match (input, &mut stdin) {
                (Input::Data(bytes), Some(pipe)) => {
                    if let Err(error) = pipe.write_all(&bytes).await {
                        tracing::debug!(container, id, %error, "a command reads no more");
                        stdin = None;
                    }
                }
                (Input::Data(_), None) => {}
                (Input::End, _) => self.end_input((container, id), &mut stdin, is_terminal).await,
                (Input::Size { width, height }, _) => {
                    let exec = Exec { container, id };
                    let resized = self.0.namespace.commands.resize(exec, width, height).await;
                    if let Err(error) = resized {
                        tracing::debug!(container, id, %error, "a terminal keeps its size");
                    }
                }
            }
        }
        self.end_input((container, id), &mut stdin, is_terminal).await;
        pending().await
    }

    /// Ends the input. A terminal gets Ctrl-D, since closing it would hang up on its processes.
    async fn end_input(
        &self,
        (container, id): (&str, &str),
        stdin: &mut Option<Sender>,
        is_terminal: bool,
    ) {
        let Some(mut pipe) = stdin.take() else { return };
        if is_terminal {
            // A process that does not read any more does not need the Ctrl-D.
            let _ = pipe.write_all(&[END_OF_TRANSMISSION]).await;
            *stdin = Some(pipe);
            return;
        }
        drop(pipe);
        if let Err(error) = self.0.namespace.commands.close_stdin(Exec { container, id }).await {
            tracing::debug!(container, id, %error, "a command's stdin stays open");
        }
    }
}

/// Copies until the stream ends, is silent after the command's end, or has no receiver any more.
async fn copy(
    mut pipe: Receiver,
    to: mpsc::Sender<Output>,
    output: fn(Vec<u8>) -> Output,
    mut is_over: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let silence = async {
            let _ = is_over.wait_for(|over| *over).await;
            tokio::time::sleep(SILENCE).await;
        };
        let length = tokio::select! {
            biased;
            read = pipe.read(&mut chunk) => read.unwrap_or_default(),
            () = silence => 0,
        };
        match chunk.get(..length) {
            Some(bytes) if !bytes.is_empty() => {
                if to.send(output(bytes.to_vec())).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
