//! SPDY/3.1 as Kubernetes' streams use it, without the connection: frames, compressed headers, the
//! table of streams, and what the headers of a stream mean.
//!
//! kubectl forwards ports with it, inside a WebSocket or bare, and kubectl before 1.31 runs commands
//! with it. The server only answers: clients open all streams.
//!
//! - Clients and servers of Kubernetes have no flow control: `WINDOW_UPDATE` and `SETTINGS` are read
//!   and have no effect, and none is sent.
//! - Headers come compressed with the dictionary of the specification. The server's own header
//!   blocks are empty, so they are constants.

mod dictionary;
mod encode;
mod error;
mod frame;
mod headers;
mod inflate;
mod kind;
mod negotiate;
mod session;

pub use encode::{DATA, Encoder, ResetCode};
pub use error::SpdyError;
pub use frame::{Decoder, Frame};
pub use headers::Headers;
pub use kind::{CommandStream, ForwardedPart, ForwardedStream};
pub use negotiate::{CommandVersion, port_forward_protocol};
pub use session::{Event, STREAMS, Session, StreamId};

#[cfg(test)]
mod tests;
