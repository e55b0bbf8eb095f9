//! What changes the state of the screen.

use probelet_api::pb;

/// A key, as far as the screen knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

#[derive(Debug)]
pub enum Event {
    Key(Key),
    /// The columns and rows of the terminal.
    Resized(u16, u16),
    /// The daemon's answer.
    Polled {
        containers: Vec<pb::Container>,
        usage: Vec<pb::Usage>,
    },
    /// The daemon does not answer, and why.
    Lost(String),
    /// The text that a call asked for.
    Shown(String),
    /// A call has succeeded.
    Done(String),
    /// A call has failed.
    Failed(String),
    /// Output of the container whose log is followed.
    Log(Vec<u8>),
    /// The log has ended: with an error, or because the attempt has ended.
    LogEnded(Option<String>),
}
