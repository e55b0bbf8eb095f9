//! Streams in one direction over a WebSocket: logs, which a conformance test reads so, and watches,
//! which Headlamp reads so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::protocol::{Protocol, protocols};
use crate::status::Status;

/// How the bytes of a log are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamProtocol {
    /// `binary.k8s.io`, and no subprotocol at all.
    Binary,
    /// `base64.binary.k8s.io`: messages of text.
    Base64,
}

const ALL: [(&str, StreamProtocol); 2] =
    [("binary.k8s.io", StreamProtocol::Binary), ("base64.binary.k8s.io", StreamProtocol::Base64)];

impl StreamProtocol {
    /// The first subprotocol of `Sec-WebSocket-Protocol` that is served, with its name for the
    /// answer; 400 if none is served.
    pub fn negotiate(offered: Option<&str>) -> Result<(Self, Option<&'static str>), Status> {
        let mut offered = protocols(offered.unwrap_or_default()).peekable();
        if offered.peek().is_none() {
            return Ok((Self::Binary, None));
        }
        let row = offered.find_map(|name| ALL.iter().find(|(served, _)| *served == name));
        let row = row.map(|(name, protocol)| (*protocol, Some(*name)));
        row.ok_or_else(|| Protocol::not_served(&ALL.map(|(name, _)| name)))
    }

    /// True if messages are sent as text.
    pub fn is_text(self) -> bool {
        self == Self::Base64
    }

    /// A message with these bytes.
    pub fn message(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Binary => data.to_vec(),
            Self::Base64 => STANDARD.encode(data).into_bytes(),
        }
    }
}

/// The subprotocol that a watch answers with: the only one that the client offers, whatever it is,
/// since each event is a message of JSON in any case. `None` for several.
pub fn watch_subprotocol(offered: &str) -> Option<&str> {
    let mut offered = protocols(offered);
    offered.next().filter(|_| offered.next().is_none())
}
