//! One message: the number of a channel, then data.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::protocol::Protocol;

/// Most bytes of a message. kubectl sends 32 KiB, other clients whole files.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Begins a message of v5 that closes a channel.
const CLOSE: u8 = 255;

/// A message that breaks the protocol. The connection is closed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message is larger than the limit.
    #[error("a message is larger than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// The data of a base64 protocol cannot be decoded.
    #[error("a message is not base64")]
    NotBase64,
    /// The channel does not exist.
    #[error("channel {0} does not exist")]
    NoChannel(u8),
    /// A terminal size that is not read.
    #[error("the terminal size is not JSON with Width and Height")]
    NotASize,
}

/// A message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Data(u8, Cow<'a, [u8]>),
    Close(u8),
}

/// Reads a message; `None` if it is empty.
pub(super) fn decode(protocol: Protocol, message: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    if message.len() > MAX_MESSAGE {
        return Err(FrameError::TooLarge);
    }
    let Some((first, data)) = message.split_first() else { return Ok(None) };
    if *first == CLOSE && protocol.has_close() {
        return match data.first() {
            Some(channel) => Ok(Some(Frame::Close(*channel))),
            None => Ok(None),
        };
    }
    if !protocol.is_base64() {
        return Ok(Some(Frame::Data(*first, Cow::Borrowed(data))));
    }
    let channel = first.checked_sub(b'0').ok_or(FrameError::NoChannel(*first))?;
    let data = STANDARD.decode(data).map_err(|_| FrameError::NotBase64)?;
    Ok(Some(Frame::Data(channel, Cow::Owned(data))))
}

/// Writes a message. Messages of a base64 protocol are sent as text.
pub(super) fn encode(protocol: Protocol, channel: u8, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(data.len() + 1);
    if protocol.is_base64() {
        message.push(channel.saturating_add(b'0'));
        message.extend(STANDARD.encode(data).into_bytes());
    } else {
        message.push(channel);
        message.extend_from_slice(data);
    }
    message
}
