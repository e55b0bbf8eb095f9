//! Port-forward over channels: for the port at position i, channel 2i carries data and 2i+1 an error
//! text. The server begins each channel with the number of the port, so the client knows which port
//! it is for.

use std::borrow::Cow;

use super::frame::{Frame, FrameError, decode, encode};
use super::protocol::Protocol;

/// The last channel of a pair: 255 is not a channel but closes one.
const LAST_CHANNEL: u8 = 253;

/// A message from the client of a port-forward. Ports are named by their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardMessage<'a> {
    /// Data for the port.
    Data(usize, Cow<'a, [u8]>),
    /// The client sends no more data for the port.
    Closed(usize),
    /// Nothing that the port gets.
    Ignored,
}

/// Reads and writes the messages of one port-forward.
#[derive(Debug, Clone)]
pub struct PortForwardFramer {
    protocol: Protocol,
    ports: Vec<u16>,
}

impl PortForwardFramer {
    /// Messages of this protocol for these ports, of which `options::forwarded_ports` allows at most
    /// 64. Further ports have no channel.
    pub fn new(protocol: Protocol, ports: Vec<u16>) -> Self {
        Self { protocol, ports }
    }

    /// The ports.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// True if messages are sent as text.
    pub fn is_text(&self) -> bool {
        self.protocol.is_base64()
    }

    /// The first messages: the number of its port on each channel, little endian.
    pub fn greeting(&self) -> Vec<Vec<u8>> {
        let channels = (0..=LAST_CHANNEL).zip(self.ports.iter().flat_map(|port| [port, port]));
        channels
            .map(|(channel, port)| encode(self.protocol, channel, &port.to_le_bytes()))
            .collect()
    }

    /// Reads a message of the client.
    pub fn read<'a>(&self, message: &'a [u8]) -> Result<ForwardMessage<'a>, FrameError> {
        let Some(frame) = decode(self.protocol, message)? else {
            return Ok(ForwardMessage::Ignored);
        };
        let (Frame::Data(channel, _) | Frame::Close(channel)) = &frame;
        let (position, is_error) = (usize::from(channel / 2), channel % 2 == 1);
        if position >= self.ports.len() {
            return Err(FrameError::NoChannel(*channel));
        }
        Ok(match frame {
            _ if is_error => ForwardMessage::Ignored,
            Frame::Data(_, data) => ForwardMessage::Data(position, data),
            Frame::Close(_) => ForwardMessage::Closed(position),
        })
    }

    /// Data of the port at this position; `None` if there is none.
    pub fn data(&self, position: usize, data: &[u8]) -> Option<Vec<u8>> {
        Some(encode(self.protocol, self.channel(position, 0)?, data))
    }

    /// Why the port at this position cannot be reached; `None` if there is none.
    pub fn error(&self, position: usize, text: &[u8]) -> Option<Vec<u8>> {
        Some(encode(self.protocol, self.channel(position, 1)?, text))
    }

    fn channel(&self, position: usize, of_pair: u8) -> Option<u8> {
        self.ports.get(position)?;
        let channel = u8::try_from(position).ok()?.checked_mul(2)?.checked_add(of_pair)?;
        (channel <= LAST_CHANNEL).then_some(channel)
    }
}
