//! A command in a running task, or a container, with a client attached to its streams.

pub use probelet_cri_log::attach::Wants;
use tokio::sync::mpsc;

/// How many messages may wait for a slow reader, in either direction.
pub const BACKLOG: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The arguments, which are run unchanged.
    pub command: Vec<String>,
    pub stdin: bool,
    /// True if stdin, stdout and stderr are one terminal.
    pub terminal: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Data(Vec<u8>),
    /// Ends the input, as dropping the sender does. A terminal stays open and gets Ctrl-D.
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
    /// The last message: the exit code, or 128 + N if signal N ended the command.
    Exit(u32),
}

/// The client's ends of a session. Dropping `output` ends a command, and leaves a container. If no `Exit` arrives, it is
/// unknown how the command ended.
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
