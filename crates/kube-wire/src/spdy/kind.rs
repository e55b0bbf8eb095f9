//! What the headers of a stream say about its use.

use super::headers::Headers;

/// A stream of exec or attach, by its header `streamType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandStream {
    /// How the command ended.
    Error,
    /// Input for the command.
    Stdin,
    /// Output of the command.
    Stdout,
    /// Error output of the command.
    Stderr,
    /// Sizes of the terminal.
    Resize,
}

impl CommandStream {
    /// Reads the headers; `None` for a stream that Kubernetes does not have.
    pub fn of(headers: &Headers) -> Option<Self> {
        Some(match headers.get("streamtype")? {
            "error" => Self::Error,
            "stdin" => Self::Stdin,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "resize" => Self::Resize,
            _ => return None,
        })
    }
}

/// One of the two streams of a forwarded connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedPart {
    /// The bytes of the connection.
    Data,
    /// Why the port cannot be reached.
    Error,
}

/// A stream of a port-forward, by its headers `streamType`, `port` and `requestID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedStream {
    /// Which of the two.
    pub part: ForwardedPart,
    /// The port in the pod.
    pub port: u16,
    /// The same for both streams of a connection; `None` in clients before Kubernetes 1.1.
    pub request: Option<String>,
}

impl ForwardedStream {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// The name of a header that is missing or not valid.
    pub fn of(headers: &Headers) -> Result<Self, &'static str> {
        let part = match headers.get("streamtype") {
            Some("data") => ForwardedPart::Data,
            Some("error") => ForwardedPart::Error,
            _ => return Err("streamType"),
        };
        let port = headers.get("port").and_then(|port| port.parse().ok());
        let port = port.filter(|port| *port > 0).ok_or("port")?;
        Ok(Self { part, port, request: headers.get("requestid").map(str::to_owned) })
    }
}
