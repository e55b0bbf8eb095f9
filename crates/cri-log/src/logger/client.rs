//! A client that is attached to an interactive container.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;

use crate::attach::{Decoder, Frame, Wants};
use crate::format::Stream;

/// Limit in bytes for what waits for one client. Output above it is not sent.
const WAITING: usize = 1 << 20;

#[derive(Debug)]
pub struct Client {
    pub(super) socket: UnixStream,
    /// `None` until its first message.
    pub(super) wants: Option<Wants>,
    decoder: Decoder,
    waiting: VecDeque<u8>,
    /// Bytes of output that were not sent since the last notice of that.
    lost: u64,
    /// True if its input has ended.
    has_ended: bool,
    is_gone: bool,
}

impl Client {
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            wants: None,
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            lost: 0,
            has_ended: false,
            is_gone: false,
        }
    }

    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// True if its input counts and has not ended.
    pub fn is_typing(&self) -> bool {
        !self.has_ended && self.wants.is_some_and(|wants| wants.input)
    }

    /// Marks the end of its input. Returns true if this call did so.
    pub fn end_input(&mut self) -> bool {
        let was = self.is_typing();
        self.has_ended = true;
        was
    }

    /// What to wait for; `None` if nothing, since the end of the connection cannot be left out.
    pub fn interest(&self, may_read: bool) -> Option<PollFlags> {
        let read = if may_read { PollFlags::IN } else { PollFlags::empty() };
        let write = if self.has_waiting() { PollFlags::OUT } else { PollFlags::empty() };
        Some(read | write).filter(|flags| !flags.is_empty())
    }

    /// Adds output, or counts it as lost if the client reads too slowly.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let wanted = self.wants.is_some_and(|wants| match stream {
            Stream::Stdout => wants.stdout,
            Stream::Stderr => wants.stderr,
        });
        if !wanted {
            return;
        }
        let length = bytes.len() as u64;
        if self.waiting.len().saturating_add(bytes.len()) > WAITING {
            self.lost = self.lost.saturating_add(length);
            return;
        }
        self.report_lost();
        self.send(&Frame::Output(stream, bytes.to_vec()));
    }

    /// Reports what was lost, in its place in the output.
    pub fn report_lost(&mut self) {
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.send(&Frame::Lost(lost));
        }
    }

    /// Adds a message, which is small or within the limit.
    pub fn send(&mut self, frame: &Frame) {
        self.waiting.extend(frame.encode());
    }

    /// Writes what the socket takes.
    pub fn write(&mut self) {
        while !self.waiting.is_empty() {
            match self.socket.write(self.waiting.as_slices().0) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.waiting.clear();
                    self.is_gone = true;
                }
            }
        }
    }

    /// Reads once, and returns the messages. A client that breaks the protocol is gone.
    pub fn read(&mut self, buffer: &mut [u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        match self.socket.read(buffer) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Ok(length) if length > 0 => {
                self.decoder.feed(buffer.get(..length).unwrap_or_default());
                loop {
                    match self.decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(_) => {
                            self.is_gone = true;
                            break;
                        }
                    }
                }
            }
            _ => self.is_gone = true,
        }
        frames
    }
}
