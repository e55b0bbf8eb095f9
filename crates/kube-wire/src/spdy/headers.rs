//! The headers of a stream.

use super::error::SpdyError;

/// Most headers of a stream. Kubernetes' clients send up to three.
const MAX_HEADERS: usize = 32;
/// Most bytes of all headers of a stream.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// Names and values. Names are lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads a decompressed block: the number of headers, then each name and value behind its length.
    pub(super) fn parse(block: &[u8]) -> Result<Self, SpdyError> {
        let mut rest = block;
        let count = number(&mut rest)?;
        if count > MAX_HEADERS {
            return Err(SpdyError::HeadersTooLarge);
        }
        let mut headers = Vec::new();
        for _ in 0..count {
            let (name, value) = (text(&mut rest)?.to_ascii_lowercase(), text(&mut rest)?);
            if name.is_empty() || headers.iter().any(|(other, _)| *other == name) {
                return Err(SpdyError::InvalidHeaders);
            }
            headers.push((name, value));
        }
        if !rest.is_empty() {
            return Err(SpdyError::InvalidHeaders);
        }
        Ok(Self(headers))
    }

    /// The value of the header with this name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(headers: [(&str, &str); N]) -> Self {
        Self(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }
}

fn number(rest: &mut &[u8]) -> Result<usize, SpdyError> {
    let (number, behind) = rest.split_first_chunk::<4>().ok_or(SpdyError::InvalidHeaders)?;
    *rest = behind;
    usize::try_from(u32::from_be_bytes(*number)).map_err(|_| SpdyError::InvalidHeaders)
}

fn text(rest: &mut &[u8]) -> Result<String, SpdyError> {
    let length = number(rest)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(SpdyError::InvalidHeaders)?;
    *rest = behind;
    String::from_utf8(text.to_vec()).map_err(|_| SpdyError::InvalidHeaders)
}
