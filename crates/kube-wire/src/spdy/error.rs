//! What a client may not do.

/// A break of the protocol, after which the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpdyError {
    /// A control frame of another version.
    #[error("version {0} of SPDY is not served, only 3")]
    Version(u16),
    /// A frame with headers or numbers is larger than the limit.
    #[error("a control frame has {0} bytes, which is more than the limit")]
    FrameTooLarge(usize),
    /// A frame is shorter than its fields.
    #[error("a frame of type {0} is too short")]
    FrameTooShort(u16),
    /// The compressed headers cannot be read.
    #[error("compressed headers are not valid")]
    NotCompressed,
    /// The compression uses a dictionary that is not the one of SPDY/3.
    #[error("compressed headers use an unknown dictionary")]
    UnknownDictionary,
    /// The headers of a stream are larger than the limit.
    #[error("the headers of a stream are larger than the limit")]
    HeadersTooLarge,
    /// Headers whose lengths or names are not valid.
    #[error("the headers of a stream are not valid")]
    InvalidHeaders,
    /// A new stream with an even or a used number.
    #[error("a client cannot open a stream with the number {0}")]
    StreamNumber(u32),
}
