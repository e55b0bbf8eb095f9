//! Frames from the bytes of a connection.

use super::error::SpdyError;
use super::headers::{Headers, MAX_BYTES};
use super::inflate::Inflater;

/// Bytes before the content of a frame.
const HEAD: usize = 8;
/// Most bytes of a control frame that is read as a whole.
const MAX_CONTROL: usize = MAX_BYTES;
const VERSION: u16 = 3;
/// The flag of a stream's last frame.
const FIN: u8 = 1;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A new stream.
    Open {
        /// The number of the stream.
        stream: u32,
        /// The headers.
        headers: Headers,
        /// True if the client sends nothing on it.
        fin: bool,
    },
    /// A part of a stream's data. A data frame is returned in the parts in which it arrives.
    Data {
        /// The number of the stream.
        stream: u32,
        /// May be empty with `fin`.
        data: Vec<u8>,
        /// True if the client sends no more on the stream.
        fin: bool,
    },
    /// The stream has failed, or the client needs no more of it.
    Reset(u32),
    /// Must be answered with the same number, if the number is odd.
    Ping(u32),
    /// The client ends the connection.
    GoAway,
    /// The client ends a stream by a frame that has no other effect.
    Fin(u32),
}

/// The content that follows in a frame whose head is read.
enum Rest {
    Data {
        stream: u32,
        left: usize,
        fin: bool,
    },
    /// Content of a frame without effect.
    Ignored(usize),
}

/// Reads frames. Its memory is bounded by one control frame and what is pushed at once.
pub struct Decoder {
    buffer: Vec<u8>,
    rest: Option<Rest>,
    inflater: Inflater,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffer: Vec::new(), rest: None, inflater: Inflater::new() }
    }
}

impl Decoder {
    /// Adds bytes of the connection. All frames are to be taken before more is added.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The client breaks the protocol. The decoder must not be used further.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, SpdyError> {
        loop {
            if let Some(rest) = self.rest.take() {
                return match self.continued(rest) {
                    // The end of ignored content.
                    Some(None) => continue,
                    Some(Some(frame)) => Ok(Some(frame)),
                    None => Ok(None),
                };
            }
            let Some(head) = self.buffer.first_chunk::<HEAD>().copied() else { return Ok(None) };
            let [first @ .., flags, l1, l2, l3] = head;
            let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
            let first = u32::from_be_bytes(first);
            if first >> 31 == 0 {
                self.take(HEAD);
                let fin = flags & FIN != 0;
                self.rest = Some(Rest::Data { stream: first, left: length, fin });
                continue;
            }
            let (version, kind) = ((first >> 16 & 0x7fff) as u16, (first & 0xffff) as u16);
            if version != VERSION {
                return Err(SpdyError::Version(version));
            }
            if !matches!(kind, SYN_STREAM | SYN_REPLY | RST_STREAM | PING | GOAWAY | HEADERS) {
                // SETTINGS, WINDOW_UPDATE, and frames of extensions.
                self.take(HEAD);
                self.rest = Some(Rest::Ignored(length));
                continue;
            }
            if length > MAX_CONTROL {
                return Err(SpdyError::FrameTooLarge(length));
            }
            if self.buffer.len() < HEAD.saturating_add(length) {
                return Ok(None);
            }
            self.take(HEAD);
            let content = self.take(length);
            if let Some(frame) = self.control(kind, flags & FIN != 0, &content)? {
                return Ok(Some(frame));
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let length = length.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    /// Takes what has arrived of a frame's content. `None` if nothing has.
    fn continued(&mut self, rest: Rest) -> Option<Option<Frame>> {
        match rest {
            Rest::Ignored(left) => {
                let left = left.saturating_sub(self.take(left).len());
                if left == 0 {
                    return Some(None);
                }
                self.rest = Some(Rest::Ignored(left));
                None
            }
            Rest::Data { stream, left, fin } => {
                let data = self.take(left);
                let left = left.saturating_sub(data.len());
                if left == 0 {
                    return Some(Some(Frame::Data { stream, data, fin }));
                }
                self.rest = Some(Rest::Data { stream, left, fin });
                (!data.is_empty()).then_some(Some(Frame::Data { stream, data, fin: false }))
            }
        }
    }

    fn control(
        &mut self,
        kind: u16,
        fin: bool,
        content: &[u8],
    ) -> Result<Option<Frame>, SpdyError> {
        if kind == GOAWAY {
            return Ok(Some(Frame::GoAway));
        }
        let short = || SpdyError::FrameTooShort(kind);
        let (number, behind) = content.split_first_chunk::<4>().ok_or_else(short)?;
        let number = u32::from_be_bytes(*number);
        let stream = number & 0x7fff_ffff;
        Ok(match kind {
            PING => Some(Frame::Ping(number)),
            RST_STREAM => Some(Frame::Reset(stream)),
            SYN_STREAM => {
                // The associated stream, the priority and the slot.
                let (_, block) = behind.split_first_chunk::<6>().ok_or_else(short)?;
                Some(Frame::Open { stream, headers: self.headers(block)?, fin })
            }
            // Replies and later headers have no effect, but they are part of the compression.
            _ => {
                self.headers(behind)?;
                fin.then_some(Frame::Fin(stream))
            }
        })
    }

    fn headers(&mut self, block: &[u8]) -> Result<Headers, SpdyError> {
        Headers::parse(&self.inflater.inflate(block, MAX_BYTES)?)
    }
}
