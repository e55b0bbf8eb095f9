//! A watch: an answer without an end, whose lines are events.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::error::ApiError;

/// Most bytes of an event: an object may have 1.5 MiB, and more as JSON.
const LONGEST: usize = 4 << 20;
/// Time without any event after which a watch is given up. A server sends a bookmark each minute.
const SILENCE: Duration = Duration::from_secs(180);

/// The lines of a watch.
#[derive(Debug)]
pub struct Watch {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of the buffer that have no end of a line.
    searched: usize,
}

impl Watch {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next event; `None` at the end of the watch, after which another one follows.
    ///
    /// # Errors
    ///
    /// The connection broke, was silent for too long, or the line is too long. The watch is over then.
    pub async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        loop {
            if let Some(line) = self.line() {
                if line.is_empty() {
                    continue;
                }
                return Some(Ok(line));
            }
            if self.buffer.len() > LONGEST {
                let why = format!("an event of more than {LONGEST} bytes");
                return Some(Err(ApiError::Unusable(why)));
            }
            let frame = match timeout(SILENCE, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Some(Err(ApiError::Away(error.to_string()))),
                Ok(None) => return None,
                Err(_) => {
                    let why = format!("no event for {} s", SILENCE.as_secs());
                    return Some(Err(ApiError::Away(why)));
                }
            };
            // Trailers are ignored.
            if let Ok(bytes) = frame.into_data() {
                self.buffer.extend_from_slice(&bytes);
            }
        }
    }

    fn line(&mut self) -> Option<Bytes> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', rest) else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched.saturating_add(found));
        self.buffer.advance(1);
        self.searched = 0;
        Some(line.freeze())
    }
}
