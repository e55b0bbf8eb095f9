//! Decompression of headers. All header blocks of a connection are one zlib stream, each flushed at
//! its end, and the stream begins with SPDY's dictionary.
//!
//! `miniz_oxide` has no preset dictionaries, but a raw stream that begins with the dictionary as a
//! stored block has the same effect: later blocks refer back to it.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush};

use super::dictionary::{CHECKSUM, dictionary};
use super::error::SpdyError;

/// The compression method of zlib in the lower half of its first byte.
const DEFLATE: u8 = 8;
/// The bit of zlib's second byte that says that a dictionary is used.
const HAS_DICTIONARY: u8 = 0x20;
/// The step of the output.
const CHUNK: usize = 4096;

/// Decompresses the header blocks of one connection, in their order.
pub struct Inflater {
    state: Box<InflateState>,
    has_begun: bool,
}

impl Inflater {
    pub fn new() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Raw), has_begun: false }
    }

    /// Decompresses a block of at most `limit` bytes. After an error the state is of no use.
    pub fn inflate(&mut self, block: &[u8], limit: usize) -> Result<Vec<u8>, SpdyError> {
        let block = if self.has_begun { block } else { self.begin(block)? };
        self.run(block, limit)
    }

    /// Reads zlib's own header and primes the state. Returns what follows.
    fn begin<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], SpdyError> {
        let (header, rest) = block.split_first_chunk::<2>().ok_or(SpdyError::NotCompressed)?;
        let [method, flags] = *header;
        if method & 0x0f != DEFLATE || u16::from_be_bytes(*header) % 31 != 0 {
            return Err(SpdyError::NotCompressed);
        }
        self.has_begun = true;
        if flags & HAS_DICTIONARY == 0 {
            return Ok(rest);
        }
        let (checksum, rest) = rest.split_first_chunk::<4>().ok_or(SpdyError::NotCompressed)?;
        if *checksum != CHECKSUM {
            return Err(SpdyError::UnknownDictionary);
        }
        let words = dictionary();
        let length = u16::try_from(words.len()).map_err(|_| SpdyError::UnknownDictionary)?;
        let mut stored = vec![0];
        stored.extend(length.to_le_bytes());
        stored.extend((!length).to_le_bytes());
        stored.extend(&words);
        self.run(&stored, words.len())?;
        Ok(rest)
    }

    fn run(&mut self, mut block: &[u8], limit: usize) -> Result<Vec<u8>, SpdyError> {
        let mut output = Vec::new();
        let mut chunk = [0; CHUNK];
        loop {
            let done = inflate(&mut self.state, block, &mut chunk, MZFlush::Sync);
            block = block.get(done.bytes_consumed..).unwrap_or_default();
            let written = chunk.get(..done.bytes_written).unwrap_or_default();
            if output.len().saturating_add(written.len()) > limit {
                return Err(SpdyError::HeadersTooLarge);
            }
            output.extend_from_slice(written);
            match done.status {
                // A full chunk may have more behind it, even when the input is used up.
                Ok(_) if !block.is_empty() || written.len() == CHUNK => {
                    if done.bytes_consumed == 0 && written.is_empty() {
                        return Err(SpdyError::NotCompressed);
                    }
                }
                // Nothing is left to read or to write.
                Ok(_) | Err(MZError::Buf) if block.is_empty() => return Ok(output),
                Ok(_) | Err(_) => return Err(SpdyError::NotCompressed),
            }
        }
    }
}
