//! Logger of an interactive container. The daemon starts it, because a shim gives a container with a
//! logger of its own no input. Its stdin is a pipe of the daemon's, which closes it when the container
//! has been created, or when it dies. The daemon waits for a byte on its stdout.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::process::setsid;
use rustix::stdio::{dup2_stdin, dup2_stdout};

use super::input::Input;
use super::sessions::Sessions;
use crate::attach::Streams;
use crate::fifos::Fifos;
use crate::format::Stream;

/// The streams of an interactive container.
#[derive(Debug)]
pub struct Interactive {
    pub sources: [(Stream, Option<File>); 2],
    pub sessions: Sessions,
}

impl Interactive {
    /// Opens the logger's ends of the FIFOs, and the socket for clients.
    pub fn open(socket: &Path, streams: Streams) -> io::Result<Self> {
        // Neither a signal to the daemon's session nor its terminal reaches the logger.
        let _ = setsid();
        let fifos = Fifos::beside(socket, streams);
        let (stdin, stdout, stderr) = fifos.open()?;
        let sessions = Sessions::open(&fifos.clients, streams, Input::new(stdin))?;
        let sources = [(Stream::Stdout, Some(stdout)), (Stream::Stderr, stderr)];
        Ok(Self { sources, sessions })
    }
}

/// Reports to the daemon that the logger is ready.
pub fn report_ready() -> io::Result<()> {
    io::stdout().write_all(b"\n")?;
    io::stdout().flush()?;
    dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}

/// Closes the pipe of the daemon's.
pub fn close_leash() {
    if let Ok(null) = File::open("/dev/null") {
        let _ = dup2_stdin(null);
    }
}
