//! The streams of one connection: which exist, and what a frame means for them.

use std::collections::BTreeMap;

use super::encode::ResetCode;
use super::error::SpdyError;
use super::frame::{Decoder, Frame};
use super::headers::Headers;

/// Streams that may be open at once on a connection. A forwarded connection has two.
pub const STREAMS: usize = 256;

/// The number of a stream.
pub type StreamId = u32;

/// What the owner of the connection must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Reply to a new stream.
    Opened(StreamId, Headers),
    /// Take data of a stream.
    Data(StreamId, Vec<u8>),
    /// The client sends no more on the stream.
    Ended(StreamId),
    /// Both halves of the stream have ended.
    Aborted(StreamId),
    /// Refuse a stream, or data for one.
    Refuse(StreamId, ResetCode),
    /// Answer a ping.
    Pong(u32),
}

/// Reads a connection. The owner reports the ends of its own halves with [`Session::close`].
#[derive(Default)]
pub struct Session {
    decoder: Decoder,
    /// True for streams on which the client sends no more.
    streams: BTreeMap<StreamId, bool>,
    last: StreamId,
    /// An end that comes behind the event that was returned last.
    ended: Option<StreamId>,
    is_going_away: bool,
}

impl Session {
    /// Adds bytes of the connection. All events are to be taken before more is added.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// The next event; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The client breaks the protocol, which ends the connection.
    pub fn next_event(&mut self) -> Result<Option<Event>, SpdyError> {
        if let Some(stream) = self.ended.take() {
            return Ok(Some(Event::Ended(stream)));
        }
        while let Some(frame) = self.decoder.next_frame()? {
            let event = match frame {
                Frame::Open { stream, headers, fin } => Some(self.open(stream, headers, fin)?),
                Frame::Data { stream, data, fin } => self.data(stream, data, fin),
                Frame::Fin(stream) => self.data(stream, Vec::new(), true),
                Frame::Reset(stream) => {
                    self.streams.remove(&stream).map(|_| Event::Aborted(stream))
                }
                // Even numbers are answers to the server's own pings.
                Frame::Ping(number) => (number % 2 == 1).then_some(Event::Pong(number)),
                Frame::GoAway => {
                    self.is_going_away = true;
                    None
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn open(&mut self, stream: u32, headers: Headers, fin: bool) -> Result<Event, SpdyError> {
        if stream.is_multiple_of(2) || stream <= self.last {
            return Err(SpdyError::StreamNumber(stream));
        }
        self.last = stream;
        if self.is_going_away || self.streams.len() >= STREAMS {
            return Ok(Event::Refuse(stream, ResetCode::RefusedStream));
        }
        self.streams.insert(stream, fin);
        self.ended = fin.then_some(stream);
        Ok(Event::Opened(stream, headers))
    }

    fn data(&mut self, stream: u32, data: Vec<u8>, fin: bool) -> Option<Event> {
        match self.streams.get_mut(&stream) {
            Some(has_ended @ false) => {
                *has_ended = fin;
                if data.is_empty() {
                    return fin.then_some(Event::Ended(stream));
                }
                self.ended = fin.then_some(stream);
                Some(Event::Data(stream, data))
            }
            Some(true) => {
                self.streams.remove(&stream);
                Some(Event::Refuse(stream, ResetCode::AlreadyClosed))
            }
            // The client had sent it before it saw that the server has closed the stream.
            None if stream <= self.last => None,
            None => Some(Event::Refuse(stream, ResetCode::InvalidStream)),
        }
    }

    /// Forgets a stream whose work has ended. What the client still sends for it is dropped.
    pub fn close(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// The newest stream of the client; 0 if there was none.
    pub fn last(&self) -> StreamId {
        self.last
    }
}
