//! The frames of exec, attach and port-forward over a WebSocket: a channel number before the data.
//!
//! - kubectl since 1.31 offers `v5.channel.k8s.io` alone, which can close its input (`255, 0`).
//! - Kubernetes' clients in other languages offer `v4.channel.k8s.io`: channel 3 ends with a `Status`
//!   as JSON, which has the exit code.
//! - `channel.k8s.io` is the first version, which a conformance test and browsers use: on channel 3
//!   only the text of a failure, and nothing after a success.
//! - The base64 forms are for clients without binary messages. There never was a v2 or v3 over
//!   WebSockets; those are versions of SPDY.
//! - Port-forward with `ports=` has two channels for each port, data and error.
//! - Logs and watches have no channels, only a subprotocol.

mod command;
mod frame;
mod port_forward;
mod protocol;
mod stream;

pub use command::{ClientMessage, CommandFramer, ExitStatus, Resizes, TerminalSize};
pub use frame::FrameError;
pub use port_forward::{ForwardMessage, PortForwardFramer};
pub use protocol::{Protocol, bearer_token};
pub use stream::{StreamProtocol, watch_subprotocol};

#[cfg(test)]
mod tests;
