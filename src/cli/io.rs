//! Where a verb writes. Never `println!`: a closed pipe has to end the command, not panic it.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::error::{Error, Result};

pub struct Io<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
}

impl Io<'_> {
    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }

    /// Tells an error at once, for verbs that go on with what is left to do.
    pub(super) fn tell(&mut self, error: &Error) -> Result<()> {
        for line in error.lines() {
            writeln!(self.err, "{line}")?;
        }
        Ok(())
    }

    pub(super) fn warn(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.err, "Warning: {text}")?)
    }

    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let mut text = Vec::new();
        // Four spaces, as kubectl.
        let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, layout);
        value.serialize(&mut serializer).map_err(|e| Error::Other(e.to_string()))?;
        self.out.write_all(&text)?;
        self.line("")
    }

    pub(super) fn yaml(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_norway::to_string(value).map_err(|e| Error::Other(e.to_string()))?;
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

/// The client's wall clock; ages are worked out against it and against nothing else.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
