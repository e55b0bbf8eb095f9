//! The versions of the channel protocol, and which one a client gets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::status::Status;

/// Begins the subprotocol with which browsers send a bearer token. The token is base64 behind it.
const BEARER: &str = "base64url.bearer.authorization.k8s.io.";

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `channel.k8s.io`, and no subprotocol at all.
    V1,
    /// `base64.channel.k8s.io`.
    V1Base64,
    /// `v4.channel.k8s.io`.
    V4,
    /// `v4.base64.channel.k8s.io`.
    V4Base64,
    /// `v5.channel.k8s.io`.
    V5,
}

const ALL: [(&str, Protocol); 5] = [
    ("v5.channel.k8s.io", Protocol::V5),
    ("v4.channel.k8s.io", Protocol::V4),
    ("v4.base64.channel.k8s.io", Protocol::V4Base64),
    ("channel.k8s.io", Protocol::V1),
    ("base64.channel.k8s.io", Protocol::V1Base64),
];

impl Protocol {
    /// The first subprotocol of `Sec-WebSocket-Protocol` that is served, with its name for the
    /// answer; V1 without a name if the client offers none. 400 if none is served: kubectl then
    /// tries SPDY.
    pub fn negotiate(offered: Option<&str>) -> Result<(Self, Option<&'static str>), Status> {
        let mut offered = protocols(offered.unwrap_or_default()).peekable();
        if offered.peek().is_none() {
            return Ok((Self::V1, None));
        }
        let row = offered.find_map(|name| ALL.iter().find(|(served, _)| *served == name));
        let row = row.map(|(name, protocol)| (*protocol, Some(*name)));
        row.ok_or_else(|| Self::not_served(&ALL.map(|(name, _)| name)))
    }

    pub(super) fn not_served(served: &[&str]) -> Status {
        let served = served.join(", ");
        Status::bad_request(format!("none of the subprotocols is served: {served}"))
    }

    pub(super) fn is_base64(self) -> bool {
        matches!(self, Self::V1Base64 | Self::V4Base64)
    }

    /// True if the error channel carries a `Status` as JSON.
    pub fn has_status(self) -> bool {
        matches!(self, Self::V4 | Self::V4Base64 | Self::V5)
    }

    /// True if one channel can be closed by itself.
    pub(super) fn has_close(self) -> bool {
        self == Self::V5
    }
}

/// The offered subprotocols, without a bearer token.
pub(super) fn protocols(offered: &str) -> impl Iterator<Item = &str> {
    let names = offered.split(',').map(str::trim);
    names.filter(|name| !name.is_empty() && !name.starts_with(BEARER))
}

/// The bearer token that a browser hides among the subprotocols. It is not echoed.
pub fn bearer_token(offered: &str) -> Option<String> {
    let encoded = offered.split(',').find_map(|name| name.trim().strip_prefix(BEARER))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
