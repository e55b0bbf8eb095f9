//! The server's frames.

/// Most bytes of data in a frame of the server.
pub const DATA: usize = 32 * 1024;

/// An empty header block, compressed: a stored block with the number 0, and an empty one, which is a
/// flush. Go's reader returns nothing before the flush, and fails if it has to wait for it. The first
/// header block of a connection has zlib's header, without a dictionary.
const FIRST_HEADERS: [u8; 16] =
    [0x78, 0x01, 0, 0x04, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// Why a stream is reset (SPDY/3.1, 2.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetCode {
    /// The client breaks the protocol.
    ProtocolError,
    /// The stream does not exist.
    InvalidStream,
    /// There are too many streams.
    RefusedStream,
    /// The server needs no more of it.
    Cancel,
    /// The server has failed.
    InternalError,
    /// The client has ended the stream already.
    AlreadyClosed,
}

impl ResetCode {
    fn number(self) -> u32 {
        match self {
            Self::ProtocolError => 1,
            Self::InvalidStream => 2,
            Self::RefusedStream => 3,
            Self::Cancel => 5,
            Self::InternalError => 6,
            Self::AlreadyClosed => 9,
        }
    }
}

/// Writes the frames of one connection.
#[derive(Debug, Default)]
pub struct Encoder {
    has_headers: bool,
}

impl Encoder {
    /// Accepts a stream that the client opens.
    pub fn reply(&mut self, stream: u32) -> Vec<u8> {
        let begun = if self.has_headers { 2 } else { 0 };
        self.has_headers = true;
        let headers = FIRST_HEADERS.get(begun..).unwrap_or_default();
        control(2, &[&stream.to_be_bytes(), headers].concat())
    }

    /// Data of at most [`DATA`] bytes.
    pub fn data(&self, stream: u32, data: &[u8]) -> Vec<u8> {
        frame((stream & 0x7fff_ffff).to_be_bytes(), 0, data)
    }

    /// The end of the server's half of a stream.
    pub fn end(&self, stream: u32) -> Vec<u8> {
        frame((stream & 0x7fff_ffff).to_be_bytes(), 1, &[])
    }

    /// The end of both halves of a stream.
    pub fn reset(&self, stream: u32, code: ResetCode) -> Vec<u8> {
        control(3, &[stream.to_be_bytes(), code.number().to_be_bytes()].concat())
    }

    /// A ping, or the answer to one with the same number.
    pub fn ping(&self, number: u32) -> Vec<u8> {
        control(6, &number.to_be_bytes())
    }

    /// The end of the connection. `last` is the newest stream that was accepted.
    pub fn go_away(&self, last: u32, is_error: bool) -> Vec<u8> {
        control(7, &[last.to_be_bytes(), u32::from(is_error).to_be_bytes()].concat())
    }
}

fn control(kind: u16, content: &[u8]) -> Vec<u8> {
    let [k1, k2] = kind.to_be_bytes();
    frame([0x80, 3, k1, k2], 0, content)
}

fn frame(first: [u8; 4], flags: u8, content: &[u8]) -> Vec<u8> {
    // Contents are shorter than 16 MiB: data is split, and the rest is a few bytes.
    let [_, l1, l2, l3] = u32::try_from(content.len()).unwrap_or_default().to_be_bytes();
    let mut bytes = Vec::with_capacity(content.len().saturating_add(8));
    bytes.extend(first);
    bytes.extend([flags, l1, l2, l3]);
    bytes.extend_from_slice(content);
    bytes
}
