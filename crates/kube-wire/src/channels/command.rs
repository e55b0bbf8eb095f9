//! Exec and attach: input, output, the exit status and the size of the terminal.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::{Frame, FrameError, decode, encode};
use super::protocol::Protocol;
use crate::status::Status;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// Most bytes of a terminal size, in all messages that it comes in.
const MAX_SIZE: usize = 1_024;

/// A message from the client of exec or attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Input for the command.
    Stdin(Cow<'a, [u8]>),
    /// The client has no more input.
    StdinClosed,
    /// Bytes of a terminal size, for [`Resizes`].
    Resize(Cow<'a, [u8]>),
    /// Nothing that the command gets: a keep-alive, or data on a channel of the server.
    Ignored,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// With code 0.
    Success,
    /// With another code.
    Code(i32),
    /// It could not be run, or the connection to it broke.
    Failed(Status),
}

/// Reads and writes the messages of one exec or attach.
#[derive(Debug, Clone, Copy)]
pub struct CommandFramer {
    protocol: Protocol,
}

impl CommandFramer {
    /// Messages of this protocol.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol }
    }

    /// True if messages are sent as text.
    pub fn is_text(&self) -> bool {
        self.protocol.is_base64()
    }

    /// Reads a message of the client.
    pub fn read<'a>(&self, message: &'a [u8]) -> Result<ClientMessage<'a>, FrameError> {
        Ok(match decode(self.protocol, message)? {
            None => ClientMessage::Ignored,
            Some(Frame::Data(STDIN, data)) if !data.is_empty() => ClientMessage::Stdin(data),
            Some(Frame::Data(RESIZE, data)) => ClientMessage::Resize(data),
            Some(Frame::Close(STDIN)) => ClientMessage::StdinClosed,
            Some(Frame::Data(STDIN..=ERROR, _) | Frame::Close(STDOUT..=RESIZE)) => {
                ClientMessage::Ignored
            }
            Some(Frame::Data(channel, _) | Frame::Close(channel)) => {
                return Err(FrameError::NoChannel(channel));
            }
        })
    }

    /// Bytes of a channel for the client: 1 for the output, 2 for the error output, 3 for how the
    /// command ended. An empty message on the lowest channel that the client reads says that the
    /// command is connected.
    pub fn write(&self, channel: u8, data: &[u8]) -> Vec<u8> {
        encode(self.protocol, channel, data)
    }
}

fn exit_text(code: i32) -> String {
    format!("command terminated with non-zero exit code: exit status {code}")
}

impl ExitStatus {
    /// The bytes of the error channel, behind which the connection is closed. `None` if nothing is
    /// sent: without a `Status`, older versions of the protocol report failures only, as text.
    pub fn report(&self, has_status: bool) -> Option<Vec<u8>> {
        if has_status {
            return Some(self.to_value().to_string().into_bytes());
        }
        Some(match self {
            Self::Success | Self::Code(0) => return None,
            Self::Code(code) => exit_text(*code).into_bytes(),
            Self::Failed(status) => status.message().as_bytes().to_vec(),
        })
    }

    /// The `Status` on the error channel. kubectl exits with the code in its cause.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Success | Self::Code(0) => json!({"metadata": {}, "status": "Success"}),
            Self::Code(code) => json!({
                "metadata": {}, "status": "Failure", "message": exit_text(*code),
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
            }),
            Self::Failed(status) => status.to_value(),
        }
    }
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// Reads terminal sizes from the bytes of the resize channel, where a size may come in parts.
#[derive(Debug, Default)]
pub struct Resizes {
    buffer: Vec<u8>,
}

impl Resizes {
    /// Adds bytes. Returns the last size that is complete, since only that counts.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<TerminalSize>, FrameError> {
        self.buffer.extend_from_slice(bytes);
        let mut sizes = serde_json::Deserializer::from_slice(&self.buffer).into_iter();
        let (mut last, mut read) = (None, 0);
        loop {
            match sizes.next() {
                Some(Ok(size)) => {
                    last = Some(size);
                    read = sizes.byte_offset();
                }
                Some(Err(error)) if error.is_eof() => break,
                Some(Err(_)) => return Err(FrameError::NotASize),
                None => break,
            }
        }
        self.buffer.drain(..read.min(self.buffer.len()));
        if self.buffer.len() > MAX_SIZE {
            return Err(FrameError::NotASize);
        }
        Ok(last)
    }
}
