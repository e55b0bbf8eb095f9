//! Messages between the daemon and the logger of an interactive container, over the logger's socket
//! for clients: a kind, a length of two bytes (big-endian), and the content.

use crate::format::{LINE, Stream};

/// Maximum size in bytes of a message's content.
pub const CONTENT: usize = LINE;
const HEADER: usize = 3;

const BEGIN: u8 = 1;
const INPUT: u8 = 2;
const INPUT_END: u8 = 3;
const BEGUN: u8 = 4;
const STDOUT: u8 = 5;
const STDERR: u8 = 6;
const LOST: u8 = 7;
const INPUT_OVER: u8 = 8;

/// What a client wants, in its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// Whether it sends input.
    pub input: bool,
    /// Whether it receives stdout, and a terminal's output.
    pub stdout: bool,
    /// Whether it receives stderr.
    pub stderr: bool,
}

/// The streams of the container, in the logger's first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    /// Whether the container has an input.
    pub stdin: bool,
    /// Whether the end of the first client's input closes the input.
    pub once: bool,
    /// Whether the streams are a terminal.
    pub tty: bool,
    /// Whether the input has been closed.
    pub is_over: bool,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The client's first message.
    Begin(Wants),
    /// Input for the container.
    Input(Vec<u8>),
    /// The end of the client's input.
    InputEnd,
    /// The logger's first message: the client is connected.
    Begun(Streams),
    /// Output of the container.
    Output(Stream, Vec<u8>),
    /// Bytes of output that the client did not get, since it reads too slowly.
    Lost(u64),
    /// The logger has closed the container's input.
    InputOver,
}

/// Bytes that are not a message, after which the connection is useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of an attached client")]
pub struct Malformed;

const BITS: [u8; 4] = [1, 2, 4, 8];

fn flags(values: [bool; 4]) -> u8 {
    let set = values.iter().zip(BITS).filter(|(value, _)| **value);
    set.fold(0, |bits, (_, bit)| bits | bit)
}

impl Frame {
    /// Returns the message's bytes. Content above [`CONTENT`] is cut off.
    pub fn encode(&self) -> Vec<u8> {
        let bit;
        let number;
        let (kind, content): (u8, &[u8]) = match self {
            Self::Begin(Wants { input, stdout, stderr }) => {
                bit = [flags([*input, *stdout, *stderr, false])];
                (BEGIN, &bit)
            }
            Self::Input(bytes) => (INPUT, bytes),
            Self::InputEnd => (INPUT_END, &[]),
            Self::Begun(Streams { stdin, once, tty, is_over }) => {
                bit = [flags([*stdin, *once, *tty, *is_over])];
                (BEGUN, &bit)
            }
            Self::Output(Stream::Stdout, bytes) => (STDOUT, bytes),
            Self::Output(Stream::Stderr, bytes) => (STDERR, bytes),
            Self::Lost(bytes) => {
                number = bytes.to_be_bytes();
                (LOST, &number)
            }
            Self::InputOver => (INPUT_OVER, &[]),
        };
        let content = content.get(..CONTENT).unwrap_or(content);
        let length = u16::try_from(content.len()).unwrap_or_default().to_be_bytes();
        [&[kind], length.as_slice(), content].concat()
    }

    fn decode(kind: u8, content: &[u8]) -> Result<Self, Malformed> {
        let bits = |used: u8| match content {
            [bits] if bits & !used == 0 => Ok(BITS.map(|bit| bits & bit != 0)),
            _ => Err(Malformed),
        };
        let empty = |frame: Self| if content.is_empty() { Ok(frame) } else { Err(Malformed) };
        match kind {
            BEGIN => bits(7)
                .map(|[input, stdout, stderr, _]| Self::Begin(Wants { input, stdout, stderr })),
            BEGUN => bits(15).map(|[stdin, once, tty, is_over]| {
                Self::Begun(Streams { stdin, once, tty, is_over })
            }),
            INPUT => Ok(Self::Input(content.to_vec())),
            STDOUT => Ok(Self::Output(Stream::Stdout, content.to_vec())),
            STDERR => Ok(Self::Output(Stream::Stderr, content.to_vec())),
            LOST => {
                content.try_into().map(u64::from_be_bytes).map(Self::Lost).map_err(|_| Malformed)
            }
            INPUT_END => empty(Self::InputEnd),
            INPUT_OVER => empty(Self::InputOver),
            _ => Err(Malformed),
        }
    }
}

/// The messages of a stream of bytes. It buffers at most one incomplete message beside what was fed
/// last.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were decoded.
    used: usize,
}

impl Decoder {
    /// Adds bytes that were read. All messages should be taken before the next call.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete message.
    ///
    /// # Errors
    ///
    /// The bytes are not a message.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        let [kind, high, low, rest @ ..] = rest else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > CONTENT {
            return Err(Malformed);
        }
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::decode(*kind, content)?;
        self.used = self.used.saturating_add(HEADER).saturating_add(length);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Frame> {
        let streams = Streams { stdin: true, once: false, tty: true, is_over: true };
        vec![
            Frame::Begin(Wants { input: true, stdout: false, stderr: true }),
            Frame::Begun(streams),
            Frame::Input(vec![7; CONTENT]),
            Frame::InputEnd,
            Frame::Output(Stream::Stdout, b"out".to_vec()),
            Frame::Output(Stream::Stderr, Vec::new()),
            Frame::Lost(1 << 40),
            Frame::InputOver,
        ]
    }

    #[test]
    fn messages_survive_however_they_are_split() {
        let bytes: Vec<u8> = all().iter().flat_map(Frame::encode).collect();
        for size in [1, 2, 5, 1000, bytes.len()] {
            let (mut decoder, mut found) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(size) {
                decoder.feed(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, all(), "{size}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let cases: [&[u8]; 6] =
            [&[0, 0, 0], &[9, 0, 0], &[2, 0xff, 0xff], &[1, 0, 1, 8], &[7, 0, 1, 0], &[3, 0, 1, 0]];
        for bytes in cases {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert_eq!(decoder.next_frame(), Err(Malformed), "{bytes:?}");
        }
    }
}
