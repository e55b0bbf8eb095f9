//! Rewrites the `:authority` of calls over the Unix socket, so that clients of all gRPC libraries are
//! accepted.
//!
//! They send the socket's path as `:authority`: Go's as `/run/probelet/probelet.sock` or with `%2F`
//! for each slash, those on gRPC's C core (C++, Python, Ruby, PHP) as `run%2Fprobelet%2F…`, the
//! header's name being a literal. RFC 3986 has no such authority, so hyper's HTTP/2 ends such a
//! stream with PROTOCOL_ERROR before tonic sees it. On a Unix socket the name
//! has no meaning, so these characters are replaced by `-` on the way in. The length stays the
//! same, plain or Huffman-coded, so nothing moves and both sides' header tables (RFC 7541) still
//! agree.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::preface::PREFACE;

const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The default limit of HTTP/2; a longer header frame is not examined.
const FRAME_MAX: usize = 16 * 1024;
/// `:authority` in HPACK's static table.
const AUTHORITY: usize = 1;
/// The name `:authority` as a literal, plain and Huffman-coded.
const AUTHORITY_NAMES: [(bool, &[u8]); 2] =
    [(false, b":authority"), (true, &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f])];

pub struct AuthorityRewrite {
    stream: UnixStream,
    /// Bytes that were read but not examined: less than a header frame.
    unexamined: BytesMut,
    /// Examined bytes for the reader.
    ready: BytesMut,
    /// The number of bytes that are passed on without examination: the preface, or the rest of another
    /// kind of frame.
    pass: usize,
}

impl AuthorityRewrite {
    pub fn new(stream: UnixStream) -> Self {
        let (unexamined, ready) = (BytesMut::new(), BytesMut::new());
        Self { stream, unexamined, ready, pass: PREFACE.len() }
    }

    fn rewrite_frames(&mut self) {
        loop {
            let passed = self.pass.min(self.unexamined.len());
            self.ready.unsplit(self.unexamined.split_to(passed));
            self.pass -= passed;
            let [a, b, c, kind, flags, ..] = self.unexamined[..] else { return };
            if self.unexamined.len() < FRAME_HEAD || self.pass > 0 {
                return;
            }
            let whole = FRAME_HEAD + u32::from_be_bytes([0, a, b, c]) as usize;
            if kind != HEADERS || whole > FRAME_MAX {
                self.pass = whole;
                continue;
            }
            if self.unexamined.len() < whole {
                return;
            }
            if let Some(block) = self.unexamined.get_mut(FRAME_HEAD..whole) {
                let padding = usize::from(flags & PADDED != 0);
                let priority = if flags & PRIORITY != 0 { 5 } else { 0 };
                // A block that is not valid is passed on; HTTP/2 refuses it.
                let _ = block.get_mut(padding + priority..).and_then(rewrite);
            }
            self.pass = whole;
        }
    }
}

