//! Input of an interactive container: what clients have sent and the container has not read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Limit in bytes at which no more is read of clients.
const WAITING: usize = 64 << 10;

#[derive(Debug)]
pub struct Input {
    /// `None` when it has been closed.
    fifo: Option<File>,
    waiting: VecDeque<u8>,
    /// True if it is closed once nothing waits.
    is_ending: bool,
}

impl Input {
    pub fn new(fifo: Option<File>) -> Self {
        Self { fifo, waiting: VecDeque::new(), is_ending: false }
    }

    pub fn is_over(&self) -> bool {
        self.fifo.is_none()
    }

    /// True if no more is to be read of clients.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// The FIFO, if something waits for it.
    pub fn wanted(&self) -> Option<BorrowedFd<'_>> {
        self.fifo.as_ref().filter(|_| !self.waiting.is_empty()).map(File::as_fd)
    }

    /// Adds what a client has sent. Nothing follows the end.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.fifo.is_some() && !self.is_ending {
            self.waiting.extend(bytes);
        }
    }

    /// Closes the input when all that waits is written.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Writes what the FIFO takes. Returns true if this call has closed the input.
    pub fn write(&mut self) -> bool {
        let Some(fifo) = &mut self.fifo else { return false };
        while !self.waiting.is_empty() {
            match fifo.write(self.waiting.as_slices().0) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => self.waiting.clear(),
            }
        }
        let closes = self.is_ending;
        if closes {
            self.fifo = None;
        }
        closes
    }
}
