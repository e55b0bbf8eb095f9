//! The terminal of stdin.

use std::io;

use rustix::termios::{self, OptionalActions, Termios};

/// Whether stdin is a terminal.
pub fn is_terminal() -> bool {
    termios::isatty(io::stdin())
}

/// The columns and rows of the terminal.
pub fn size() -> io::Result<(u32, u32)> {
    let size = termios::tcgetwinsize(io::stdin())?;
    Ok((size.ws_col.into(), size.ws_row.into()))
}

/// Raw mode, until this is dropped: each key is input.
pub struct Raw(Termios);

impl Raw {
    pub fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that was closed has nothing to restore.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
