//! Input and terminal of a container.

/// Input and terminal of a container's process. By default it has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    /// Whether the process has an input, which stays open until a client closes it. Else its input
    /// is empty.
    pub stdin: bool,
    /// Whether the end of the first client's input closes the input, unless there is a terminal.
    pub stdin_once: bool,
    /// Whether output, errors and input are a terminal.
    pub tty: bool,
}

impl Streams {
    /// True if clients can be connected to the streams themselves, not only to the log.
    pub fn is_interactive(self) -> bool {
        self.stdin || self.tty
    }
}
