//! A command in a running task that somebody talks to.

use tokio::sync::mpsc;

/// How many messages may wait for a slow reader, in either direction.
pub const BACKLOG: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Run as it is: nothing in it is replaced.
    pub command: Vec<String>,
    pub stdin: bool,
    /// stdin, stdout and stderr are one terminal.
    pub terminal: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Data(Vec<u8>),
    /// As the sender's drop. A terminal stays open and gets Ctrl-D.
    End,
    Size {
        width: u32,
        height: u32,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// The last one. 128 + N where signal N ended the command.
    Exit(u32),
}

/// Both ends of it. Who drops `output` ends the command; without an `Exit` nobody can tell how
/// it ended.
#[derive(Debug)]
pub struct Session {
    pub input: mpsc::Sender<Input>,
    pub output: mpsc::Receiver<Output>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("too many commands are under way")]
    Busy,
    #[error("{0}")]
    Failed(String),
}