/// Walks an HPACK header block up to the authority and rewrites it in place.
fn rewrite(block: &mut [u8]) -> Option<()> {
    let mut at = 0;
    loop {
        let first = *block.get(at)?;
        let (bits, is_literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let index = integer(block, &mut at, bits)?;
        if !is_literal {
            continue;
        }
        let mut is_authority = index == AUTHORITY;
        if index == 0 {
            let is_huffman = *block.get(at)? & 0x80 != 0;
            let length = integer(block, &mut at, 7)?;
            let end = at.checked_add(length)?;
            is_authority = AUTHORITY_NAMES.contains(&(is_huffman, block.get(at..end)?));
            at = end;
        }
        let is_huffman = *block.get(at)? & 0x80 != 0;
        let length = integer(block, &mut at, 7)?;
        let end = at.checked_add(length)?;
        if is_authority {
            let value = block.get_mut(at..end)?;
            if is_huffman {
                huffman(value)
            } else {
                plain(value)
            }
            return Some(());
        }
        at = end;
    }
}

/// RFC 7541, 5.1: an integer with a prefix of `bits` bits.
fn integer(block: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let mask = (1usize << bits) - 1;
    let mut value = usize::from(*block.get(*at)?) & mask;
    *at += 1;
    if value < mask {
        return Some(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = usize::from(*block.get(*at)?);
        *at += 1;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn plain(value: &mut [u8]) {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte);
    for byte in value.iter_mut().filter(|byte| !is_valid(byte)) {
        *byte = b'-';
    }
}

/// The code is canonical, so the size of a symbol follows from its first bits; the space, `%`, `-`
/// and `/` have six bits each (RFC 7541, appendix B).
fn huffman(value: &mut [u8]) {
    const SPACE: u32 = 0x14;
    const PERCENT: u32 = 0x15;
    const HYPHEN: u32 = 0x16;
    const SLASH: u32 = 0x18;
    let mut at = 0;
    while let Some(code) = bits(value, at, 8) {
        at += match code {
            ..0x50 => 5,
            0x50..0xb8 => {
                if matches!(code >> 2, SPACE | PERCENT | SLASH) {
                    set_bits(value, at, HYPHEN);
                }
                6
            }
            0xb8..0xf8 => 7,
            0xf8..0xfe => 8,
            _ => return,
        };
    }
}

/// `count` bits from bit `at`, padded with ones at the end of the value; `None` past the end.
fn bits(value: &[u8], at: usize, count: u32) -> Option<u32> {
    let high = u32::from(*value.get(at / 8)?);
    let low = u32::from(value.get(at / 8 + 1).copied().unwrap_or(0xff));
    Some((high << 8 | low) >> (16 - count - (at % 8) as u32) & ((1 << count) - 1))
}

fn set_bits(value: &mut [u8], at: usize, six: u32) {
    let shift = 10 - (at % 8) as u32;
    let (mask, six) = ((0x3f_u32 << shift).to_be_bytes(), (six << shift).to_be_bytes());
    for (offset, byte) in value.iter_mut().skip(at / 8).take(2).enumerate() {
        let part = |bytes: [u8; 4]| bytes.get(2 + offset).copied().unwrap_or_default();
        *byte = *byte & !part(mask) | part(six);
    }
}

impl AsyncRead for AuthorityRewrite {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() {
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                // The rest of a broken frame is passed on at the end.
                this.ready.unsplit(this.unexamined.split());
                break;
            }
            this.unexamined.extend_from_slice(read.filled());
            this.rewrite_frames();
        }
        let length = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AuthorityRewrite {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(block: &[u8]) -> Vec<u8> {
        let mut block = block.to_vec();
        rewrite(&mut block);
        block
    }

    #[test]
    fn a_path_as_plain_authority_is_rewritten() {
        // :method POST, :scheme http, :authority literal.
        let block = [&[0x83, 0x86, 0x41, 5][..], b"/a%2F"].concat();
        assert_eq!(rewritten(&block), [&[0x83, 0x86, 0x41, 5][..], b"-a-2F"].concat());
    }

    #[test]
    fn a_path_as_huffman_coded_authority_is_rewritten() {
        // `/a/0`: 011000 00011 011000 00000, then ones.
        let block = [0x41, 0x83, 0b0110_0000, 0b0110_1100, 0b0000_0011];
        // `-a-0`: 010110 00011 010110 00000.
        assert_eq!(rewritten(&block), [0x41, 0x83, 0b0101_1000, 0b0110_1011, 0b0000_0011]);
    }

    #[test]
    fn the_authority_is_rewritten_where_its_name_is_a_literal() {
        let mut names = vec![[&[10][..], b":authority"].concat()];
        names.push([&[0x88][..], AUTHORITY_NAMES[1].1].concat());
        for name in names {
            // Never indexed, not indexed, and added to the table; a `:path` stays what it is.
            for kind in [0x10, 0x00, 0x40] {
                let block = |value: &[u8; 7]| {
                    let path = [&[kind, 5][..], b":path", &[4], b"/a.b"].concat();
                    [&path, &[kind][..], &name, &[7], value].concat()
                };
                assert_eq!(rewritten(&block(b"a%2Fb c")), block(b"a-2Fb-c"));
            }
        }
    }

    #[test]
    fn a_valid_authority_and_other_headers_stay() {
        let other = [&[0x83, 0x44, 3][..], b"/a/", &[0x41, 9], b"localhost"].concat();
        assert_eq!(rewritten(&other), other);
        for broken in [&[0x41][..], &[0x41, 0x7f, 0xff, 0xff, 0xff, 0xff], &[0x00, 0x7f]] {
            assert_eq!(rewritten(broken), broken);
        }
    }

    #[test]
    fn frames_pass_whole_however_they_arrive() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _guard = runtime.enter();
        let head =
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        let data = [0, 0, 3, 0, 0, 0, 0, 0, 1, b'/', b'%', b'/'];
        let frame = [&[0, 0, 4, HEADERS, 4, 0, 0, 0, 1, 0x41, 2][..], b"/x"].concat();
        let sent = [&head[..], &frame, &data].concat();
        let mut expected = sent.clone();
        expected[head.len() + 11] = b'-';
        for size in [1, 2, 7, sent.len()] {
            let stream = ours.try_clone().unwrap();
            let mut rewrite = AuthorityRewrite::new(UnixStream::from_std(stream).unwrap());
            for chunk in sent.chunks(size) {
                rewrite.unexamined.extend_from_slice(chunk);
                rewrite.rewrite_frames();
            }
            assert_eq!(rewrite.ready, expected, "in chunks of {size}");
        }
    }
}
