//! The wire format: tags, numbers and byte strings.

use super::ProtobufError;

/// A value as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field of the API has.
    Fixed,
}

/// The fields of a message, in their order.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, ProtobufError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let number = u32::try_from(tag >> 3).map_err(|_| ProtobufError::Malformed)?;
        if number == 0 {
            return Err(ProtobufError::Malformed);
        }
        let raw = match tag & 7 {
            0 => Raw::Varint(varint(&mut self.rest)?),
            1 => self.take(8).map(|_| Raw::Fixed)?,
            2 => {
                let length = varint(&mut self.rest)?;
                let length = usize::try_from(length).map_err(|_| ProtobufError::Malformed)?;
                Raw::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Raw::Fixed)?,
            _ => return Err(ProtobufError::Malformed),
        };
        Ok(Some((number, raw)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ProtobufError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Reads a number of up to ten bytes.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut number = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(ProtobufError::Malformed)?;
        *bytes = rest;
        // The tenth byte has one bit.
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(ProtobufError::Malformed);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(ProtobufError::Malformed)
}

/// `runtime.Unknown`, which wraps each object.
#[derive(Debug, Default)]
pub(super) struct Unknown<'a> {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) raw: &'a [u8],
    pub(super) content_encoding: String,
}

impl<'a> Unknown<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, ProtobufError> {
        let mut unknown = Self::default();
        let mut fields = Fields::of(message);
        while let Some((number, raw)) = fields.next()? {
            match (number, raw) {
                (1, Raw::Bytes(type_meta)) => unknown.read_type(type_meta)?,
                (2, Raw::Bytes(raw)) => unknown.raw = raw,
                (3, Raw::Bytes(encoding)) => unknown.content_encoding = text(encoding)?,
                // 4 is the content type of the raw bytes, which is protobuf.
                _ => {}
            }
        }
        Ok(unknown)
    }

    fn read_type(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
        let mut fields = Fields::of(message);
        while let Some((number, raw)) = fields.next()? {
            match (number, raw) {
                (1, Raw::Bytes(version)) => self.api_version = text(version)?,
                (2, Raw::Bytes(kind)) => self.kind = text(kind)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<String, ProtobufError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ProtobufError::Malformed)
}
