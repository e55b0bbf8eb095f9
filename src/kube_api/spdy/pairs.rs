//! The streams of a port-forward: each connection has one for data and one for its error, in any
//! order, with the same `requestID`.

use std::collections::BTreeMap;

use probelet_kube_wire::spdy::{ForwardedPart, ForwardedStream};

use super::connection::Opened;
use crate::kube_api::exchange::{FromClient, ToClient};
use crate::kube_api::port_forward::Forwarded;

/// Streams whose other half has not come yet. The connection bounds their number.
#[derive(Default)]
pub struct Pairs {
    halves: BTreeMap<Key, Half>,
}

/// The request, or the number of the error stream: clients before Kubernetes 1.1 send no request,
/// but open the data stream right behind it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Request(String),
    Stream(u32),
}

struct Half {
    part: ForwardedPart,
    port: u16,
    from: FromClient,
    to: ToClient,
}

impl Pairs {
    /// Adds a stream. Returns the connection if it is complete; a stream that fits to none is reset.
    pub async fn add(&mut self, stream: Opened) -> Option<Forwarded> {
        let Opened { id, headers, from, to } = stream;
        let ForwardedStream { part, port, request } = match ForwardedStream::of(&headers) {
            Ok(stream) => stream,
            Err(header) => {
                tracing::debug!(header, "a stream has an invalid header");
                to.reset().await;
                return None;
            }
        };
        let key = match (request, part) {
            (Some(request), _) => Key::Request(request),
            (None, ForwardedPart::Error) => Key::Stream(id),
            (None, ForwardedPart::Data) => Key::Stream(id.saturating_sub(2)),
        };
        let half = Half { part, port, from, to };
        match self.halves.remove(&key) {
            None => {
                self.halves.insert(key, half);
                None
            }
            Some(other) if other.part == part || other.port != port => {
                half.to.reset().await;
                self.halves.insert(key, other);
                None
            }
            Some(other) => {
                let (data, error) = match part {
                    ForwardedPart::Data => (half, other),
                    ForwardedPart::Error => (other, half),
                };
                Some(Forwarded { port, from: data.from, data: data.to, error: error.to })
            }
        }
    }
}
