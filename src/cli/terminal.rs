//! The terminal that a verb was started on.

use std::io;

use rustix::termios::{self, OptionalActions, Termios};

pub(super) fn is_one() -> bool {
    termios::isatty(io::stdin())
}

/// Columns and rows.
pub(super) fn size() -> io::Result<(u32, u32)> {
    let size = termios::tcgetwinsize(io::stdin())?;
    Ok((size.ws_col.into(), size.ws_row.into()))
}

/// Every key goes to whoever reads, until this is dropped.
pub(super) struct Raw(Termios);

impl Raw {
    pub(super) fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nothing to restore.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
