//! The daemon's side of a command that runs directly.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::ARGUMENT;
use super::messages::{LONGEST, Report, send_head};
use super::plan::Plan;
use crate::own_program;
use crate::process::Process;
use probelet_domain::exit::Ending;

/// How long the helper may take to end after the command was given up: it searches for the
/// command's children meanwhile.
const END: Duration = Duration::from_secs(5);

/// A command that was handed to its helper.
#[derive(Debug)]
pub struct DirectCommand {
    helper: Child,
    socket: BufReader<UnixStream>,
}

/// Why a command was not run.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// The helper could not run it.
    #[error("{0}")]
    NotRun(String),
    /// The helper failed.
    #[error("the helper process of the command: {0}")]
    Helper(#[from] io::Error),
}

impl DirectCommand {
    /// Starts the helper of a command in the container of `init`. The pipes are the command's stdout
    /// and stderr.
    ///
    /// # Errors
    ///
    /// If the helper cannot be started.
    pub async fn start(
        plan: &Plan,
        init: &Process,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<Self, DirectError> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let spawn = move || -> io::Result<Child> {
            let mut command = own_program::sealed_command()?;
            command.arg(ARGUMENT).stdin(Stdio::from(OwnedFd::from(theirs)));
            command.stdout(stdout).stderr(stderr);
            // When it is dropped, the helper ends by itself, and the command with it.
            Command::from(command).spawn()
        };
        let helper = tokio::task::spawn_blocking(spawn).await.map_err(io::Error::other)??;
        let plan = serde_json::to_vec(plan).map_err(io::Error::other)?;
        // The socket's buffer is empty, so this does not wait.
        send_head(&ours, &plan, init.pidfd())?;
        ours.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(ours)?;
        socket.write_all(&plan).await?;
        Ok(Self { helper, socket: BufReader::new(socket) })
    }

    /// Waits until the program is executed, and opens its process; `None` if it has ended already.
    ///
    /// # Errors
    ///
    /// Why the command was not run.
    pub async fn started(&mut self) -> Result<Option<Process>, DirectError> {
        match self.report().await? {
            Report::Started(pid) => Ok(self.hold(pid)),
            Report::Failed(text) => Err(DirectError::NotRun(text)),
            Report::Ended(_) => Err(io::Error::other("an unexpected report").into()),
        }
    }

    /// The process, if it certainly is the command: the child of the helper.
    fn hold(&self, pid: u32) -> Option<Process> {
        let process = Process::open(pid).ok()?;
        (Some(process.stat().ok()?.parent) == self.helper.id()).then_some(process)
    }

    /// Waits for the end of the command, after [`Self::started`]. It may be cancelled.
    ///
    /// # Errors
    ///
    /// If the helper has ended without a report.
    pub async fn ended(&mut self) -> Result<Ending, DirectError> {
        match self.report().await? {
            Report::Ended(status) => Ok(Ending::from_wait_status(status)),
            _ => Err(io::Error::other("an unexpected report").into()),
        }
    }

    /// Waits for the helper's end, in which it kills a command that still runs.
    pub async fn finish(self) {
        let Self { mut helper, socket } = self;
        drop(socket);
        // If it takes longer, a process hangs in the kernel.
        let _ = timeout(END, helper.wait()).await;
    }

    async fn report(&mut self) -> io::Result<Report> {
        let mut line = Vec::new();
        while line.len() < LONGEST {
            match self.socket.read_u8().await? {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        Report::parse(&String::from_utf8_lossy(&line))
            .ok_or_else(|| io::Error::other("it ended without a report"))
    }
}
