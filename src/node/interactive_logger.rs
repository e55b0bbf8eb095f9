//! Start of the logger of a container with an input or a terminal. A shim gives a container whose
//! logger it starts no input, so the daemon starts this one.

use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio as Pipe;
use std::time::Duration;

use probelet_cri_log::attach::Streams;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use crate::domain::adopt::Stdio;
use crate::logs::{ARGUMENT, Fifos, Order};
use crate::process::{descriptors, placement};

/// How long the logger may take to open the streams.
const READY: Duration = Duration::from_secs(10);

/// A logger that has the reading ends of the streams open. When this is dropped, it ends unless a shim
/// has the other ends open; else it lives as long as the container, also without a daemon.
#[derive(Debug)]
pub struct StartedLogger {
    stdio: Stdio,
    _leash: ChildStdin,
}

impl StartedLogger {
    /// Makes the FIFOs and starts the logger in `cgroup`.
    pub async fn start(
        program: &Path,
        order: &Order,
        streams: Streams,
        cgroup: &Path,
    ) -> io::Result<Self> {
        let socket = order.socket.clone().ok_or(ErrorKind::InvalidInput)?;
        let fifos = Fifos::beside(&socket, streams);
        let made = tokio::task::spawn_blocking({
            let fifos = fifos.clone();
            move || Fifos::remove(&socket).and_then(|()| fifos.make())
        });
        made.await.map_err(io::Error::other)??;
        let mut command = std::process::Command::new(program);
        // The daemon's environment may have passwords of proxies.
        command.arg0("probelet").arg(ARGUMENT).arg(order.text()).env_clear();
        descriptors::restore_in(&mut command);
        let mut command = Command::from(command);
        command.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::null());
        // Without an owner it is reaped all the same.
        let mut logger = command.spawn()?;
        let pipes = logger.stdin.take().zip(logger.stdout.take()).zip(logger.id());
        let ((leash, mut ready), pid) = pipes.ok_or(ErrorKind::BrokenPipe)?;
        // In this cgroup the logger is not ended together with the daemon's service.
        let cgroup = cgroup.to_owned();
        let placed = tokio::task::spawn_blocking(move || placement::move_to(pid, &cgroup));
        if let Err(error) = placed.await.map_err(io::Error::other)? {
            tracing::warn!(pid, %error, "a logger stays in the daemon's cgroup");
        }
        timeout(READY, ready.read_exact(&mut [0])).await.map_err(io::Error::other)??;
        let text = |path: &Path| path.display().to_string();
        let stdio = Stdio {
            stdin: fifos.stdin.as_deref().map(text).unwrap_or_default(),
            stdout: text(&fifos.stdout),
            stderr: fifos.stderr.as_deref().map(text).unwrap_or_default(),
            terminal: streams.tty,
        };
        Ok(Self { stdio, _leash: leash })
    }

    /// The container's ends of the streams.
    pub fn stdio(&self) -> Stdio {
        self.stdio.clone()
    }
}
