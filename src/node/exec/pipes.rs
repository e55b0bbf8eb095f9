//! The streams of a command with a client attached: FIFOs whose other ends are the shim's.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use probelet_runtime::ExecStdio;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use super::output::Fifo;
use crate::node::session::Order;

pub struct Pipes {
    pub(super) stdin: Option<Sender>,
    pub(super) stdout: Receiver,
    /// `None` for a terminal, which has no separate stderr.
    pub(super) stderr: Option<Receiver>,
    _fifos: Vec<Fifo>,
}

impl Pipes {
    /// Opens the FIFOs. It must run before the command starts: the shim opens the other ends then,
    /// and would wait for these.
    pub fn open(folder: &Path, exec_id: &str, order: &Order) -> io::Result<(Self, ExecStdio)> {
        // The run folder may have been emptied by another process.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let fifo = |name: &str| Fifo::make(folder.join(format!("{exec_id}.{name}")));
        let stdin = order.stdin.then(|| fifo("stdin")).transpose()?;
        let stdout = fifo("stdout")?;
        let stderr = (!order.terminal).then(|| fifo("stderr")).transpose()?;
        let uri = |fifo: &Option<Fifo>| fifo.as_ref().map(Fifo::uri).unwrap_or_default();
        let stdio = ExecStdio {
            stdin: uri(&stdin),
            stdout: stdout.uri(),
            stderr: uri(&stderr),
            terminal: order.terminal,
        };
        let read = |fifo: &Fifo| OpenOptions::new().open_receiver(fifo.path());
        // The FIFO is opened for reading too: it has no other reader yet, and opening would fail.
        let write = |fifo: &Fifo| OpenOptions::new().read_write(true).open_sender(fifo.path());
        let pipes = Self {
            stdin: stdin.as_ref().map(write).transpose()?,
            stdout: read(&stdout)?,
            stderr: stderr.as_ref().map(read).transpose()?,
            _fifos: stdin.into_iter().chain([stdout]).chain(stderr).collect(),
        };
        Ok((pipes, stdio))
    }
}
